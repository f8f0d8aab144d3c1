// Berkeley TestFloat: the processor's arithmetic against SoftFloat's, in a guest and on this machine.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { linuxEntries } from "./linux-guest.mjs";
import { noJudge, runNative } from "./native.mjs";

/** @typedef {import("./linux-guest.mjs").ProgramOutcome} ProgramOutcome */
/** @typedef {import("./results.mjs").Result} Result */
/** @typedef {import("./suite.mjs").Suite} Suite */

/** The entries: functions by the format that their names begin with; the C library does mulAdd in software. */
const formats = {
  f32: /^f32_(?!mulAdd)/,
  f64: /^f64_(?!mulAdd)/,
  extF80: /^extF80_(?!mulAdd)/,
  integer: /^u?i\d+_/,
};

/**
 * @param {string} folder with the built program, linked statically
 * @returns {Suite}
 */
export function testfloat(folder) {
  const functions = noJudge ? [] : runNative(folder, "./testfloat -list").trim().split(/\s+/);
  const program = readFileSync(join(folder, "testfloat"));
  const programs = Object.entries(formats).map(([name, pattern]) => {
    const names = functions.filter((one) => pattern.test(one)).join(" ");
    return {
      name,
      files: { testfloat: program },
      command: `for name in ${names}; do echo "== $name"; ./testfloat -level 1 $name 2>/dev/null; done; true`,
    };
  });
  const entries = linuxEntries("amd64", programs, (outcome, { command }) =>
    noJudge ? { verdict: "skip", reason: noJudge } : judge(outcome, runNative(folder, command)),
  );
  return { name: "testfloat", ...entries };
}

/**
 * Passes if the guest says of every function and rounding what the native processor says: there are differences from
 * SoftFloat that both have, such as what an invalid conversion in C gives.
 * @param {ProgramOutcome} outcome
 * @param {string} native
 * @returns {Result}
 */
export function judge({ status, output }, native) {
  if (status !== 0) return { verdict: "fail", reason: status === undefined ? "does not end" : `status ${status}` };
  const ours = byFunction(output);
  const wanted = byFunction(native);
  const failures = [...wanted.keys()].filter((name) => ours.get(name) !== wanted.get(name));
  if (failures.length === 0) return { verdict: "pass" };
  return {
    verdict: "fail",
    reason: `${failures.length} of ${wanted.size} functions differ from this machine's processor`,
    failures,
  };
}

/** @param {string} text */
function byFunction(text) {
  const parts = text.trim().split(/^== /m).slice(1);
  return new Map(parts.map((part) => /** @type {[string, string]} */ (/^(\S+)\n?(.*)$/s.exec(part.trim())?.slice(1))));
}
