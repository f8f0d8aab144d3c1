// Boots every guest on every emulator, round by round, and reports.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../dist/base/assert.js";
import { describeHost, lastAllowedCore, loadAverage } from "../common/host.mjs";
import { help, readArguments } from "./arguments.mjs";
import { emulators } from "./emulators.mjs";
import { prepareGuest } from "./guest.mjs";
import { formatConditions, formatReport } from "./report.mjs";
import { describeResult } from "./result.mjs";
import { measureBoot } from "./run.mjs";

/** @typedef {import("./arguments.mjs").Options} Options */
/** @typedef {import("./guest.mjs").Guest} Guest */
/** @typedef {import("./report.mjs").Pair} Pair */
/** @typedef {import("./report.mjs").Run} Run */

/** @param {string} text */
const say = (text) => process.stderr.write(`${text}\n`);

/**
 * Runs the benchmark and resolves to the exit status: 1 if a boot failed.
 * @param {string[]} args
 */
export async function main(args) {
  try {
    const options = readArguments(args);
    if (!options.help) return await benchmark(options);
    process.stdout.write(help);
    return 0;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    say(`bench: ${error.message}`);
    if (error.remedy) say(error.remedy);
    return 1;
  }
}

/** @param {Options} options */
async function benchmark(options) {
  const prefix = options.pin ? pinPrefix() : [];
  const conditions = { date: new Date().toISOString(), host: describeHost(), loadBefore: loadAverage() };
  const directory = temporaryDirectory();
  /** @type {Guest[]} */
  const guests = [];
  for (const name of options.images) guests.push(await prepareGuest(name, options.memoryMiB, directory));
  const pairs = guests.flatMap((guest) => options.emulators.map((name) => describePair(guest, name)));
  const runs = await runRounds(options, guests, pairs, prefix);
  process.stdout.write(`${formatReport(runs, pairs)}\n${formatConditions(conditions, options)}`);
  if (options.json !== undefined) {
    const result = describeResult(conditions, options, guests, pairs, runs);
    writeFileSync(options.json, `${JSON.stringify(result, null, 2)}\n`);
  }
  return runs.some((run) => run.failure !== undefined) ? 1 : 0;
}

/** A directory that goes when we go, however that is. */
function temporaryDirectory() {
  const directory = mkdtempSync(join(tmpdir(), "tskvm-bench-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
  return directory;
}

/** What puts a command on one core. Throws a UserError without taskset. */
function pinPrefix() {
  if (spawnSync("taskset", ["--version"]).status !== 0)
    throw new UserError("--pin needs taskset, which is missing", "Install it: apt-get install util-linux");
  return ["taskset", "-c", String(lastAllowedCore())];
}

/** @param {Guest} guest @param {string} name @returns {Pair} */
function describePair({ name: image, arch }, name) {
  const { title, architectures, version: findVersion, install } = emulatorOf(name);
  const version = findVersion();
  const pair = { image, emulator: name, title, version };
  if (!architectures.includes(arch)) return { ...pair, absence: `cannot run ${arch}` };
  if (version !== undefined) return pair;
  say(`bench: ${title} is missing; install it with: ${install}`);
  return { ...pair, absence: `missing: ${install}` };
}

/** @param {string} name */
const emulatorOf = (name) => /** @type {import("./emulators.mjs").Emulator} */ (emulators[name]);

/**
 * Emulators take turns within a round, so that a change in the machine's speed meets them all.
 * @param {Options} options
 * @param {Guest[]} guests
 * @param {Pair[]} pairs
 * @param {string[]} prefix of every command
 */
async function runRounds({ rounds, timeoutSeconds }, guests, pairs, prefix) {
  /** @type {Run[]} */
  const runs = [];
  for (let round = 1; round <= rounds; round++) {
    for (const guest of guests) {
      for (const { emulator } of pairs.filter(({ image, absence }) => image === guest.name && !absence)) {
        const { command, stats = false } = emulatorOf(emulator);
        const measured = await measureBoot([...prefix, ...command(guest)], { timeoutSeconds, stats });
        const took = measured.failure ?? `${measured.shellSeconds?.toFixed(1)} s`;
        say(`round ${round} of ${rounds}: ${guest.name} on ${emulator}: ${took}`);
        runs.push({ image: guest.name, emulator, round, ...measured });
      }
    }
  }
  return runs;
}
