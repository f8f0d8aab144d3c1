// From measurements to the table.
import { markdownTable } from "../common/markdown.mjs";
import { medianRatio, summarize } from "../common/statistics.mjs";

/** @typedef {import("./run.mjs").Measurement} Measurement */
/** @typedef {Measurement & { image: string, emulator: string, round: number }} Run */
/** @typedef {{ image: string, emulator: string, title: string, absence?: string | undefined }} Pair */

/** Whose time is 1 in the column of ratios. */
const reference = "qemu";

const header = [
  "guest",
  "emulator",
  "to the shell, s (min–max)",
  "QEMU's time ×",
  "processor time, s",
  "peak memory, MiB",
  "million guest instructions a second",
];

/**
 * The figures of a guest on an emulator. What no run has measured is absent.
 * @param {readonly Run[]} runs
 * @param {Pair} pair
 */
export function summarizePair(runs, { image, emulator }) {
  const of = (/** @type {string} */ name) => runs.filter((run) => run.image === image && run.emulator === name);
  const own = of(emulator);
  return {
    rounds: own.length,
    failures: own.filter((run) => run.failure !== undefined).length,
    shellSeconds: summaryOf(own, (run) => run.shellSeconds),
    ratio: medianRatio(shellTimes(own), shellTimes(of(reference))),
    processorSeconds: summaryOf(own, (run) => run.processorSeconds),
    peakBytes: summaryOf(own, (run) => run.peakBytes),
    instructionsPerSecond: summaryOf(own, (run) =>
      run.instructions && run.instructionSeconds ? run.instructions / run.instructionSeconds : undefined,
    ),
  };
}

/** @param {readonly Run[]} runs @param {(run: Run) => number | undefined} value */
function summaryOf(runs, value) {
  const values = runs.map(value).filter((found) => found !== undefined);
  return values.length > 0 ? summarize(values) : undefined;
}

/** @param {readonly Run[]} runs */
const shellTimes = (runs) =>
  new Map(runs.flatMap((run) => (run.shellSeconds === undefined ? [] : [[run.round, run.shellSeconds]])));

/**
 * @param {readonly Run[]} runs
 * @param {readonly Pair[]} pairs a row each
 */
export function formatReport(runs, pairs) {
  return markdownTable(
    header,
    pairs.map((pair) => formatPair(runs, pair)),
  );
}

/** @param {readonly Run[]} runs @param {Pair} pair */
function formatPair(runs, pair) {
  const { rounds, failures, ...figures } = summarizePair(runs, pair);
  const time = pair.absence ?? [...formatTime(figures.shellSeconds), ...formatFailures(failures, rounds)].join(", ");
  return [
    pair.image,
    pair.title,
    time,
    format(figures.ratio, 2),
    format(figures.processorSeconds?.median, 1),
    format(figures.peakBytes && figures.peakBytes.median / 2 ** 20, 0),
    format(figures.instructionsPerSecond && figures.instructionsPerSecond.median / 1e6, 1),
  ];
}

/** @param {import("../common/statistics.mjs").Summary | undefined} summary */
const formatTime = (summary) =>
  summary ? [`${summary.median.toFixed(1)} (${summary.min.toFixed(1)}–${summary.max.toFixed(1)})`] : [];

/** @param {number} failures @param {number} rounds */
const formatFailures = (failures, rounds) => (failures > 0 ? [`failed ${failures} of ${rounds}`] : []);

/** @param {number | undefined} value @param {number} digits */
const format = (value, digits) => value?.toFixed(digits) ?? "–";

/** @typedef {{ date: string, host: ReturnType<typeof import("../common/host.mjs").describeHost>, loadBefore: number }} Conditions */

/**
 * What the figures mean and depend on.
 * @param {Conditions} conditions
 * @param {{ rounds: number, memoryMiB: number, pin: boolean }} options
 */
export function formatConditions({ host, loadBefore }, { rounds, memoryMiB, pin }) {
  const place = `${host.processor}, ${host.cores} cores${host.virtualMachine ? " of a virtual machine" : ""}`;
  return [
    `Medians of ${rounds} rounds in which the emulators took turns; the ratio is the median of the rounds' ratios.`,
    "Time is from the start of the emulator's process to the shell; processor time is that of all its threads, and peak",
    `memory its VmHWM, by then. Guests had ${memoryMiB} MiB and one processor${pin ? "; everything was pinned to one core" : ""}.`,
    `Machine: ${place}, ${host.memoryMiB} MiB; ${host.system}, Linux ${host.kernel}, Node ${host.node};`,
    `load average ${loadBefore.toFixed(2)} before the first boot.`,
    "",
  ].join("\n");
}
