// kvm-unit-tests: every entry of x86/unittests.cfg on tskvm and on QEMU's TCG.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bootDisk } from "./boot-disk.mjs";
import { runGuest, tskvm } from "./run-guest.mjs";
import { withFile } from "./temporary-file.mjs";
import { parseUnitTests } from "./unittests-cfg.mjs";

/** @typedef {import("./run-guest.mjs").Outcome} Outcome */
/** @typedef {import("./results.mjs").Result} Result */
/** @typedef {import("./unittests-cfg.mjs").Entry} Entry */
/** @typedef {import("./suite.mjs").Suite} Suite */

const memoryMiB = 128;

/** The exit statuses of isa-debug-exit for the suite's exit codes 0 and 77 / 2. */
const status = { pass: 1, skip: 77 };

/** The entry that runs on interrupt controllers and vectors as a PC's BIOS leaves them: tskvm boots it from a disk. */
const needsBios = new Set(["realmode"]);
/** SeaBIOS as Debian has it. */
const bios = "/usr/share/seabios/bios-256k.bin";

/** Seconds that the suite's own runner grants an entry, and how many times that an interpreter gets. */
const grant = { seconds: 90, times: 2 };
/** Entries with hundreds of millions of steps, or tens of thousands of answers of another processor, and their seconds. */
const long = new Map([
  ["x2apic", 240],
  ["xapic", 240],
  ["kvmclock_test", 600],
  ["sieve", 400],
]);

/**
 * @param {string} folder of the built suite
 * @returns {Suite}
 */
export function kvmUnitTests(folder) {
  const arch = /^ARCH=(\w+)$/m.exec(readFileSync(join(folder, "config.mak"), "utf8"))?.[1] ?? "x86_64";
  const entries = parseUnitTests(readFileSync(join(folder, "x86/unittests.cfg"), "utf8"));
  return {
    name: `kvm-unit-tests-${arch}`,
    entries: entries
      .filter((entry) => !entry.arch || entry.arch === arch)
      .map((entry) => ({
        name: entry.name,
        deadline: long.get(entry.name) ?? (entry.timeout ?? grant.seconds) * grant.times,
        tskvm: (deadline) => onTskvm(join(folder, "x86", entry.file), entry, deadline),
        qemu: (deadline) => onQemu(`qemu-system-${arch}`, join(folder, "x86", entry.file), entry, deadline),
      })),
  };
}

/** The suite's kernels read their environment from a file given as an initial RAM disk. @param {string[]} lines */
const environment = (...lines) => lines.map((line) => `${line}\n`).join("");

/** @param {string} reason @returns {Result} */
const skip = (reason) => ({ verdict: "skip", reason });

/**
 * Why neither machine can run an entry.
 * @param {string} kernel
 * @param {Entry} entry
 */
function impossible(kernel, entry) {
  if (entry.groups.includes("nodefault")) return "not in the suite's default run";
  if (!existsSync(kernel)) return "not built for this architecture";
  return undefined;
}

/** What the suite tests and the newest model does not have by itself. */
const features = [
  "smep",
  "smap",
  "umip",
  "vme",
  "tsc_adjust",
  "rdpid",
  "xsavec",
  "xsaves",
  "pcid",
  "invpcid",
  "la57",
  "pku",
  "pks",
];

/**
 * The processor that an entry gets: AMD's if it asks for one, else the newest model with everything that the suite has
 * tests for, but for what the entry takes away.
 * @param {string[]} params
 */
export function modelOf(params) {
  const text = params.join(" ");
  if (text.includes("vendor=AuthenticAMD")) return "qemu64";
  const without = new Set(Array.from(text.matchAll(/,-(\w+)/g), ([, name]) => name));
  const changes = features.map((name) => (without.has(name) ? `-${name}` : `+${name}`));
  return ["x86-64-v3", ...changes, ...(without.has("x2apic") ? ["-x2apic"] : [])].join(",");
}

/**
 * @param {string} kernel
 * @param {Entry} entry
 * @param {number} deadline
 */
async function onTskvm(kernel, entry, deadline) {
  const why = impossible(kernel, entry) ?? lacking(entry);
  if (why) return skip(why);
  if (needsBios.has(entry.name)) return fromDisk(kernel, deadline);
  const memory = Math.min(memoryOf(entry.qemuParams), 3072);
  return withFile(environment(`NR_CPUS=${entry.smp}`, `MEMSIZE=${memory}`), async (initrd) => {
    const options = [
      "--kernel",
      kernel,
      "--initrd",
      initrd,
      "--memory",
      `${memory}M`,
      "--cpu",
      modelOf(entry.qemuParams),
      "--cpus",
      `${entry.smp}`,
    ];
    const append = entry.args ? [`--append=${entry.args}`] : [];
    const command = tskvm([...options, ...append, "--debug-exit", "--test-device", "--no-reboot"]);
    return judge(await runGuest(command, { deadline }), /^tskvm: .*/m);
  });
}

