// Runs every program everywhere, round by round, and reports.
import { emulators } from "../boot/emulators.mjs";
import { pinPrefix, runCommand, saveResult, say, temporaryDirectory } from "../common/command.mjs";
import { describeHost, loadAverage } from "../common/host.mjs";
import { help, readArguments } from "./arguments.mjs";
import { prepareGuest } from "./guest.mjs";
import { findFaults, formatReport, summarizeProgram } from "./report.mjs";
import { runPrograms } from "./run.mjs";

/** @typedef {import("./arguments.mjs").Options} Options */
/** @typedef {import("./guest.mjs").Guest} Guest */
/** @typedef {import("./report.mjs").Run} Run */

/**
 * Runs the benchmark and resolves to the exit status: 1 if something failed or a checksum differs.
 * @param {string[]} args
 */
export async function main(args) {
  return runCommand(args, { read: readArguments, help, run: benchmark });
}

/** @param {Options} options */
async function benchmark(options) {
  const prefix = options.pin ? pinPrefix() : [];
  const temporary = temporaryDirectory();
  const conditions = { date: new Date().toISOString(), host: describeHost(), loadBefore: loadAverage() };
  const guests = [];
  for (const arch of /** @type {("i386" | "amd64")[]} */ (options.architectures))
    guests.push(await prepareGuest(arch, options.programs, temporary));
  /** @type {Run[]} */
  const runs = [];
  for (let round = 1; round <= options.rounds; round++) {
    for await (const run of runRound(round, options, guests, prefix)) runs.push(run);
    save(options, conditions, runs);
  }
  const faults = findFaults(runs);
  for (const fault of faults) say(`bench: ${fault}`);
  process.stdout.write(formatReport(summaries(options, runs), options.places));
  return faults.length > 0 ? 1 : 0;
}

/**
 * Places take turns within a round, so that a change in the machine's speed meets them all.
 * @param {number} round @param {Options} options @param {Guest[]} guests
 * @param {string[]} prefix of every command
 * @returns {AsyncGenerator<Run>}
 */
async function* runRound(round, options, guests, prefix) {
  for (const guest of guests) {
    for (const place of options.places) {
      const command = commandOf(place, guest, options);
      if (command === undefined) continue;
      const measured = await runPrograms([...prefix, ...command], options.timeoutSeconds);
      const total = Object.values(measured.programs).reduce((sum, { seconds }) => sum + seconds, 0);
      say(
        `round ${round} of ${options.rounds}: ${guest.arch} on ${place}: ${total.toFixed(1)} s ${measured.failure ?? ""}`,
      );
      yield { arch: guest.arch, place, round, ...measured };
    }
  }
}

/** Undefined where the programs cannot run there. @param {string} place @param {Guest} guest @param {Options} options */
function commandOf(place, guest, { jit }) {
  if (place === "native") return process.arch === "x64" ? [guest.binary, ...guest.programs] : undefined;
  const emulator = emulators[place];
  if (!emulator?.architectures.includes(guest.arch)) return undefined;
  if (emulator.version() === undefined) {
    say(`bench: ${emulator.title} is missing; install it with: ${emulator.install}`);
    return undefined;
  }
  return [...emulator.command(guest), ...(place === "tskvm" && jit !== "auto" ? ["--jit", jit] : [])];
}

/** @param {Options} options @param {Run[]} runs */
const summaries = ({ architectures, programs, places }, runs) =>
  architectures.flatMap((arch) => programs.map((program) => summarizeProgram(runs, arch, program, places)));

/** Everything as plain data, without paths of this machine. @param {Options} options @param {object} conditions @param {Run[]} runs */
function save(options, conditions, runs) {
  const { json, help: _, ...rest } = options;
  const summary = summaries(options, runs);
  saveResult(json, { format: 1, benchmark: "programs", ...conditions, options: rest, summary, runs });
}
