// Runs one guest in a child process that always ends: by itself, or by its deadline.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * How a guest ended.
 * @typedef {object} Outcome
 * @property {number | undefined} status exit status; undefined after the deadline or a signal
 * @property {boolean} timedOut
 * @property {Buffer} output what came out of its serial port
 * @property {string} errors what the machine said on standard error
 * @property {number} seconds
 */

const outputLimit = 16 * 1024 * 1024;
const bin = fileURLToPath(new URL("../../bin/tskvm.js", import.meta.url));

/** @param {string[]} args of `tskvm run` */
export const tskvm = (args) => [process.execPath, bin, "run", ...args];

/**
 * Runs a command. Its process group is killed at the deadline, or when it floods its output.
 * @param {string[]} command
 * @param {{ deadline: number, ended?: (output: Buffer) => boolean }} options deadline in seconds; `ended` looks at
 *   every piece of output and tells that nothing more is to be waited for
 * @returns {Promise<Outcome>}
 */
export function runGuest([file, ...args], { deadline, ended = () => false }) {
  const started = performance.now();
  const child = spawn(String(file), args, { stdio: ["ignore", "pipe", "pipe"], detached: true });
  const kill = () => child.pid && killGroup(child.pid);
  /** @type {Buffer[]} */
  const output = [];
  let [length, errors, timedOut] = [0, "", false];
  const timer = setTimeout(() => {
    timedOut = true;
    kill();
  }, deadline * 1000);
  child.stdout.on("data", (/** @type {Buffer} */ piece) => {
    output.push(piece);
    length += piece.length;
    if (length > outputLimit || ended(piece)) kill();
  });
  child.stderr.on("data", (/** @type {Buffer} */ piece) => {
    errors = (errors + piece).slice(0, outputLimit);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => {
      clearTimeout(timer);
      const seconds = (performance.now() - started) / 1000;
      resolve({ status: status ?? undefined, timedOut, output: Buffer.concat(output), errors, seconds });
    });
  });
}

/** @param {number} pid */
function killGroup(pid) {
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended in the meantime.
  }
}
