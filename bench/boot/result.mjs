// The file that keeps what was measured.
import { summarizePair } from "./report.mjs";

/** @typedef {import("./guest.mjs").Guest} Guest */

/** Changes when a field changes its meaning. */
const format = 1;

/**
 * Everything as plain data; times in seconds, sizes in bytes unless a name says otherwise; no paths of this machine.
 * @param {import("./report.mjs").Conditions} conditions
 * @param {import("./arguments.mjs").Options} options
 * @param {Guest[]} guests
 * @param {import("./report.mjs").Pair[]} pairs
 * @param {import("./report.mjs").Run[]} runs
 */
export function describeResult(conditions, { rounds, memoryMiB, timeoutSeconds, pin }, guests, pairs, runs) {
  return {
    format,
    benchmark: "boot",
    ...conditions,
    options: { rounds, memoryMiB, timeoutSeconds, pin },
    guests: guests.map(withoutPaths),
    summary: pairs.map((pair) => ({ ...pair, ...summarizePair(runs, pair) })),
    runs,
  };
}

/** @param {Guest} guest */
const withoutPaths = ({ name, arch, append, kernelPackage, kernelVersion, busyboxVersion }) => ({
  name,
  arch,
  append,
  kernelPackage,
  kernelVersion,
  busyboxVersion,
});
