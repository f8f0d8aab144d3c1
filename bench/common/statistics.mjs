// What benchmarks say of repeated measurements.

/**
 * The middle value, or the mean of the two in the middle. Throws a RangeError if there are none.
 * @param {readonly number[]} values
 */
export function median(values) {
  if (values.length === 0) throw new RangeError("the median of nothing");
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.slice((sorted.length - 1) >> 1, (sorted.length >> 1) + 1);
  return middle.reduce((sum, value) => sum + value, 0) / middle.length;
}

/**
 * @typedef {object} Summary
 * @property {number} median
 * @property {number} min
 * @property {number} max
 */

/**
 * @param {readonly number[]} values at least one
 * @returns {Summary}
 */
export function summarize(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/**
 * The median of the ratios of values measured in the same round: what slows a whole round down cancels out.
 * Undefined if no round has both.
 * @param {ReadonlyMap<number, number>} values by round
 * @param {ReadonlyMap<number, number>} references by round
 */
export function medianRatio(values, references) {
  const ratios = [...values].flatMap(([round, value]) => {
    const reference = references.get(round);
    return reference === undefined ? [] : [value / reference];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}
