// What `tskvm run --stats` says on standard error when the machine has ended.

/**
 * Undefined if it does not say it.
 * @param {string} text
 * @returns {{ instructions: number, instructionSeconds: number } | undefined}
 */
export function readStats(text) {
  const match = /ran ([\d.]+) s on the \w+ engine, ([\d.]+) million instructions/.exec(text);
  return match ? { instructions: Math.round(Number(match[2]) * 1e6), instructionSeconds: Number(match[1]) } : undefined;
}
