// One run of all programs: what each says of its time, beside the time between its lines as the host sees them.
import { spawn } from "node:child_process";
import { peakMemory, processorTime } from "../common/host.mjs";

/**
 * @typedef {object} Timing
 * @property {number} seconds by the clock of where it ran
 * @property {number} hostSeconds between its two lines on the console, by the host's clock
 * @property {string} checksum
 */

/**
 * @typedef {object} Measurement
 * @property {Record<string, Timing>} programs
 * @property {number | undefined} bootSeconds to the first program
 * @property {number | undefined} peakBytes
 * @property {number | undefined} processorSeconds
 * @property {string} [failure]
 */

/**
 * @param {string[]} command
 * @param {number} timeoutSeconds
 * @returns {Promise<Measurement>}
 */
export function runPrograms([program = "", ...args], timeoutSeconds) {
  const begin = performance.now();
  const child = spawn(program, args, { stdio: ["pipe", "pipe", "pipe"] });
  const seconds = () => (performance.now() - begin) / 1000;
  /** @type {Measurement} */
  const result = { programs: {}, bootSeconds: undefined, peakBytes: undefined, processorSeconds: undefined };
  let started = 0;
  let rest = "";
  let tail = "";
  let done = false;
  const line = (/** @type {string} */ text) => {
    const now = seconds();
    if (/^bench: start \w+/.test(text)) {
      started = now;
      result.bootSeconds ??= now;
    }
    const ended = /^bench: (\w+) (\d+) ([0-9a-f]{8})/.exec(text);
    if (ended)
      result.programs[ended[1] ?? ""] = {
        seconds: Number(ended[2]) / 1e9,
        hostSeconds: now - started,
        checksum: ended[3] ?? "",
      };
    if (!text.startsWith("bench: done")) return;
    done = true;
    result.peakBytes = peakMemory(child.pid ?? 0);
    result.processorSeconds = processorTime(child.pid ?? 0);
    child.kill("SIGKILL");
  };
  child.stdin.on("error", () => {});
  child.stderr.on("data", (bytes) => {
    tail = (tail + bytes).slice(-1000);
  });
  child.stdout.setEncoding("latin1").on("data", (/** @type {string} */ text) => {
    tail = (tail + text).slice(-1000);
    const lines = (rest + text).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const each of lines) line(each);
  });
  return new Promise((resolve) => {
    const late = setTimeout(() => child.kill("SIGKILL"), timeoutSeconds * 1000);
    const kill = () => void child.kill("SIGKILL");
    process.once("exit", kill);
    child.on("error", (error) => resolve({ ...result, failure: error.message }));
    child.on("close", () => {
      clearTimeout(late);
      process.off("exit", kill);
      resolve(done ? result : { ...result, failure: `not all programs within ${seconds().toFixed(0)} s: ${tail}` });
    });
  });
}
