// Who is compared: what each can boot, how it is had and how it is started. All get the same files and kernel
// parameters, one processor, and the guest's first serial port on standard input and output.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { root } from "../../tools/files.mjs";
import { firmware } from "./v86-firmware.mjs";

/** @typedef {import("./guest.mjs").Guest} Guest */

/**
 * @typedef {object} Emulator
 * @property {string} title
 * @property {string} [mode] of its several ways to run
 * @property {readonly string[]} architectures
 * @property {() => string | undefined} version undefined if it is not installed
 * @property {string} install the command that installs it
 * @property {(guest: Guest) => string[]} command
 * @property {boolean} [stats] whether it is left to end by itself, since it then says on standard error what it executed
 */

const tskvm = `${root}bin/tskvm.js`;
const qemu = "qemu-system-x86_64";
const v86 = fileURLToPath(new URL("./v86-guest.mjs", import.meta.url));

/** The version in a package.json, without build metadata. @param {string} path */
const packageVersion = (path) => String(JSON.parse(readFileSync(path, "utf8")).version).replace(/\+.*/, "");

/** @param {string} command @param {string[]} args */
function outputOf(command, args) {
  const { status, stdout } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  return status === 0 ? stdout.trim() : undefined;
}

function tskvmVersion() {
  if (!existsSync(`${root}dist/cli/main.js`)) return undefined;
  const commit = outputOf("git", ["describe", "--always", "--dirty"]);
  return packageVersion(`${root}package.json`) + (commit ? ` at ${commit}` : "");
}

function v86Version() {
  const manifest = `${root}node_modules/v86/package.json`;
  const installed = [manifest, firmware.bios, firmware.vgaBios].every((path) => existsSync(path));
  return installed ? packageVersion(manifest) : undefined;
}

/** @type {Record<string, Emulator>} */
export const emulators = {
  tskvm: {
    title: "tskvm",
    mode: "wasm engine",
    architectures: ["amd64", "i386"],
    version: tskvmVersion,
    install: "npm run build",
    command: ({ kernel, initrd, append, memoryMiB }) => [
      ...[
        process.execPath,
        tskvm,
        "run",
        "--engine",
        "wasm",
        "--kernel",
        kernel,
        "--initrd",
        initrd,
        "--append",
        append,
      ],
      ...["--memory", `${memoryMiB}M`, "--no-reboot", "--stats"],
    ],
    stats: true,
  },
  qemu: {
    title: "QEMU",
    mode: "TCG, one thread",
    architectures: ["amd64", "i386"],
    version: () => /version (\S+)/.exec(outputOf(qemu, ["--version"]) ?? "")?.[1],
    install: "apt-get install qemu-system-x86",
    command: ({ kernel, initrd, append, memoryMiB }) => [
      ...[qemu, "-accel", "tcg,thread=single", "-smp", "1", "-m", `${memoryMiB}M`],
      ...["-kernel", kernel, "-initrd", initrd, "-append", append],
      ...["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"],
    ],
  },
  v86: {
    title: "v86",
    architectures: ["i386"],
    version: v86Version,
    install: "npm ci && apt-get install seabios",
    command: ({ kernel, initrd, append, memoryMiB }) => [
      ...[process.execPath, v86, kernel, initrd, append, String(memoryMiB)],
    ],
  },
};
