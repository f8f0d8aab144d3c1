// A parsed source file and what the layer and house-rule checks ask of one.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseSync } from "oxc-parser";
import { filesBelow, root } from "./files.mjs";

/** @typedef {{ type: string, start: number, end: number } & Record<string, unknown>} Node */
/** @typedef {{ start: number, end: number, value: string, type: string }} Comment */
/** @typedef {{ at: number, what: string }} Offence an offset in the text, and what stands there */
/** @typedef {{ path: string, line: number, rule: string, message: string }} Finding */

/**
 * @typedef {object} Source
 * @property {string} path relative to the project
 * @property {string} text
 * @property {Node} program
 * @property {Comment[]} comments
 * @property {string[]} errors
 */

const folders = ["src", "test", "tools", "bench", "bin"];

/** @param {string} path */
const isSource = (path) => /\.(ts|mjs|js)$/.test(path) && !path.endsWith(".generated.ts");

/**
 * @param {string} path relative to the project
 * @param {string} text
 * @returns {Source}
 */
export function parseSource(path, text) {
  const { program, comments, errors } = parseSync(path, text, { lang: path.endsWith(".ts") ? "ts" : "js" });
  const node = /** @type {Node} */ (/** @type {unknown} */ (program));
  return { path, text, program: node, comments, errors: errors.map((error) => error.message) };
}

/**
 * Every source file of the project.
 * @returns {Source[]}
 */
export function loadSources() {
  const paths = folders.flatMap((folder) => filesBelow(folder, isSource));
  return paths.map((path) => parseSource(path, readFileSync(join(root, path), "utf8")));
}

/**
 * @param {Source} source
 * @param {number} offset
 */
export function lineOf(source, offset) {
  return source.text.slice(0, offset).split("\n").length;
}

/** @param {Finding} finding */
export const formatFinding = ({ path, line, rule, message }) => `${path}:${line}: ${rule}: ${message}`;

/** @param {unknown} value @returns {value is Node} */
const isNode = (value) => typeof value === "object" && value !== null && "type" in value;

/**
 * Every node below a node, itself included, with the node that holds it.
 * @param {Node} node
 * @param {Node | undefined} [parent]
 * @returns {Generator<{ node: Node, parent: Node | undefined }>}
 */
export function* nodesBelow(node, parent = undefined) {
  yield { node, parent };
  for (const value of Object.values(node)) {
    for (const child of Array.isArray(value) ? value : [value]) {
      if (isNode(child)) yield* nodesBelow(child, node);
    }
  }
}

/**
 * @param {Source} source
 * @param {(node: Node, parent: Node | undefined) => string | undefined} judge what is wrong with a node, if anything
 * @returns {Offence[]}
 */
export function offences(source, judge) {
  /** @type {Offence[]} */
  const found = [];
  for (const { node, parent } of nodesBelow(source.program)) {
    const what = judge(node, parent);
    if (what !== undefined) found.push({ at: node.start, what });
  }
  return found;
}

/**
 * A name or a dotted path such as `Date.now`; undefined for anything else.
 * @param {unknown} node
 * @returns {string | undefined}
 */
export function dottedName(node) {
  if (!isNode(node)) return undefined;
  if (node.type === "Identifier") return String(node.name);
  if (node.type !== "MemberExpression" || node.computed) return undefined;
  const object = dottedName(node.object);
  return object && `${object}.${dottedName(node.property)}`;
}

/**
 * The module that a node names: an import, a re-export, `import("...")`, a type import, or
 * `new URL("...", import.meta.url)`, which is how a worker or a .wasm file is reached.
 * @param {Node} node
 * @returns {Node | undefined} the string literal
 */
function moduleLiteral(node) {
  if (node.type === "NewExpression" && dottedName(node.callee) === "URL") {
    const [target, base] = /** @type {unknown[]} */ (node.arguments);
    return isNode(base) && isNode(target) && isRelative(target.value) ? target : undefined;
  }
  const named = [
    "ImportDeclaration",
    "ImportExpression",
    "ExportNamedDeclaration",
    "ExportAllDeclaration",
    "TSImportType",
  ];
  const source = named.includes(node.type) ? node.source : undefined;
  return isNode(source) && typeof source.value === "string" ? source : undefined;
}

/** @param {unknown} specifier */
export const isRelative = (specifier) => typeof specifier === "string" && /^\.\.?\//.test(specifier);

/**
 * @param {Source} source
 * @returns {{ specifier: string, at: number, isUrl: boolean }[]}
 */
export function importsOf(source) {
  /** @type {{ specifier: string, at: number, isUrl: boolean }[]} */
  const found = [];
  for (const { node } of nodesBelow(source.program)) {
    const literal = moduleLiteral(node);
    if (literal) found.push({ specifier: String(literal.value), at: node.start, isUrl: node.type === "NewExpression" });
  }
  return found;
}

/** @param {string} path */
export const isTest = (path) => /\.(test|suite)\.(ts|mjs)$/.test(path) || path.startsWith("test/");
