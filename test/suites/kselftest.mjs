// The x86 selftests of the Linux kernel, in a Debian guest.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { linuxEntries } from "./linux-guest.mjs";

/** @typedef {import("./linux-guest.mjs").Arch} Arch */
/** @typedef {import("./linux-guest.mjs").ProgramOutcome} ProgramOutcome */
/** @typedef {import("./results.mjs").Result} Result */
/** @typedef {import("./suite.mjs").Suite} Suite */

/** KSFT_SKIP of the kernel's tools/testing/selftests/kselftest.h. */
const skipStatus = 4;

/**
 * @param {string} folder `tools/testing/selftests/x86`, built with static linking
 * @returns {Suite[]} one for each kernel
 */
export function kselftest(folder) {
  const names = readdirSync(folder).filter((name) => /_(32|64)$/.test(name));
  const programs = names.toSorted().map((name) => ({
    name,
    files: { [name]: readFileSync(join(folder, name)) },
    command: `./${name}`,
  }));
  return [
    { name: "kselftest-amd64", ...linuxEntries("amd64", programs, judge) },
    {
      name: "kselftest-i386",
      ...linuxEntries(
        "i386",
        programs.filter(({ name }) => name.endsWith("_32")),
        judge,
      ),
    },
  ];
}

/**
 * @param {ProgramOutcome} outcome
 * @returns {Result}
 */
export function judge({ status, output }) {
  if (status === 0) return { verdict: "pass" };
  if (status === skipStatus) return { verdict: "skip", reason: lastLine(output, /SKIP/) };
  const failures = [...new Set(Array.from(output.matchAll(/^\[FAIL\]\s*(.*)$/gm), ([, check]) => tidy(check)))];
  const reason = status === undefined ? "does not end" : `status ${status}: ${lastLine(output, /FAIL|rror|./)}`;
  return { verdict: "fail", reason, ...(failures.length > 0 && { failures: failures.slice(0, 20) }) };
}

/**
 * @param {string} output
 * @param {RegExp} wanted
 */
function lastLine(output, wanted) {
  return tidy(output.split("\n").findLast((line) => wanted.test(line)) ?? "the program says nothing");
}

/** @param {string | undefined} text */
const tidy = (text = "") =>
  text
    .replace(/0x[0-9a-f]+/g, "N")
    .replace(/\s+/g, " ")
    .trim();
