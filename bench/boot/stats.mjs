// What `tskvm run --stats` says on standard error when the machine has ended.

/**
 * Nothing if it does not say it.
 * @param {string} text
 * @returns {{ instructions?: number, instructionSeconds?: number }}
 */
export function readStats(text) {
  const match = /(\d+) instructions in ([\d.]+) s/.exec(text);
  return match ? { instructions: Number(match[1]), instructionSeconds: Number(match[2]) } : {};
}