/**
 * @param {string} kernel
 * @param {number} deadline
 */
const fromDisk = (kernel, deadline) =>
  withFile(bootDisk(readFileSync(kernel)), async (disk) => {
    const options = ["--firmware", bios, "--disk", `${disk},format=raw`, "--debug-exit", "--test-device"];
    return judge(await runGuest(tskvm([...options, "--no-reboot"]), { deadline }), /^tskvm: .*/m);
  });

/**
 * @param {string} program
 * @param {string} kernel
 * @param {Entry} entry
 * @param {number} deadline
 */
async function onQemu(program, kernel, entry, deadline) {
  const why = impossible(kernel, entry) ?? kvmOnly(entry);
  if (why) return skip(why);
  return withFile(environment("ERRATA_FORCE=y", "QEMU_ACCEL=tcg"), async (initrd) => {
    const board = ["--no-reboot", "-nodefaults", "-display", "none", "-serial", "stdio", "-machine", "accel=tcg"];
    const devices = ["pc-testdev", "isa-debug-exit,iobase=0xf4,iosize=0x4", "pci-testdev"];
    const boot = ["-kernel", kernel, "-initrd", initrd, ...(entry.args ? ["-append", entry.args] : [])];
    const added = [...devices.flatMap((device) => ["-device", device]), "-smp", `${entry.smp}`, ...entry.qemuParams];
    return judge(
      await runGuest([program, ...board, ...boot, ...added], { deadline }),
      /^qemu-system.*(?<!warning.*)$/m,
    );
  });
}

/** @param {Entry} entry */
function kvmOnly({ accel, qemuParams }) {
  const params = qemuParams.join(" ");
  return accel === "kvm" || /-enable-kvm|-cpu host|kernel-irqchip/.test(params) ? "needs KVM" : undefined;
}

/** @param {Entry} entry @returns {string | undefined} why tskvm cannot run it */
function lacking({ name, qemuParams }) {
  if (needsBios.has(name) && !existsSync(bios)) return "needs SeaBIOS";
  if (qemuParams.includes("vmport=on")) return "needs the device vmport";
  const device = qemuParams[qemuParams.indexOf("-device") + 1]?.split(",")[0];
  return qemuParams.includes("-device") ? `needs the device ${device}` : undefined;
}

/** @param {string[]} params @returns {number} MiB */
function memoryOf(params) {
  const [, size, unit] = /-m (\d+)(g?)/i.exec(params.join(" ")) ?? [];
  return size === undefined ? memoryMiB : Number(size) * (unit ? 1024 : 1);
}

/**
 * @param {Outcome} outcome
 * @param {RegExp} complaint a line of the machine's own that means that it could not run the guest
 * @returns {Result}
 */
export function judge(outcome, complaint) {
  const text = outcome.output.toString("latin1");
  const failures = failuresIn(text);
  const failed = (/** @type {string} */ reason) => {
    /** @type {Result} */
    const result = { verdict: "fail", reason };
    return failures.length > 0 ? { ...result, failures } : result;
  };
  const said = complaint.exec(outcome.errors)?.[0];
  if (outcome.timedOut) return failed("does not end in time");
  if (said) return failed(said);
  if (outcome.status === status.pass) return { verdict: "pass" };
  if (outcome.status === status.skip) return skip(/^SKIP: (.*)$/m.exec(text)?.[1]?.trim() ?? "the guest skips it");
  return failed(lastWords(text) ?? `exit status ${outcome.status}`);
}

const exception = /^(Unhandled exception .*|.*(Abort|abort|assert|Assert).*)$/m;

/** @param {string} text */
const lastWords = (text) => (exception.exec(text)?.[0] ?? /^SUMMARY: .*$/m.exec(text)?.[0])?.trim();

/** @param {string} text @returns {string[]} the checks that failed, each once */
function failuresIn(text) {
  const lines = Array.from(text.matchAll(/^FAIL:? (.*)$/gm), ([, check]) => withoutNumbers(String(check).trim()));
  return [...new Set(lines)].slice(0, 40);
}

/** @param {string} text */
const withoutNumbers = (text) => text.replace(/\b(0x)?[0-9a-f]*\d[0-9a-f]*\b/gi, "N");
