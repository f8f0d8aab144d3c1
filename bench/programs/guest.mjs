// What runs: our programs of bench/guest, compiled here into one static binary that is also a guest's whole root.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../dist/base/assert.js";
import { charDevice, directory, file, writeCpio } from "../../dist/image/cpio.js";
import { resolveImage } from "../../dist/image/image.js";
import { progressOn } from "../../dist/image/progress.js";
import { root } from "../../tools/files.mjs";

/** @typedef {Awaited<ReturnType<typeof prepareGuest>>} Guest */

const sources = `${root}bench/guest/`;
const images = { amd64: "debian-cloud", i386: "debian-686-pae" };
/** The 32-bit programs may use what v86 and every processor of the last twenty years have. */
const flags = { amd64: ["-m64"], i386: ["-m32", "-msse2", "-mfpmath=sse"] };
const memoryMiB = 256;

/** In the order in which they run. */
export function programNames() {
  return [...readFileSync(`${sources}programs.h`, "utf8").matchAll(/^PROGRAM\((\w+)\)$/gm)].map(
    (match) => match[1] ?? "",
  );
}

/**
 * Compiles the programs and packs them. Throws UserErrors.
 * @param {"i386" | "amd64"} arch
 * @param {string[]} programs what the guest runs
 * @param {string} temporary directory
 */
export async function prepareGuest(arch, programs, temporary) {
  const binary = join(temporary, `bench-${arch}`);
  compile(binary, flags[arch]);
  const image = await resolveImage(images[arch], { progress: progressOn(process.stderr) });
  const initrd = join(temporary, `${arch}.cpio`);
  writeFileSync(initrd, writeCpio([...devices, file("init", readFileSync(binary), 0o755)]));
  const append = `console=ttyS0 quiet panic=-1 cryptomgr.notests -- ${programs.join(" ")}`;
  return { ...image, arch, binary, initrd, append, memoryMiB, programs };
}

const devices = [directory("dev"), charDevice("dev/console", 5, 1)];

/** @param {string} binary @param {string[]} architecture */
function compile(binary, architecture) {
  const files = readdirSync(sources).filter((name) => name.endsWith(".c"));
  const all = [...architecture, "-O2", "-ftree-vectorize", "-static", "-o", binary, ...files, "-lm"];
  const { status, stderr, error } = spawnSync("gcc", all, { cwd: sources, encoding: "utf8" });
  if (status !== 0)
    throw new UserError(
      `the programs do not compile: ${error?.message ?? stderr}`,
      "Install a C compiler for both architectures: apt-get install gcc gcc-multilib",
    );
}
