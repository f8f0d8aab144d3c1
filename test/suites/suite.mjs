// What a suite is, and running one.
import { describe, isWorse } from "./results.mjs";

/** @typedef {import("./results.mjs").Result} Result */
/** @typedef {import("./results.mjs").Table} Table */

/**
 * @typedef {object} SuiteEntry
 * @property {string} name
 * @property {number} deadline seconds that it is granted
 * @property {(deadline: number) => Promise<Result>} tskvm
 * @property {(deadline: number) => Promise<Result>} [qemu] missing: it cannot be asked
 */

/**
 * @typedef {object} Suite
 * @property {string} name also of its committed table
 * @property {SuiteEntry[]} entries
 * @property {(names: Set<string>) => void} [choose] is told which entries will run, before the first does
 */

/** How often an entry is run that does worse than the committed table says: a busy host must not fail it. */
const attempts = 3;

/**
 * Runs the entries one after the other, printing a row for each.
 * @param {SuiteEntry[]} entries
 * @param {{ deadline: number | undefined, qemu: boolean, committed: Table, print: (line: string) => void }} options
 *   deadline in seconds, instead of the entry's own
 * @returns {Promise<Table>}
 */
export async function runEntries(entries, { deadline: given, qemu, committed, print }) {
  /** @type {Table} */
  const table = {};
  print(row("", "tskvm", qemu ? "QEMU TCG" : "", ""));
  for (const entry of entries) {
    const deadline = given ?? entry.deadline;
    const started = performance.now();
    const ours = await repeat(entry.tskvm, deadline, committed[entry.name]?.tskvm);
    const seconds = (performance.now() - started) / 1000;
    const theirs = qemu && entry.qemu ? await repeat(entry.qemu, deadline, committed[entry.name]?.qemu) : undefined;
    table[entry.name] = { tskvm: ours, ...(theirs && { qemu: theirs }) };
    print(row(entry.name, `${ours.verdict} ${seconds.toFixed(1)} s`, theirs?.verdict ?? "", remark(ours)));
    for (const failure of ours.failures ?? []) print(`    ${failure}`);
  }
  return table;
}

/**
 * @param {(deadline: number) => Promise<Result>} run
 * @param {number} deadline
 * @param {Result | undefined} before the committed result
 */
async function repeat(run, deadline, before) {
  let result = await run(deadline);
  for (let done = 1; done < attempts && before && isWorse(before, result); done++) result = await run(deadline);
  return result;
}

/** @param {Result} result */
const remark = (result) => (result.verdict === "pass" ? "" : describe(result));

const widths = [32, 14, 10, 0];

/** @param {string[]} cells */
const row = (...cells) =>
  cells
    .map((cell, index) => `${cell} `.padEnd(widths[index] ?? 0))
    .join("")
    .trimEnd();

/**
 * @param {Table} table
 * @param {"tskvm" | "qemu"} machine
 */
export function counts(table, machine) {
  const verdicts = Object.values(table).map((entry) => entry[machine]?.verdict);
  const count = (/** @type {string} */ verdict) => verdicts.filter((one) => one === verdict).length;
  return `${count("pass")} pass, ${count("fail")} fail, ${count("skip")} skip`;
}
