// What `npm run build` makes, in order. Imports nothing but Node: it runs before anything is installed.
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { filesBelow, root } from "./files.mjs";
import { runNode } from "./process.mjs";

/** @typedef {import("./stamp.mjs").Step} Step */

const helpers = "src/isa/helpers/";

/** @param {string} path */
const isCompiled = (path) => path.endsWith(".ts") && !/\.(test|suite|d)\.ts$/.test(path) && !path.startsWith(helpers);

const compiledSources = () => filesBelow("src", isCompiled);

/** @param {string} source */
const toOutput = (source) => source.replace(/^src\//, "dist/").replace(/\.ts$/, ".js");

/** Removes what a source that is gone left behind, so that nothing can import it by accident. */
function removeOrphans() {
  const sources = new Set(compiledSources().map((path) => path.slice("src/".length, -".ts".length)));
  for (const path of filesBelow("dist", (name) => /\.(js|js\.map|d\.ts)$/.test(name))) {
    const name = path.slice("dist/".length).replace(/\.(js|js\.map|d\.ts)$/, "");
    if (!sources.has(name)) rmSync(join(root, path));
  }
}

/** @type {Step} */
const compile = {
  name: "typescript",
  inputs: () => [
    ...filesBelow("src", (path) => isCompiled(path) || path.endsWith(".d.ts") || path.endsWith("tsconfig.json")),
    "tsconfig.json",
    "tsconfig.base.json",
  ],
  outputs: () => compiledSources().map(toOutput),
  run: ({ outputsMissing }) => {
    removeOrphans();
    const force = outputsMissing && existsSync(join(root, "dist/.tsbuild")) ? ["--force"] : [];
    return runNode("node_modules/typescript/bin/tsc", ["-b", ...force], { out: "stderr" });
  },
};

/**
 * The compiled modules of layers: the inputs of a step that runs one of them.
 * @param {string[]} layers
 */
const modulesOf = (layers) => layers.flatMap((layer) => filesBelow(`dist/${layer}`, (path) => path.endsWith(".js")));

/**
 * A step that writes what an exported function of a compiled module returns.
 * @param {{ name: string, module: string, call: string, layers: string[], output: string }} what
 * @returns {Step}
 */
const generate = ({ name, module, call, layers, output }) => ({
  name,
  inputs: () => modulesOf(layers),
  outputs: () => [output],
  run: async () => {
    const exports = await import(pathToFileURL(join(root, module)).href);
    writeFileSync(join(root, output), exports[call]());
    return 0;
  },
});

const layout = `${helpers}layout.generated.ts`;
const helperLayout = generate({
  name: "helper-layout",
  module: "dist/isa/helpers-layout.js",
  call: "layoutSource",
  layers: ["base", "spec", "isa"],
  output: layout,
});

const ascFlags = [
  ["-O3", "--noAssert", "--runtime", "stub"],
  ["--importMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
  ["--enable", "threads", "--enable", "simd"],
].flat();

/** @type {Step} */
const helperLibrary = {
  name: "helper-library",
  inputs: () => filesBelow("src/isa/helpers", (path) => path.endsWith(".ts") && !path.endsWith(".test.ts")),
  outputs: () => ["dist/isa/helpers.wasm"],
  run: () =>
    runNode(
      "node_modules/assemblyscript/bin/asc.js",
      [`${helpers}index.ts`, "--outFile", "dist/isa/helpers.wasm", ...ascFlags],
      { out: "stderr" },
    ),
};

const interpreter = generate({
  name: "interpreter",
  module: "dist/engine/wasm/interpreter/generate.js",
  call: "generateInterpreter",
  layers: ["base", "spec", "isa", "engine/wasm"],
  output: "dist/engine/wasm/interpreter.wasm",
});

/** @type {Step} */
const workerBundle = {
  name: "worker",
  inputs: () => ["tools/bundle.mjs", ...filesBelow("dist", (path) => path.endsWith(".js"))],
  outputs: () => ["dist/sdk/worker-bundle.cjs"],
  run: async () => {
    const { bundle } = await import("./bundle.mjs");
    await bundle("dist/sdk/worker.js", "dist/sdk/worker-bundle.cjs");
    return 0;
  },
};

/** @type {Step[]} */
export const steps = [compile, helperLayout, helperLibrary, interpreter, workerBundle];
