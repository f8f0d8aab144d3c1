// Installs the locked npm packages when they are not there. Imports nothing but Node.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./files.mjs";
import { run, runNode } from "./process.mjs";

/** @typedef {{ packages?: Record<string, { version?: string, optional?: boolean, devOptional?: boolean }> }} Lock */

/**
 * @param {string} path
 * @returns {Lock | undefined} undefined when the file is absent or broken
 */
function readLock(path) {
  if (!existsSync(path)) return undefined;
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return undefined;
  }
}

/**
 * Whether node_modules holds what package-lock.json asks for. npm writes node_modules/.package-lock.json last, so an
 * interrupted installation has none. Optional packages may be absent: they belong to other platforms.
 * @param {string} [base] the project's folder
 */
export function isInstalled(base = root) {
  const wanted = readLock(join(base, "package-lock.json"))?.packages ?? {};
  const present = readLock(join(base, "node_modules/.package-lock.json"))?.packages;
  if (!present) return false;
  return Object.entries(wanted).every(([path, { version, optional, devOptional }]) => {
    if (path === "") return true;
    const found = present[path];
    return found ? found.version === version : (optional ?? devOptional ?? false);
  });
}

/** Runs `npm ci`, with its output on standard error. Throws with a remedy when it fails. */
export async function install() {
  process.stderr.write("tskvm: installing npm packages (once)\n");
  const args = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const npm = process.env.npm_execpath;
  const status = npm?.endsWith(".js")
    ? await runNode(npm, args, { out: "stderr" })
    : await run("npm", args, { out: "stderr" });
  if (status !== 0)
    throw new Error("`npm ci` failed: see above. It needs the npm registry, once; then run this again.");
}
