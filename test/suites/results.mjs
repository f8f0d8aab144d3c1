// The committed table of a suite and what counts as a regression against it.
import { existsSync, readFileSync, writeFileSync } from "node:fs";

/**
 * One machine's result of one entry.
 * @typedef {object} Result
 * @property {"pass" | "fail" | "skip"} verdict
 * @property {string} [reason] of a fail or a skip, from the run
 * @property {string[]} [failures] the checks that failed, with every number written as N
 */

/**
 * @typedef {object} Row
 * @property {Result} tskvm
 * @property {Result} [qemu] undefined: not run
 * @property {string} [cause] why tskvm does not pass, written by a person
 */

/** @typedef {Record<string, Row>} Table entries by name */

const rank = { pass: 2, skip: 1, fail: 0 };

/**
 * @param {string} name of the suite, as in `results/NAME.json`
 */
const fileOf = (name) => new URL(`results/${name}.json`, import.meta.url);

/**
 * @param {string} name
 * @returns {Table}
 */
export function readTable(name) {
  return existsSync(fileOf(name)) ? JSON.parse(readFileSync(fileOf(name), "utf8")) : {};
}

/**
 * @param {string} name
 * @param {Table} table
 */
export function writeTable(name, table) {
  writeFileSync(fileOf(name), `${JSON.stringify(table, undefined, 2)}\n`);
}

/**
 * The committed table with the entries of a run put in. A cause stays as long as its verdict does.
 * @param {Table} committed
 * @param {Table} run
 * @returns {Table}
 */
export function mergeTables(committed, run) {
  const merged = { ...committed };
  for (const [name, row] of Object.entries(run)) {
    const old = committed[name];
    const kept = old?.cause && old.tskvm.verdict === row.tskvm.verdict ? { cause: old.cause } : {};
    const qemu = row.qemu ?? old?.qemu;
    merged[name] = { ...row, ...(qemu && { qemu }), ...kept };
  }
  return merged;
}

/**
 * Whether a result is a lower verdict.
 * @param {Result} before
 * @param {Result} now
 */
export const isWorse = (before, now) => rank[now.verdict] < rank[before.verdict];

/**
 * What a run has that is worse than the committed table: a lower verdict, or a check that did not fail before.
 * @param {Table} committed
 * @param {Table} run
 * @returns {string[]} one line for each
 */
export function regressions(committed, run) {
  return Object.entries(run).flatMap(([name, { tskvm }]) => {
    const before = committed[name]?.tskvm;
    if (!before) return [`${name}: not in the committed table`];
    if (isWorse(before, tskvm)) return [`${name}: ${before.verdict} became ${describe(tskvm)}`];
    const known = new Set(before.failures);
    const fresh = (tskvm.failures ?? []).filter((failure) => before.verdict === "fail" && !known.has(failure));
    return fresh.map((failure) => `${name}: a new failure: ${failure}`);
  });
}

/**
 * Entries that do better than the committed table says.
 * @param {Table} committed
 * @param {Table} run
 * @returns {string[]}
 */
export function improvements(committed, run) {
  return Object.entries(run).flatMap(([name, { tskvm }]) => {
    const before = committed[name]?.tskvm;
    return before && rank[tskvm.verdict] > rank[before.verdict]
      ? [`${name}: ${before.verdict} became ${tskvm.verdict}`]
      : [];
  });
}

/** @param {Result} result */
export const describe = ({ verdict, reason }) => (reason ? `${verdict}: ${reason}` : verdict);
