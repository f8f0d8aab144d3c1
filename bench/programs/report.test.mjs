import { expect, test } from "vitest";
import { findFaults, formatReport, geometricMean, summarizeProgram } from "./report.mjs";

/** @param {string} place @param {number} round @param {number} seconds @param {Partial<import("./run.mjs").Timing>} [other] */
const run = (place, round, seconds, other) => ({
  ...{ arch: "amd64", place, round, bootSeconds: 1, peakBytes: 1, processorSeconds: 1 },
  programs: { sort: { seconds, hostSeconds: seconds, checksum: "0000cafe", ...other } },
});

test("the speed against a peer is the median of the rounds' ratios", () => {
  const runs = [run("tskvm", 1, 2), run("qemu", 1, 4), run("tskvm", 2, 1), run("qemu", 2, 1)];
  const summary = summarizeProgram(runs, "amd64", "sort", ["tskvm", "qemu"]);
  expect(summary.speed.qemu).toBe(1.5);
  expect(formatReport([summary], ["tskvm", "qemu"])).toContain("| sort, amd64 | 1.500 | 2.500 | 1.50 |");
});

test("the geometric mean of a number and its inverse is 1", () => expect(geometricMean([4, 0.25])).toBeCloseTo(1));

test("a checksum that differs, a clock that lies and a run that failed are faults", () => {
  const good = run("native", 1, 1);
  expect(findFaults([good, run("tskvm", 1, 1, { checksum: "0000beef" })])).toHaveLength(1);
  expect(findFaults([good, run("tskvm", 1, 1, { hostSeconds: 3 })])).toHaveLength(1);
  expect(findFaults([good, { ...run("tskvm", 1, 1), failure: "no end" }])).toHaveLength(1);
  expect(findFaults([good, run("tskvm", 1, 2)])).toEqual([]);
});
