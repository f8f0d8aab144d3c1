// A vitest reporter for people and for CI: names every skipped test with its reason, says of each engine what its suites
// came to, and closes with one line alone,
// `N passed, N failed, N skipped`.
import { writeSync } from "node:fs";

/** @typedef {import("vitest/node").TestModule} TestModule */
/** @typedef {import("vitest/node").TestCase} TestCase */
/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/** @param {Counts} counts */
export const closingLine = ({ passed, failed, skipped }) => `${passed} passed, ${failed} failed, ${skipped} skipped\n`;

/**
 * A module or suite that fails outside its tests, and an error nobody caught, count as one failure each.
 * A test that never ran (the run was broken off) is a failure, not a skip.
 * @param {readonly TestModule[]} modules
 * @param {readonly unknown[]} unhandledErrors
 * @returns {{ counts: Counts, skips: string[] }}
 */
export function summarize(modules, unhandledErrors) {
  const counts = { passed: 0, failed: unhandledErrors.length, skipped: 0 };
  /** @type {string[]} */
  const skips = [];
  for (const module of modules) {
    counts.failed += module.errors().length;
    for (const suite of module.children.allSuites()) counts.failed += suite.errors().length;
    for (const test of module.children.allTests()) {
      const result = test.result();
      counts[result.state === "pending" ? "failed" : result.state]++;
      if (result.state === "skipped") skips.push(describeSkip(module, test, result.note));
    }
  }
  return { counts, skips };
}

/**
 * What became of the suites that every engine must pass: their tests are below "engine NAME".
 * @param {readonly TestModule[]} modules
 */
export function engineLines(modules) {
  /** @type {Map<string, Counts>} */
  const engines = new Map();
  for (const module of modules)
    for (const test of module.children.allTests()) {
      const name = /^engine ([^>]+?)(?= >|$)/.exec(test.fullName)?.[1];
      const { state } = test.result();
      if (name === undefined || state === "pending") continue;
      const counts = engines.get(name) ?? { passed: 0, failed: 0, skipped: 0 };
      counts[state]++;
      engines.set(name, counts);
    }
  return [...engines].map(
    ([name, { passed, failed, skipped }]) =>
      `engine ${name}: ${passed + failed === 0 ? "did not run" : `${passed} passed, ${failed} failed, ${skipped} skipped`}\n`,
  );
}

/**
 * @param {TestModule} module
 * @param {TestCase} test
 * @param {string | undefined} reason
 */
function describeSkip(module, test, reason) {
  return `skipped: ${module.relativeModuleId} > ${test.fullName}: ${reason ?? "no reason given"}\n`;
}

/** Prints the skipped tests and the closing line last, when the process ends. */
export default class ClosingLineReporter {
  /**
   * @param {readonly TestModule[]} modules
   * @param {readonly unknown[]} unhandledErrors
   */
  onTestRunEnd(modules, unhandledErrors) {
    const { counts, skips } = summarize(modules, unhandledErrors);
    if (counts.passed + counts.failed + counts.skipped === 0) counts.failed = 1;
    process.on("exit", () => {
      if (counts.failed > 0) process.exitCode = process.exitCode || 1;
      writeSync(1, skips.join("") + engineLines(modules).join("") + closingLine(counts));
    });
  }
}
