import { expect, test } from "vitest";
import { formatReport, summarizePair } from "./report.mjs";

const tskvm = { image: "debian", emulator: "tskvm", title: "tskvm 1" };
const qemu = { image: "debian", emulator: "qemu", title: "QEMU 7.2" };
const v86 = { image: "debian", emulator: "v86", title: "v86", absence: "missing: npm ci" };

const of = { image: "debian", load: 0 };
const counted = { instructions: 600e6, instructionSeconds: 12, peakBytes: 300 * 2 ** 20, processorSeconds: 25 };
const runs = [
  { ...of, emulator: "tskvm", round: 1, shellSeconds: 20, ...counted },
  { ...of, emulator: "qemu", round: 1, shellSeconds: 10 },
  { ...of, emulator: "tskvm", round: 2, shellSeconds: 45, ...counted },
  { ...of, emulator: "qemu", round: 2, shellSeconds: 15 },
  { ...of, emulator: "tskvm", round: 3, failure: "no shell" },
  { ...of, emulator: "qemu", round: 3, shellSeconds: 11 },
  { ...of, image: "debian-686", emulator: "tskvm", round: 1, shellSeconds: 1 },
];

test("a row is the medians of one guest on one emulator", () => {
  expect(summarizePair(runs, tskvm)).toEqual({
    rounds: 3,
    failures: 1,
    shellSeconds: { median: 32.5, min: 20, max: 45 },
    ratio: 2.5,
    processorSeconds: { median: 25, min: 25, max: 25 },
    peakBytes: { median: 300 * 2 ** 20, min: 300 * 2 ** 20, max: 300 * 2 ** 20 },
    instructionsPerSecond: { median: 50e6, min: 50e6, max: 50e6 },
  });
});

test("failures and what is missing stand in the table", () => {
  const rows = formatReport(runs, [tskvm, qemu, v86]).split("\n").slice(2, -1);
  expect(rows).toEqual([
    "| debian | tskvm 1 | 32.5 (20.0–45.0), failed 1 of 3 | 2.50 | 25.0 | 300 | 50.0 |",
    "| debian | QEMU 7.2 | 11.0 (10.0–15.0) | 1.00 | – | – | – |",
    "| debian | v86 | missing: npm ci | – | – | – | – |",
  ]);
});

test("a pair that never came up has no time", () => {
  const failed = [{ ...of, emulator: "tskvm", round: 1, failure: "no shell" }];
  expect(formatReport(failed, [tskvm])).toContain("| debian | tskvm 1 | failed 1 of 1 | – | – | – | – |");
});
