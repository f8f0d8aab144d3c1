// Running a program as a step of ours. Imports nothing but Node: it runs before anything is installed.
import { spawn } from "node:child_process";
import { root } from "./files.mjs";

/** @type {NodeJS.Signals[]} */
const forwarded = ["SIGINT", "SIGTERM", "SIGHUP"];

/**
 * Runs a program in the project's folder and resolves to its exit status; a signal that ends us ends it first.
 * @param {string} command
 * @param {string[]} args
 * @param {{ out?: "stdout" | "stderr", env?: NodeJS.ProcessEnv }} [options] where its standard output goes
 * @returns {Promise<number>}
 */
export function run(command, args, { out = "stdout", env = process.env } = {}) {
  const child = spawn(command, args, { cwd: root, env, stdio: ["ignore", out === "stdout" ? 1 : 2, 2] });
  /** @type {NodeJS.Signals | undefined} */
  let received;
  const forward = (/** @type {NodeJS.Signals} */ signal) => {
    received = signal;
    child.kill(signal);
  };
  for (const signal of forwarded) process.on(signal, forward);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => {
      for (const signal of forwarded) process.off(signal, forward);
      if (received) process.kill(process.pid, received);
      resolve(status ?? 1);
    });
  });
}

/**
 * Runs a script with this Node.
 * @param {string} script
 * @param {string[]} args
 * @param {{ out?: "stdout" | "stderr", env?: NodeJS.ProcessEnv }} [options]
 */
export function runNode(script, args, options) {
  return run(process.execPath, [script, ...args], options);
}
