// Boots every guest on every emulator, round by round, and reports.
import { pinPrefix, runCommand, saveResult, say, temporaryDirectory } from "../common/command.mjs";
import { describeHost, loadAverage } from "../common/host.mjs";
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

/**
 * Runs the benchmark and resolves to the exit status: 1 if a boot failed.
 * @param {string[]} args
 */
export async function main(args) {
  return runCommand(args, { read: readArguments, help, run: benchmark });
}

/** @param {Options} options */
async function benchmark(options) {
  const prefix = options.pin ? pinPrefix() : [];
  const conditions = { date: new Date().toISOString(), host: describeHost(), loadBefore: loadAverage() };
  const guests = await prepareGuests(options);
  const peers = options.emulators.map(describePeer);
  const pairs = guests.flatMap((guest) => peers.map((peer) => pairOf(guest, peer)));
  /** @type {Run[]} */
  const runs = [];
  const save = () => saveResult(options.json, describeResult(conditions, options, guests, pairs, runs));
  save();
  for (let round = 1; round <= options.rounds; round++) {
    for await (const run of runRound(round, options, guests, pairs, prefix)) runs.push(run);
    save();
  }
  process.stdout.write(`${formatReport(runs, pairs)}\n${formatConditions(conditions, options)}`);
  return runs.some((run) => run.failure !== undefined) ? 1 : 0;
}

/** @param {Options} options */
async function prepareGuests({ images, memoryMiB }) {
  const directory = temporaryDirectory();
  /** @type {Guest[]} */
  const guests = [];
  for (const name of images) guests.push(await prepareGuest(name, memoryMiB, directory));
  return guests;
}

/** @param {string} name */
const emulatorOf = (name) => /** @type {import("./emulators.mjs").Emulator} */ (emulators[name]);

/**
 * One of the emulators as it is installed here; says so if it is not.
 * @param {string} name
 */
function describePeer(name) {
  const { title, mode, architectures, version: findVersion, install } = emulatorOf(name);
  const version = findVersion();
  if (version === undefined) say(`bench: ${title} is missing; install it with: ${install}`);
  const fullTitle = [title, version, mode && `(${mode})`].filter(Boolean).join(" ");
  return { name, title: fullTitle, architectures, absence: version === undefined ? `missing: ${install}` : undefined };
}

/** @param {Guest} guest @param {ReturnType<typeof describePeer>} peer @returns {Pair} */
function pairOf({ name: image, arch }, { name: emulator, title, architectures, absence }) {
  return { image, emulator, title, absence: architectures.includes(arch) ? absence : `cannot run ${arch}` };
}

/**
 * Emulators take turns within a round, so that a change in the machine's speed meets them all.
 * @param {number} round
 * @param {Options} options
 * @param {Guest[]} guests
 * @param {Pair[]} pairs
 * @param {string[]} prefix of every command
 * @returns {AsyncGenerator<Run>}
 */
async function* runRound(round, { rounds, timeoutSeconds }, guests, pairs, prefix) {
  for (const guest of guests) {
    for (const { emulator } of pairs.filter(({ image, absence }) => image === guest.name && !absence)) {
      const { command, stats = false } = emulatorOf(emulator);
      const measured = await measureBoot([...prefix, ...command(guest)], { timeoutSeconds, stats });
      const took = measured.failure ?? `${measured.shellSeconds?.toFixed(1)} s`;
      say(`round ${round} of ${rounds}: ${guest.name} on ${emulator}: ${took}`);
      yield { image: guest.name, emulator, round, ...measured };
    }
  }
}
