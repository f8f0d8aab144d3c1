// A child process with a guest's console on its standard input and output.
import { spawn } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

/** How much of the console is kept, to show how a failure came. */
const tailLength = 2000;

export class GuestProcess {
  /** What it wrote on standard error. */
  errors = "";
  /** The end of what the console showed. */
  tail = "";
  /** Seconds from the start of the process to the first appearance of each of the lines asked for. @type {Map<string, number>} */
  seen = new Map();
  /** Resolves to how it ended. @type {Promise<string>} */
  ended;

  /**
   * @param {string[]} command
   * @param {string[]} lines to look for on the console
   */
  constructor([program = "", ...args], lines) {
    const start = performance.now();
    const child = spawn(program, args);
    const kill = () => void child.kill("SIGKILL");
    process.once("exit", kill);
    /** @type {Promise<void>} */
    this.allSeen = new Promise((resolve) => {
      child.stdout.setEncoding("latin1").on("data", (/** @type {string} */ text) => {
        this.#look(text, lines, (performance.now() - start) / 1000);
        if (this.seen.size === lines.length) resolve();
      });
    });
    child.stderr.setEncoding("utf8").on("data", (/** @type {string} */ text) => {
      this.errors += text;
    });
    child.stdin.on("error", () => {}); // it may end before it reads what it is sent
    this.ended = new Promise((resolve) => {
      child.on("error", (error) => resolve(error.message));
      child.on("close", (status, signal) => resolve(signal ? `ended by ${signal}` : `ended with status ${status}`));
    });
    this.ended.then(() => process.off("exit", kill));
    this.#child = child;
  }

  #child;

  get pid() {
    return this.#child.pid ?? 0;
  }

  /** @param {string} text */
  send(text) {
    this.#child.stdin.write(text);
  }

  /** Ends it, if it has not ended; resolves when it has. */
  async kill() {
    this.#child.kill("SIGKILL");
    await this.ended;
  }

  /** @param {string} text @param {string[]} lines @param {number} seconds */
  #look(text, lines, seconds) {
    this.tail += text;
    for (const line of lines) if (!this.seen.has(line) && this.tail.includes(line)) this.seen.set(line, seconds);
    this.tail = this.tail.slice(-tailLength);
  }
}

/**
 * Whether the promise resolves in time.
 * @param {Promise<unknown>} promise
 * @param {number} milliseconds
 */
export async function inTime(promise, milliseconds) {
  const timer = new AbortController();
  const late = delay(milliseconds, false, { signal: timer.signal });
  const result = await Promise.race([promise.then(() => true), late]);
  timer.abort();
  await late.catch(() => {});
  return result;
}
