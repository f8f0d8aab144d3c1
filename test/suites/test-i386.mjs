// test-i386.c: a program that prints what tens of thousands of instructions do, compared with this machine's processor.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { linuxEntries } from "./linux-guest.mjs";
import { noJudge, runNative } from "./native.mjs";

/** @typedef {import("./linux-guest.mjs").ProgramOutcome} ProgramOutcome */
/** @typedef {import("./results.mjs").Result} Result */
/** @typedef {import("./suite.mjs").Suite} Suite */

/** Lines that two right processors may print differently. */
export const openLines = [
  // A double shift of 16 bits by more than 16, modulo 32: the manual leaves result and flags undefined. [SDM 2B SHLD, SHRD]
  /^sh[lr]dw .* C=[0-9a-f]*[13579bdf][1-9a-f]\b/,
  // Approximations: the manual gives a bound of the error alone. [SDM 2B RCPPS, RSQRTPS]
  /^(rcp|rsqrt)[ps]s /,
  // Code in data pages: the kernel decides whether it may run or is the page fault of a fetch.
  /^(func\d|smc_code2\(|si_signo=11 .* si_code=2 |trapno=0000000e err=00000015 )/,
];

/**
 * @param {string} folder with the built program
 * @returns {Suite}
 */
export function testI386(folder) {
  const program = {
    name: "test-i386",
    files: { "test-i386": readFileSync(join(folder, "test-i386")) },
    command: "./test-i386 >out && gzip -1 <out | base64",
  };
  return {
    name: "test-i386",
    ...linuxEntries("i386", [program], (outcome) =>
      noJudge ? { verdict: "skip", reason: noJudge } : judge(outcome, runNative(folder, "./test-i386")),
    ),
  };
}

/**
 * @param {ProgramOutcome} outcome its output in gzip and base64
 * @param {string} native
 * @returns {Result}
 */
export function judge({ status, output }, native) {
  if (status !== 0) return { verdict: "fail", reason: status === undefined ? "does not end" : `status ${status}` };
  const ours = judgedLines(gunzipSync(Buffer.from(output, "base64")).toString("latin1"));
  const wanted = judgedLines(native);
  const wrong = wanted.filter((line, index) => ours[index] !== line);
  if (wrong.length === 0 && ours.length === wanted.length) return { verdict: "pass" };
  const names = [...new Set(wrong.map((line) => line.split(/\s/, 1)[0] ?? ""))];
  const reason = `${wrong.length} of ${wanted.length} lines differ from this machine's processor`;
  return { verdict: "fail", reason, failures: names.slice(0, 40) };
}

/** @param {string} text */
const judgedLines = (text) => text.split("\n").filter((line) => !openLines.some((pattern) => pattern.test(line)));
