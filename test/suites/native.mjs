// Running a guest's program on this machine's own processor, which then is the judge.
import { execFileSync } from "node:child_process";
import { arch, platform } from "node:os";

/** Why this machine is no judge; undefined: it is one. */
export const noJudge = arch() === "x64" && platform() === "linux" ? undefined : "needs x86-64 Linux to compare with";

/**
 * @param {string} folder
 * @param {string} command for the shell, with status 0
 * @returns {string} its standard output
 */
export function runNative(folder, command) {
  /** @type {("ignore" | "pipe")[]} */
  const stdio = ["ignore", "pipe", "ignore"];
  return execFileSync("sh", ["-c", command], { cwd: folder, encoding: "latin1", maxBuffer: 1 << 26, stdio });
}
