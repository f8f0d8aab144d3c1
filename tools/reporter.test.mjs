import { expect, test } from "vitest";
import { closingLine, engineLines, summarize } from "./reporter.mjs";

/** @param {object[]} results */
const moduleOf = (results, errors = 0, suiteErrors = 0) => ({
  relativeModuleId: "a.test.ts",
  errors: () => Array(errors).fill({}),
  children: {
    allSuites: () => [{ errors: () => Array(suiteErrors).fill({}) }],
    allTests: () => results.map((result) => ({ fullName: "does it", result: () => result, ...result })),
  },
});

/**
 * @param {object[]} modules
 * @param {unknown[]} [unhandled]
 */
const summaryOf = (modules, unhandled = []) =>
  summarize(/** @type {import("vitest/node").TestModule[]} */ (modules), unhandled);

test("counts passes, failures and skips", () => {
  const states = ["passed", "passed", "failed", "skipped"].map((state) => ({ state }));
  expect(closingLine(summaryOf([moduleOf(states)]).counts)).toBe("2 passed, 1 failed, 1 skipped\n");
});

test("what fails outside a test is a failure", () => {
  expect(summaryOf([moduleOf([], 1, 1)], ["unhandled"]).counts.failed).toBe(3);
});

test("a test that never ran is a failure", () => {
  expect(summaryOf([moduleOf([{ state: "pending" }])]).counts).toEqual({ passed: 0, failed: 1, skipped: 0 });
});

test("a skipped test is named with its reason", () => {
  const { skips } = summaryOf([moduleOf([{ state: "skipped", note: "needs gcc" }])]);
  expect(skips).toEqual(["skipped: a.test.ts > does it: needs gcc\n"]);
});

test("each engine's suites are summed up, and one that did not run is named", () => {
  const results = [
    { state: "passed", fullName: "engine a > exits > does it" },
    { state: "skipped", fullName: "engine a > exits > does more" },
    { state: "skipped", fullName: "engine b" },
    { state: "passed", fullName: "an engine of another kind" },
  ];
  const modules = /** @type {import("vitest/node").TestModule[]} */ (/** @type {unknown} */ ([moduleOf(results)]));
  expect(engineLines(modules)).toEqual(["engine a: 1 passed, 0 failed, 1 skipped\n", "engine b: did not run\n"]);
});
