// The walls between layers: layers.json says who may import whom, and the tsconfig of each layer must agree with it.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, posix, relative } from "node:path";
import { filesBelow, root } from "./files.mjs";
import { importsOf, isRelative, isTest, lineOf } from "./source.mjs";

/** @typedef {import("./source.mjs").Source} Source */
/** @typedef {import("./source.mjs").Finding} Finding */
/** @typedef {{ imports: string[], node?: boolean }} Layer */
/** @typedef {{ from: string, to: string, why: string }} Wall */
/** @typedef {{ layers: Record<string, Layer>, walls: Wall[] }} Layers */
/** @typedef {{ references?: { path: string }[], compilerOptions?: { types?: string[] } }} TsConfig */

const rule = "layers";

/** @returns {Layers} */
export const readLayers = () => JSON.parse(readFileSync(join(root, "layers.json"), "utf8"));

/**
 * @param {Layers} config
 * @param {string} path
 * @returns {string | undefined} the layer that holds a file below src/
 */
export function layerOf(config, path) {
  return Object.keys(config.layers).find((name) => path.startsWith(`src/${name}/`));
}

/** @param {string} name @param {string} pattern a layer, a group of layers such as engine, or * */
const isWithin = (name, pattern) => pattern === "*" || name === pattern || name.startsWith(`${pattern}/`);

/**
 * @param {Layers} config
 * @param {string} from
 * @param {string} to
 */
const wallBetween = (config, from, to) =>
  config.walls.find((wall) => from !== to && to !== "base" && isWithin(from, wall.from) && isWithin(to, wall.to));

/**
 * Why a layer may not import another; undefined when it may.
 * @param {Layers} config
 * @param {string} from
 * @param {string} to
 */
function refusal(config, from, to) {
  const wall = wallBetween(config, from, to);
  if (wall) return `${from} never imports ${to}: ${wall.why}`;
  const allowed = config.layers[from]?.imports ?? [];
  if (to === from || to === "base" || allowed.includes(to)) return undefined;
  return `${from} may not import ${to}: layers.json allows it ${["base", ...allowed].join(", ")}; pass it in from above, or argue the edge in ARCHITECTURE.md and add it`;
}

/**
 * @param {Layers} config
 * @param {string} from
 * @param {string} path the importing file
 * @param {string} specifier
 * @returns {string | undefined} what is wrong with the import
 */
function judgeImport(config, from, path, specifier) {
  if (!isRelative(specifier)) {
    if (config.layers[from]?.node) return undefined;
    return `${from} imports "${specifier}": only layers with "node": true use Node or npm packages, the others also run in a browser tab`;
  }
  const target = posix.join(posix.dirname(path), specifier);
  const to = layerOf(config, target);
  return to ? refusal(config, from, to) : `${from} imports ${target}, which is in no layer of layers.json`;
}

/**
 * @param {Layers} config
 * @param {Source} source
 * @returns {Finding[]}
 */
export function checkImports(config, source) {
  const { path } = source;
  if (!path.startsWith("src/") || isTest(path)) return [];
  const from = layerOf(config, path);
  if (!from) return [{ path, line: 1, rule, message: "this file is in no layer of layers.json: every file has one" }];
  return importsOf(source).flatMap(({ specifier, at }) => {
    const message = judgeImport(config, from, path, specifier);
    return message ? [{ path, line: lineOf(source, at), rule, message }] : [];
  });
}

/**
 * The walls and the absence of cycles, inside layers.json itself.
 * @param {Layers} config
 * @returns {Finding[]}
 */
export function checkConfig(config) {
  /** @type {string[]} */
  const messages = [];
  const names = Object.keys(config.layers);
  for (const [position, from] of names.entries()) {
    for (const to of config.layers[from]?.imports ?? []) {
      const wall = wallBetween(config, from, to);
      if (wall) messages.push(`${from} lists ${to}, but ${from} never imports ${to}: ${wall.why}`);
      const other = names.indexOf(to);
      if (other < 0) messages.push(`${from} lists ${to}, which is no layer`);
      else if (other >= position)
        messages.push(`${from} lists ${to}, which stands below it: layers stand in order, so that there is no cycle`);
    }
  }
  return messages.map((message) => ({ path: "layers.json", line: 1, rule, message }));
}

/**
 * Whether a layer's tsconfig has exactly the references and types that layers.json gives it.
 * @param {Layers} config
 * @param {string} name
 * @param {TsConfig | undefined} tsconfig
 * @returns {Finding[]}
 */
export function checkTsConfig(config, name, tsconfig) {
  const path = `src/${name}/tsconfig.json`;
  const layer = config.layers[name];
  if (!layer || !tsconfig) return [{ path, line: 1, rule, message: `layer ${name} has no tsconfig.json` }];
  const folder = join("src", name);
  const expected = (name === "base" ? [] : ["base", ...layer.imports]).map((to) => relative(folder, join("src", to)));
  const actual = (tsconfig.references ?? []).map((reference) => reference.path);
  /** @type {string[]} */
  const messages = [];
  if ([...expected].sort().join() !== [...actual].sort().join())
    messages.push(
      `references are [${actual.join(", ")}], layers.json says [${expected.join(", ")}]: the compiler must see the same walls`,
    );
  if ((tsconfig.compilerOptions?.types ?? []).includes("node") !== Boolean(layer.node))
    messages.push(`types: ["node"] must stand here exactly when layers.json says "node": true`);
  return messages.map((message) => ({ path, line: 1, rule, message }));
}

/** @param {string} path @returns {TsConfig | undefined} */
const readTsConfig = (path) =>
  existsSync(join(root, path)) ? JSON.parse(readFileSync(join(root, path), "utf8")) : undefined;

/**
 * @param {Layers} config
 * @returns {Finding[]}
 */
function checkTsConfigs(config) {
  const names = Object.keys(config.layers);
  const listed = new Set((readTsConfig("tsconfig.json")?.references ?? []).map((reference) => reference.path));
  const unlisted = names.filter((name) => !listed.has(`src/${name}`));
  const strays = filesBelow("src", (path) => path.endsWith("/tsconfig.json")).filter(
    (path) => !(relative("src", dirname(path)) in config.layers),
  );
  return [
    ...names.flatMap((name) => checkTsConfig(config, name, readTsConfig(`src/${name}/tsconfig.json`))),
    ...unlisted.map((name) => ({
      path: "tsconfig.json",
      line: 1,
      rule,
      message: `layer ${name} is not referenced, so it is not built`,
    })),
    ...strays.map((path) => ({ path, line: 1, rule, message: "this folder is no layer of layers.json" })),
  ];
}

/**
 * @param {Source[]} sources
 * @returns {Finding[]}
 */
export function checkLayers(sources) {
  const config = readLayers();
  return [
    ...checkConfig(config),
    ...checkTsConfigs(config),
    ...sources.flatMap((source) => checkImports(config, source)),
  ];
}
