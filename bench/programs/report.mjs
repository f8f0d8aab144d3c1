// From measurements to the table and the result file.
import { markdownTable } from "../common/markdown.mjs";
import { median, medianRatio } from "../common/statistics.mjs";

/** @typedef {import("./run.mjs").Measurement & { arch: string, place: string, round: number }} Run */

/** How far a program's own time may be from the host's: half, and what a line takes to arrive. */
const tolerance = { ratio: 1.5, seconds: 0.3 };

/** The geometric mean. @param {number[]} values */
export const geometricMean = (values) =>
  Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);

/**
 * What is wrong with the measurements: other checksums than the first, clocks that disagree with the host's.
 * @param {readonly Run[]} runs
 */
export function findFaults(runs) {
  /** @type {Map<string, string>} */
  const sums = new Map();
  return runs.flatMap(({ arch, place, programs, failure }) => {
    const faults = failure === undefined ? [] : [`${arch} on ${place}: ${failure}`];
    for (const [name, { checksum, seconds, hostSeconds }] of Object.entries(programs)) {
      const key = `${arch} ${name}`;
      const expected = sums.get(key) ?? checksum;
      sums.set(key, expected);
      if (checksum !== expected) faults.push(`${key} on ${place}: checksum ${checksum}, elsewhere ${expected}`);
      const [less, more] = [Math.min(seconds, hostSeconds), Math.max(seconds, hostSeconds)];
      if (more > less * tolerance.ratio + tolerance.seconds)
        faults.push(
          `${key} on ${place}: ${seconds.toFixed(2)} s by its clock, ${hostSeconds.toFixed(2)} s by the host's`,
        );
    }
    return faults;
  });
}

/** @param {readonly Run[]} runs @param {string} arch @param {string} place @param {string} program */
const timesOf = (runs, arch, place, program) =>
  new Map(
    runs
      .filter((run) => run.arch === arch && run.place === place && run.programs[program])
      .map((run) => [run.round, run.programs[program]?.seconds ?? Number.NaN]),
  );

/**
 * Of one program: tskvm's median time, and how many times faster it is than each other place.
 * @param {readonly Run[]} runs @param {string} arch @param {string} program @param {readonly string[]} places
 */
export function summarizeProgram(runs, arch, program, places) {
  const own = timesOf(runs, arch, "tskvm", program);
  const seconds = Object.fromEntries(
    places.map((place) => {
      const times = [...timesOf(runs, arch, place, program).values()];
      return [place, times.length > 0 ? median(times) : undefined];
    }),
  );
  const speed = Object.fromEntries(
    places
      .filter((place) => place !== "tskvm")
      .map((place) => [place, medianRatio(timesOf(runs, arch, place, program), own)]),
  );
  return { arch, program, seconds, speed };
}

/**
 * @param {ReturnType<typeof summarizeProgram>[]} summaries
 * @param {readonly string[]} places
 */
export function formatReport(summaries, places) {
  const others = places.filter((place) => place !== "tskvm");
  const rows = summaries.map(({ arch, program, seconds, speed }) => [
    `${program.replaceAll("_", " ")}, ${arch}`,
    ...places.map((place) => format(seconds[place], 3)),
    ...others.map((place) => format(speed[place], 2)),
  ]);
  for (const arch of new Set(summaries.map((summary) => summary.arch)))
    rows.push([
      `geometric mean, ${arch}`,
      ...places.map(() => ""),
      ...others.map((place) => meanOf(summaries, arch, place)),
    ]);
  return markdownTable(["program", ...places.map((p) => `${p}, s`), ...others.map((p) => `speed against ${p}`)], rows);
}

/** @param {ReturnType<typeof summarizeProgram>[]} summaries @param {string} arch @param {string} place */
function meanOf(summaries, arch, place) {
  const speeds = summaries.filter((s) => s.arch === arch).flatMap((s) => s.speed[place] ?? []);
  return speeds.length > 0 ? format(geometricMean(speeds), 2) : "–";
}

/** @param {number | undefined} value @param {number} digits */
const format = (value, digits) => value?.toFixed(digits) ?? "–";
