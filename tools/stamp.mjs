// When a build step must run, kept as one stamp file a step. Imports nothing but Node.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fingerprint, root } from "./files.mjs";

/**
 * A step runs when the content of an input changed, an output is missing, or its last run did not end well.
 * @typedef {object} Step
 * @property {string} name also the name of its stamp
 * @property {() => string[]} inputs paths relative to the project; asked when the steps before it are done
 * @property {() => string[]} outputs
 * @property {(state: { outputsMissing: boolean }) => Promise<number>} run resolves to an exit status; output on stderr
 */

/** @param {Step} step @param {string} base */
const stampPath = (step, base) => join(base, "dist/.stamp", step.name);

/** Everything also depends on the tools that made it. @param {Step} step @param {string} base */
const keyOf = (step, base) => fingerprint(["package-lock.json", "tools/steps.mjs", ...step.inputs()], base);

/** @param {Step} step @param {string} base */
const missingOutput = (step, base) => step.outputs().find((path) => !existsSync(join(base, path)));

/**
 * @param {Step} step
 * @param {string} [base] the project's folder
 */
export function isUpToDate(step, base = root) {
  const stamp = stampPath(step, base);
  return (
    existsSync(stamp) && missingOutput(step, base) === undefined && readFileSync(stamp, "utf8") === keyOf(step, base)
  );
}

/**
 * Runs a step. Its stamp goes first and comes back last, so an interrupted step runs again.
 * @param {Step} step
 * @param {string} [base] the project's folder
 */
export async function runStep(step, base = root) {
  const stamp = stampPath(step, base);
  rmSync(stamp, { force: true });
  const key = keyOf(step, base);
  const status = await step.run({ outputsMissing: missingOutput(step, base) !== undefined });
  if (status !== 0) throw new Error(`build step "${step.name}" failed: see above`);
  const missing = missingOutput(step, base);
  if (missing) throw new Error(`build step "${step.name}" made no ${missing}`);
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(`${stamp}.new`, key);
  renameSync(`${stamp}.new`, stamp);
}
