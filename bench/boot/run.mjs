// One boot: when the console shows what, and what the emulator's process has used by then.
import { loadAverage, peakMemory, processorTime } from "../common/host.mjs";
import { initLine, shellLine } from "./guest.mjs";
import { GuestProcess, inTime } from "./guest-process.mjs";
import { readStats } from "./stats.mjs";

/**
 * @typedef {object} Measurement
 * @property {number} load the machine's load average before it
 * @property {number | undefined} [initSeconds] from the start of the process to the line that announces /init
 * @property {number | undefined} [shellSeconds] from the start of the process to the shell
 * @property {number | undefined} [processorSeconds] user and system time of all threads by then
 * @property {number | undefined} [peakBytes] of memory resident at once by then
 * @property {number} [instructions] executed by the guest in its life
 * @property {number} [instructionSeconds] in which it executed them
 * @property {string} [failure] why something of it is absent
 */

/** How long a guest may take to power itself off. */
const powerOffMs = 60_000;

/**
 * Boots once. A guest that does not come up is a failure in the result, not an error.
 * @param {string[]} command
 * @param {{ timeoutSeconds: number, stats: boolean }} options stats: the guest powers off, and the emulator's account of
 *   what it executed is read
 * @returns {Promise<Measurement>}
 */
export async function measureBoot(command, { timeoutSeconds, stats }) {
  const load = loadAverage();
  const guest = new GuestProcess(command, [initLine, shellLine]);
  const inTimeOrEnded = await inTime(Promise.race([guest.allSeen, guest.ended]), timeoutSeconds * 1000);
  if (!guest.seen.has(shellLine)) {
    const reason = inTimeOrEnded ? await guest.ended : `no shell within ${timeoutSeconds} s`;
    await guest.kill();
    return { load, failure: `${reason}; ${lastLines(guest.errors || guest.tail)}` };
  }
  const used = { processorSeconds: processorTime(guest.pid), peakBytes: peakMemory(guest.pid) };
  const executed = stats ? await powerOff(guest) : {};
  await guest.kill();
  return { load, initSeconds: guest.seen.get(initLine), shellSeconds: guest.seen.get(shellLine), ...used, ...executed };
}

/**
 * The guest waits for a line, then switches its machine off; what the emulator says then.
 * @param {GuestProcess} guest
 */
async function powerOff(guest) {
  guest.send("\n");
  const ended = await inTime(guest.ended, powerOffMs);
  const stats = readStats(guest.errors);
  if (stats) return stats;
  const reason = ended ? await guest.ended : `not off within ${powerOffMs / 1000} s`;
  return { failure: `after the shell: ${reason}; ${lastLines(guest.errors || guest.tail)}` };
}

/** @param {string} text */
const lastLines = (text) => text.trim().split("\n").slice(-3).join("\n");
