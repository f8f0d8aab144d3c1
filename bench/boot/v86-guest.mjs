// One v86 guest in a process of its own, so that its peak memory can be read like any other's:
// node v86-guest.mjs KERNEL INITRD COMMAND_LINE MEMORY_MIB, with the guest's serial port on standard input and output.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { V86 } from "v86";
import { firmware } from "./v86-firmware.mjs";

/** @param {string} path */
const load = (path) => ({ buffer: new Uint8Array(readFileSync(path)).buffer });

const [kernel = "", initrd = "", cmdline = "", memoryMiB = ""] = process.argv.slice(2);
const emulator = new V86({
  wasm_path: fileURLToPath(new URL("./v86.wasm", import.meta.resolve("v86"))),
  bios: load(firmware.bios),
  vga_bios: load(firmware.vgaBios),
  bzimage: load(kernel),
  initrd: load(initrd),
  cmdline,
  memory_size: Number(memoryMiB) * 2 ** 20,
  autostart: true,
  disable_speaker: true,
});

/** @type {number[]} */
let line = [];
emulator.add_listener("serial0-output-byte", (/** @type {number} */ byte) => {
  line.push(byte);
  if (byte !== 0x0a) return;
  process.stdout.write(Uint8Array.from(line));
  line = [];
});
process.stdin.on("data", (bytes) => emulator.serial_send_bytes(0, new Uint8Array(bytes)));
