// The house rules over a tree: those on source text (rules.mjs), and those on the files that are kept in git.
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { filesBelow, root } from "./files.mjs";
import { rules } from "./rules.mjs";
import { lineOf } from "./source.mjs";

/** @typedef {import("./source.mjs").Source} Source */
/** @typedef {import("./source.mjs").Finding} Finding */

const sizeLimit = 200 * 1024;
const registry = "https://registry.npmjs.org/";

/**
 * @param {Source} source
 * @returns {Finding[]}
 */
export function checkSource(source) {
  const { path } = source;
  return rules
    .filter((rule) => rule.holdsIn(path))
    .flatMap(({ name, why, find }) =>
      find(source).map(({ at, what }) => ({ path, line: lineOf(source, at), rule: name, message: `${what}: ${why}` })),
    );
}

/**
 * @param {string} path
 * @param {Buffer} content
 * @returns {Finding[]}
 */
export function checkFile(path, content) {
  /** @type {Finding[]} */
  const found = [];
  if (content.includes(0))
    found.push({
      path,
      line: 1,
      rule: "no-binary",
      message: "a binary file: what cannot be read cannot be reviewed; build it from source",
    });
  if (content.length > sizeLimit)
    found.push({
      path,
      line: 1,
      rule: "no-large-file",
      message: `${content.length} bytes (at most ${sizeLimit}): every clone carries it for ever; generate or fetch it`,
    });
  return found;
}

/**
 * @param {string} text of package-lock.json
 * @returns {Finding[]}
 */
export function checkLockFile(text) {
  /** @type {Record<string, { resolved?: string }>} */
  const packages = JSON.parse(text).packages;
  const rule = "public-registry";
  return Object.entries(packages)
    .filter(([, { resolved }]) => resolved !== undefined && !resolved.startsWith(registry))
    .map(([name, { resolved }]) => ({
      path: "package-lock.json",
      line: 1,
      rule,
      message: `${name} is resolved at ${resolved}: others cannot reach it; packages come from ${registry}`,
    }));
}

const namedPath = /`((?:src|test|tools|bench|bin|\.ci)\/[\w./-]*)`|\]\((?!https?:)([\w./-]+)\)/g;

/**
 * @param {string} path
 * @param {string} text of a Markdown document
 * @param {(path: string) => boolean} [exists]
 * @returns {Finding[]}
 */
export function checkDocument(path, text, exists = (named) => existsSync(join(root, named))) {
  return [...text.matchAll(namedPath)].flatMap((match) => {
    const named = match[1] ?? match[2] ?? "";
    const line = text.slice(0, match.index).split("\n").length;
    const message = `${named} does not exist: a document that names what is gone, or is not there yet, misleads`;
    return exists(named) ? [] : [{ path, line, rule: "named-file", message }];
  });
}

/** @param {string} path @returns {Finding[]} */
function checkKept(path) {
  const content = readFileSync(join(root, path));
  const isDocument = path.endsWith(".md") && !path.includes("/");
  return [...checkFile(path, content), ...(isDocument ? checkDocument(path, content.toString()) : [])];
}

/** The files that are or would be in git; without git, all that are not ignored by their folder. */
function keptFiles() {
  try {
    const listed = execFileSync("git", ["ls-files", "-z", "-co", "--exclude-standard"], { cwd: root, stdio: "pipe" });
    return listed
      .toString()
      .split("\0")
      .filter((path) => path && existsSync(join(root, path)));
  } catch {
    return filesBelow(".", (path) => !path.startsWith("dist/"));
  }
}

/**
 * @param {Source[]} sources
 * @returns {Finding[]}
 */
export function checkTree(sources) {
  return [
    ...sources.flatMap(checkSource),
    ...keptFiles().flatMap(checkKept),
    ...checkLockFile(readFileSync(join(root, "package-lock.json"), "utf8")),
  ];
}
