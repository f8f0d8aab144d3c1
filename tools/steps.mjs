// What `npm run build` makes, in order. Imports nothing but Node: it runs before anything is installed.
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
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

/** @type {Step[]} */
export const steps = [compile];
