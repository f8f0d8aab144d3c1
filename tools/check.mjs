// npm run check: every check that needs no guest. Each names file, line, rule and reason; the last line counts them.
import { buildOrExit } from "./build.mjs";
import { runNode } from "./process.mjs";

await buildOrExit();

/** Loaded after the build, which installs what they import. */
async function loadChecks() {
  const [{ loadSources, formatFinding }, { checkLayers }, { checkTree }] = await Promise.all([
    import("./source.mjs"),
    import("./layers.mjs"),
    import("./tidy.mjs"),
  ]);
  const sources = loadSources();
  const report = (/** @type {import("./source.mjs").Finding[]} */ findings) => {
    for (const finding of findings) process.stdout.write(`${formatFinding(finding)}\n`);
    return findings.length === 0 ? 0 : 1;
  };
  return { layers: () => report(checkLayers(sources)), rules: () => report(checkTree(sources)) };
}

const { layers, rules } = await loadChecks();

/** @type {Record<string, () => number | Promise<number>>} */
const checks = {
  "format and lint": () => runNode("node_modules/@biomejs/biome/bin/biome", ["check", "--error-on-warnings", "."]),
  types: () => runNode("node_modules/typescript/bin/tsc", ["-p", "tsconfig.check.json"]),
  layers,
  "house rules": rules,
  "unused code": () => runNode("node_modules/knip/bin/knip.js", ["--no-progress"]),
};

const failed = [];
for (const [name, check] of Object.entries(checks)) {
  process.stdout.write(`check: ${name}\n`);
  if ((await check()) !== 0) failed.push(name);
}
for (const name of failed) process.stdout.write(`check failed: ${name}\n`);
process.stdout.write(`${Object.keys(checks).length - failed.length} passed, ${failed.length} failed, 0 skipped\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
