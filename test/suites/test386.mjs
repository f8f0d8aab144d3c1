// test386.asm: one ROM that reports its progress as POST codes and, at code EE, results as text.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { realModeKernel } from "./real-mode-kernel.mjs";
import { runGuest, tskvm } from "./run-guest.mjs";
import { withFile } from "./temporary-file.mjs";

/** @typedef {import("./run-guest.mjs").Outcome} Outcome */
/** @typedef {import("./results.mjs").Result} Result */
/** @typedef {import("./suite.mjs").Suite} Suite */

/** POST codes, from the ROM's own list. */
const post = { results: 0xee, done: 0xff };

const ended = (/** @type {Buffer} */ piece) => piece.includes(post.done);

/**
 * @param {string} folder with test386.bin, assembled so that codes and text go to COM1, and the reference text
 * @returns {Suite}
 */
export function test386(folder) {
  const rom = join(folder, "test386.bin");
  const reference = () => readFileSync(join(folder, "test386-EE-reference.txt"), "latin1");
  const qemu = ["qemu-system-i386", "-accel", "tcg", "-nodefaults", "-display", "none", "-serial", "stdio"];
  return {
    name: "test386",
    entries: [
      {
        name: "test386",
        deadline: 240,
        tskvm: (deadline) =>
          withFile(realModeKernel(), async (kernel) =>
            judge(await runGuest(tskvm(["--kernel", kernel, "--initrd", rom]), { deadline, ended }), reference()),
          ),
        qemu: async (deadline) => judge(await runGuest([...qemu, "-bios", rom], { deadline, ended }), reference()),
      },
    ],
  };
}

/**
 * @param {Outcome} outcome
 * @param {string} reference
 * @returns {Result}
 */
function judge({ output }, reference) {
  const results = output.indexOf(post.results);
  const last = output.at(results < 0 ? -1 : output.indexOf(post.done, results));
  if (last !== post.done) return { verdict: "fail", reason: `stops ${where(output, results)}` };
  const lines = output.subarray(results + 1, output.indexOf(post.done, results)).toString("latin1");
  const failures = differences(lines.split("\n"), reference.split("\n"));
  return failures.length === 0
    ? { verdict: "pass" }
    : { verdict: "fail", reason: `${failures.length} lines of results differ`, failures: failures.slice(0, 40) };
}

/**
 * @param {Buffer} output
 * @param {number} results where the text begins, if it does
 */
function where(output, results) {
  if (output.length === 0) return "before the first POST code";
  if (results < 0) return `at POST ${output.at(-1)?.toString(16)}`;
  const text = output.subarray(results + 1).toString("latin1");
  return `in the results: ${text.slice(text.lastIndexOf("\n", text.length - 2) + 1).trim()}`;
}

/**
 * @param {string[]} lines
 * @param {string[]} reference
 */
const differences = (lines, reference) =>
  reference.flatMap((line, index) =>
    line.trim() === lines[index]?.trim() ? [] : [`${lines[index]?.trim() ?? "nothing"} instead of ${line.trim()}`],
  );
