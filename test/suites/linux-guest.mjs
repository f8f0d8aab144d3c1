// Programs in a Debian guest: one initial RAM disk that runs them all, the same on tskvm and on QEMU's TCG.
import { readFileSync } from "node:fs";
import { resolveImage } from "tskvm";
import { concat, directory, file, writeCpio } from "../../dist/image/cpio.js";
import { runGuest, tskvm } from "./run-guest.mjs";
import { withFile } from "./temporary-file.mjs";

/** @typedef {import("./results.mjs").Result} Result */
/** @typedef {import("./run-guest.mjs").Outcome} Outcome */
/** @typedef {"amd64" | "i386"} Arch */
/** @typedef {"tskvm" | "qemu"} MachineName */

/**
 * @typedef {object} GuestProgram
 * @property {string} name without white space
 * @property {Record<string, Uint8Array>} files its folder, where it is run
 * @property {string} command for the guest's shell
 */

/**
 * What a program did.
 * @typedef {object} ProgramOutcome
 * @property {number | undefined} status undefined: the machine or the time ended before it
 * @property {string} output standard output and error
 */

/** Seconds that a program may take in the guest, and the whole machine besides. */
const grant = { program: 150, machine: 60 };

const memory = "512M";
const marks = { begin: "@@begin", end: "@@end" };

/**
 * /init of the guest: runs the programs one after the other and switches the machine off.
 * @param {GuestProgram[]} programs
 */
const initScript = (programs) => `#!/bin/sh
export PATH=/bin HOME=/root
mount -a
exec >/dev/ttyS0 2>&1 </dev/null
stty -opost -echo </dev/ttyS0
${programs
  .map(
    ({ name }) => `cd /suite/${name}
echo "${marks.begin} ${name}"
timeout -s KILL ${grant.program} sh ./command
echo "
${marks.end} ${name} $?"
`,
  )
  .join("")}poweroff -f
`;

/**
 * @param {GuestProgram[]} programs
 * @returns {Uint8Array} what to put behind a root's archive
 */
export function programsArchive(programs) {
  const folders = programs.flatMap(({ name, files, command }) => [
    directory(`suite/${name}`),
    ...Object.entries(files).map(([path, data]) => file(`suite/${name}/${path}`, data, 0o755)),
    file(`suite/${name}/command`, `${command}\n`),
  ]);
  return writeCpio([directory("suite"), ...folders, file("init", initScript(programs), 0o755)]);
}

/**
 * Runs the programs in one machine.
 * @param {MachineName} machine
 * @param {Arch} arch of the kernel
 * @param {GuestProgram[]} programs
 * @param {{ deadline?: number | undefined }} [options] seconds for the whole machine
 * @returns {Promise<Map<string, ProgramOutcome>>} by the program's name
 */
export async function runInLinux(machine, arch, programs, { deadline } = {}) {
  const image = await resolveImage(undefined, { arch });
  const root = concat([readFileSync(image.initrd), programsArchive(programs)]);
  const append = `${image.append} loglevel=1 panic=-1`;
  const seconds = deadline ?? grant.machine + programs.length * grant.program;
  return withFile(root, async (initrd) => {
    const boot = { kernel: image.kernel, initrd, append };
    const command = machine === "tskvm" ? onTskvm(boot) : onQemu(arch, boot);
    return readOutcomes(await runGuest(command, { deadline: seconds }));
  });
}

/** @typedef {{ kernel: string, initrd: string, append: string }} Boot */

/** @param {Boot} boot */
const onTskvm = ({ kernel, initrd, append }) =>
  tskvm([
    "--kernel",
    kernel,
    "--initrd",
    initrd,
    `--append=${append}`,
    "--cpu",
    "x86-64-v3",
    "--memory",
    memory,
    "--no-reboot",
  ]);

/**
 * @param {Arch} arch
 * @param {Boot} boot
 */
function onQemu(arch, { kernel, initrd, append }) {
  const board = ["-accel", "tcg", "-cpu", "max", "-m", memory, "-nodefaults", "-display", "none", "-no-reboot"];
  const program = arch === "amd64" ? "qemu-system-x86_64" : "qemu-system-i386";
  return [program, ...board, "-serial", "stdio", "-kernel", kernel, "-initrd", initrd, "-append", append];
}

/**
 * @param {Pick<Outcome, "output">} outcome
 * @returns {Map<string, ProgramOutcome>}
 */
export function readOutcomes({ output }) {
  const text = output.toString("latin1").replaceAll("\r\n", "\n");
  const pattern = new RegExp(`^${marks.begin} (\\S+)\\n(.*?)(?:\\n${marks.end} \\1 (\\d+)$|(?![^]))`, "gms");
  const found = Array.from(text.matchAll(pattern), ([, name, said, status]) => {
    /** @type {[string, ProgramOutcome]} */
    const entry = [String(name), { status: status === undefined ? undefined : Number(status), output: String(said) }];
    return entry;
  });
  return new Map(found);
}

/**
 * A suite's entries that share one machine for all that were chosen.
 * @param {Arch} arch
 * @param {GuestProgram[]} programs
 * @param {(outcome: ProgramOutcome, program: GuestProgram) => Result} judge
 * @returns {Pick<import("./suite.mjs").Suite, "entries" | "choose">}
 */
export function linuxEntries(arch, programs, judge) {
  let chosen = programs;
  /** @type {Map<MachineName, Promise<Map<string, ProgramOutcome>>>} */
  const runs = new Map();
  /** @param {MachineName} machine */
  const outcomes = (machine) => {
    const run = runs.get(machine) ?? runInLinux(machine, arch, chosen);
    runs.set(machine, run);
    return run;
  };
  /** @type {(machine: MachineName, program: GuestProgram) => () => Promise<Result>} */
  const resultOf = (machine, program) => async () => {
    const outcome = (await outcomes(machine)).get(program.name);
    return outcome ? judge(outcome, program) : { verdict: "fail", reason: "the machine ended before it" };
  };
  return {
    choose: (names) => {
      chosen = programs.filter(({ name }) => names.has(name));
    },
    entries: programs.map((program) => ({
      name: program.name,
      deadline: grant.program,
      tskvm: resultOf("tskvm", program),
      qemu: resultOf("qemu", program),
    })),
  };
}
