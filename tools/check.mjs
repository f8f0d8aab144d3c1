// npm run check: every check that needs no guest. Each names file, line, rule and reason; the last line counts them.
import { build } from "./build.mjs";
import { runNode } from "./process.mjs";

/** @typedef {import("./source.mjs").Finding} Finding */

// The checks' own modules import npm packages, so they are loaded after the build, which installs those.
const loadSource = () => import("./source.mjs");

/**
 * @param {Finding[]} findings
 * @returns {Promise<number>}
 */
async function report(findings) {
  const { formatFinding } = await loadSource();
  for (const finding of findings) process.stdout.write(`${formatFinding(finding)}\n`);
  return findings.length === 0 ? 0 : 1;
}

const biomeFlags = ["--error-on-warnings", "--diagnostic-level=warn", "--reporter=concise", "--max-diagnostics=none"];

/** @type {Record<string, () => Promise<number>>} */
const checks = {
  build: async () => {
    await build();
    return 0;
  },
  types: () => runNode("node_modules/typescript/bin/tsc", ["-p", "tsconfig.check.json"]),
  "format and lint": () => runNode("node_modules/@biomejs/biome/bin/biome", ["check", ...biomeFlags, "."]),
  layers: async () => report((await import("./layers.mjs")).checkLayers((await loadSource()).loadSources())),
  "house rules": async () => report((await import("./tidy.mjs")).checkTree((await loadSource()).loadSources())),
  "unused code": () => runNode("node_modules/knip/bin/knip.js", ["--no-progress"]),
};

/** @param {() => Promise<number>} check */
async function passes(check) {
  try {
    return (await check()) === 0;
  } catch (error) {
    process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return false;
  }
}

/** @type {string[]} */
const failed = [];
for (const [name, check] of Object.entries(checks)) {
  process.stdout.write(`check: ${name}\n`);
  if (!(await passes(check))) failed.push(name);
}
for (const name of failed) process.stdout.write(`check failed: ${name}\n`);
process.stdout.write(`${Object.keys(checks).length - failed.length} passed, ${failed.length} failed, 0 skipped\n`);
process.exitCode = failed.length > 0 ? 1 : 0;
