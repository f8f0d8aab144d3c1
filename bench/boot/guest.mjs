// What is booted: the kernel and root that `tskvm run` boots, and a login script that says when the shell is there.
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { concat, file, writeCpio } from "../../dist/image/cpio.js";
import { resolveImage } from "../../dist/image/image.js";
import { progressOn } from "../../dist/image/progress.js";

/** What the console prints when the kernel starts /init, and when the shell runs. */
export const initLine = "Run /init as init process";
export const shellLine = "tskvm-bench: the shell runs";

/**
 * The root's /init ends in a login shell on the console, and that reads this first. The kernel is silenced so that it
 * cannot write into the middle of our line. The guest then waits for a line from us: it is there to be looked at.
 */
const profile = `echo 1 >/proc/sys/kernel/printk
echo '${shellLine}'
read -r line
poweroff -f
`;

/** @typedef {Awaited<ReturnType<typeof prepareGuest>>} Guest */

/**
 * The files of an image, the same for every emulator. Throws UserErrors.
 * @param {string} name of an image
 * @param {number} memoryMiB
 * @param {string} directory for the initrd
 */
export async function prepareGuest(name, memoryMiB, directory) {
  const image = await resolveImage(name, { progress: progressOn(process.stderr) });
  const initrd = join(directory, `${name}.cpio`);
  const extra = writeCpio([file("etc/profile", profile)]);
  await writeFile(initrd, concat([await readFile(image.initrd), extra]));
  return { ...image, initrd, memoryMiB };
}
