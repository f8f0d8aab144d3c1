// Programs in a Debian guest that are judged by what they do on this machine: Kahan's paranoia, QEMU's tests/tcg.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { linuxEntries } from "./linux-guest.mjs";
import { noJudge, runNative } from "./native.mjs";
import { openLines } from "./test-i386.mjs";

/** @typedef {import("./linux-guest.mjs").Arch} Arch */
/** @typedef {import("./linux-guest.mjs").ProgramOutcome} ProgramOutcome */
/** @typedef {import("./results.mjs").Result} Result */
/** @typedef {import("./suite.mjs").Suite} Suite */

/** Programs of QEMU's that print addresses, times or what threads do first: their status counts alone. */
const untold = /^(linux-.*|munmap-pthread|sigbus|signals|test-mmap|testthread|threadcount|vsyscall|noexec)$/;

/** test-avx prints several lines behind an instruction's: those of approximations are open. [SDM 2B RCPPS, RSQRTPS] */
const instruction = { any: /^\s*\d+ [A-Z]/, open: /^\s*\d+ V?R(CP|SQRT)[PS]S / };

/** Some programs talk to each other over the loopback interface; some print 100,000 lines. */
const guestCommand = (/** @type {string} */ name) =>
  `ip link set lo up; ./${name} >out 2>&1 </dev/null; echo "status $?" >>out; gzip -1 <out | base64`;

/**
 * @param {string} folder with the folders `i386` and `x86_64` of programs of tests/tcg, built and linked statically
 * @returns {Suite[]}
 */
export const qemuTcg = (folder) => [
  suiteOf("qemu-tcg-i386", "i386", join(folder, "i386")),
  suiteOf("qemu-tcg-x86_64", "amd64", join(folder, "x86_64")),
];

/** @param {string} folder with builds of the C version, linked statically @returns {Suite} */
export const paranoia = (folder) => suiteOf("paranoia", "amd64", folder);

/**
 * @param {string} name
 * @param {Arch} arch
 * @param {string} folder of programs
 * @returns {Suite}
 */
function suiteOf(name, arch, folder) {
  const programs = readdirSync(folder)
    .toSorted()
    .map((program) => ({
      name: program,
      files: { [program]: readFileSync(join(folder, program)) },
      command: guestCommand(program),
    }));
  const entries = linuxEntries(arch, programs, (outcome, program) =>
    noJudge ? { verdict: "skip", reason: noJudge } : judge(outcome, nativeOutput(folder, program.name), program.name),
  );
  return { name, ...entries };
}

/**
 * @param {string} folder
 * @param {string} program
 */
const nativeOutput = (folder, program) => runNative(folder, `./${program} 2>&1 </dev/null; echo "status $?"`);

/**
 * @param {ProgramOutcome} outcome its output in gzip and base64
 * @param {string} native
 * @param {string} program
 * @returns {Result}
 */
export function judge({ status, output }, native, program) {
  if (status !== 0) return { verdict: "fail", reason: status === undefined ? "does not end" : `status ${status}` };
  const text = unpack(output);
  if (text === undefined) return { verdict: "fail", reason: "what came out of the guest is damaged" };
  const ours = judgedLines(text, program);
  const wanted = judgedLines(native, program);
  const wrong = wanted.filter((line, index) => ours[index] !== line);
  if (wrong.length === 0 && ours.length === wanted.length) return { verdict: "pass" };
  const reason = `${Math.max(wrong.length, 1)} of ${wanted.length} lines differ from this machine's processor`;
  return { verdict: "fail", reason, failures: [...new Set(wrong.map((line) => line.slice(0, 60)))].slice(0, 20) };
}

/** @param {string} output in gzip and base64 */
function unpack(output) {
  try {
    return gunzipSync(Buffer.from(output, "base64")).toString("latin1");
  } catch {
    return undefined;
  }
}

/**
 * @param {string} text
 * @param {string} program
 */
function judgedLines(text, program) {
  let open = false;
  const lines = text.split("\n").filter((line) => {
    if (instruction.any.test(line)) open = instruction.open.test(line);
    return !open && !openLines.some((pattern) => pattern.test(line));
  });
  return untold.test(program) ? lines.filter((line) => line.startsWith("status ")) : lines;
}
