// One build at a time in a clone. Imports nothing but Node.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { root } from "./files.mjs";

/** @param {string} path */
function take(path) {
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code === "EEXIST") return false;
    throw error;
  }
}

/** @param {string} path */
function holder(path) {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch {
    return 0;
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return /** @type {NodeJS.ErrnoException} */ (error).code === "EPERM";
  }
}

/**
 * Runs an action while holding a lock file; waits for another live process that holds it, takes it over from a dead one.
 * @template T
 * @param {() => Promise<T>} action
 * @param {string} [path]
 */
export async function withLock(action, path = join(root, ".cache/build.lock")) {
  for (let told = false; !take(path); ) {
    const pid = holder(path);
    if (pid > 0 && !isAlive(pid)) rmSync(path, { force: true });
    else if (!told) {
      process.stderr.write(`tskvm: waiting for the build of process ${pid} (or remove ${path})\n`);
      told = true;
    }
    await sleep(100);
  }
  const release = () => rmSync(path, { force: true });
  process.on("exit", release);
  try {
    return await action();
  } finally {
    process.off("exit", release);
    release();
  }
}
