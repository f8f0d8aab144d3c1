import { EFLAGS, GPR, VECTOR } from "../../src/isa/state.ts";
import { formOf } from "../../src/isa/table/forms.ts";
import type { Form } from "../../src/isa/table/row.ts";
import type { Moment } from "./moment.ts";
import type { Raised } from "./program.ts";
import { movesState, storesPointers } from "./stored-pointers.ts";

/**
 * What is not compared with the processor, and why. Two kinds: instructions whose outcome is the operating system's or the
 * machine's and not the instruction set's, and results that the manual leaves open and processors fill differently.
 */

const KERNEL = "enters the kernel, which acts on it";
const SEGMENT = "goes to code of a segment that the program names, which may have another size";
const TABLES = "reads descriptor tables or system registers, which the kernel fills";
const MACHINE = "reads clocks, counters or identification of the machine";
const TRANSCENDENTAL = "gives a result whose last digit is the model's own [SDM 1 8.3.10]";

const COMPONENTS = "saves or restores the state components that the kernel enabled";

const KERNEL_ONLY = "is the kernel's, and some processors let programs have it";

/** The x87 opcode, instruction and operand pointers: which instructions set them, and when they are saved, differs by model. [SDM 1 8.1.8, 8.1.9] */
export const POINTERS = /^(fop|fip|fdp)$/;

/** Mnemonics that no generated program has. */
const EXCLUDED: Readonly<Record<string, string>> = {
  INT: KERNEL,
  INT1: KERNEL,
  INT3: KERNEL,
  INTO: KERNEL,
  SYSCALL: KERNEL,
  SYSENTER: KERNEL,
  SYSEXIT: KERNEL,
  SYSRET: KERNEL,
  VMCALL: KERNEL,
  VMMCALL: KERNEL,
  CALLF: SEGMENT,
  JMPF: SEGMENT,
  RETF: SEGMENT,
  IRET: SEGMENT,
  SGDT: TABLES,
  SIDT: TABLES,
  SLDT: TABLES,
  STR: TABLES,
  SMSW: TABLES,
  XSETBV: TABLES,
  RDTSC: MACHINE,
  RDTSCP: MACHINE,
  RDPMC: MACHINE,
  CPUID: MACHINE,
  RDRAND: MACHINE,
  RDSEED: MACHINE,
  RDPID: MACHINE,
  MONITOR: KERNEL_ONLY,
  MWAIT: KERNEL_ONLY,
  F2XM1: TRANSCENDENTAL,
  FYL2X: TRANSCENDENTAL,
  FYL2XP1: TRANSCENDENTAL,
  FPTAN: TRANSCENDENTAL,
  FPATAN: TRANSCENDENTAL,
  FSIN: TRANSCENDENTAL,
  FCOS: TRANSCENDENTAL,
  FSINCOS: TRANSCENDENTAL,
  XSAVE: COMPONENTS,
  XSAVEC: COMPONENTS,
  XSAVEOPT: COMPONENTS,
  XRSTOR: COMPONENTS,
  XSAVES: COMPONENTS,
  XRSTORS: COMPONENTS,
};

/** The name in /proc/cpuinfo of a feature that has another one there. */
const CPUINFO_NAMES: Readonly<Record<string, string>> = {
  clfsh: "clflush",
  lzcnt: "abm",
  prefetchw: "3dnowprefetch",
  sha: "sha_ni",
  sse3: "pni",
  cmpxchg16b: "cx16",
};

/** The feature that a form needs and that a processor of these features has not. */
export function missingFeature(form: Form, features: ReadonlySet<string>): string | undefined {
  const feature = form.row.attributes.feature?.toLowerCase();
  return feature === undefined || features.has(CPUINFO_NAMES[feature] ?? feature) ? undefined : feature;
}

/** Whether programs may have instructions of a form, on a processor of these features. */
export function isComparable(form: Form, features: ReadonlySet<string>): boolean {
  return !missingFeature(form, features) && !(form.row.mnemonic in EXCLUDED);
}

/** Something that a processor may do one way or another when an instruction raises an exception, so that it is not compared. */
interface Freedom {
  readonly why: string;
  readonly holds: (form: Form, moment: Moment) => boolean;
  /** What is not compared: names as `differences` gives them. */
  readonly ignored: RegExp;
}

const EXCEPTION = /^(vector|address|error code)$/;
const MEMORY = /^(window byte|hash)/;
const STRING_AND_STACK = [GPR.rsp, GPR.rbp, GPR.rsi, GPR.rdi] as const;

const FREEDOMS: readonly Freedom[] = [
  {
    why: "which of several elements of a gather raises its exception first depends on the implementation [SDM 2C VGATHERDPS]",
    holds: (form) => /^VP?GATHER/.test(form.row.mnemonic),
    ignored: EXCEPTION,
  },
  {
    why: "BOUND may raise #BR by the lower bound before it reads the upper one [SDM 2A BOUND]",
    holds: (form) => form.row.mnemonic === "BOUND",
    ignored: EXCEPTION,
  },
  {
    why: "which operand of CMPS is read first, when both raise exceptions, is not defined [SDM 2A CMPS]",
    holds: (form) => form.row.mnemonic === "CMPS",
    ignored: EXCEPTION,
  },
  {
    why: "which of several places that raise exceptions is met first is not defined, nor what was pushed before [SDM 2A ENTER, 2B PUSHA]",
    holds: (form) => /^(ENTER|PUSHA)$/.test(form.row.mnemonic),
    ignored: /^(vector|error code|address|window byte|hash)/,
  },
  {
    why: "POPA may have popped some registers when the next one's place faults; it starts again from the old stack pointer [SDM 2B POPA]",
    holds: (form) => form.row.mnemonic === "POPA",
    ignored: /^(address|r[abcds][xpi])$/,
  },
  {
    why: "exceptions of bytes that the mask leaves out depend on the implementation [SDM 2B MASKMOVDQU, MASKMOVQ]",
    holds: (form) => /^V?MASKMOV(DQU|Q)/.test(form.row.mnemonic),
    ignored: /./,
  },
  {
    why: "an MMX instruction may have set TOP to 0 and all tags before its memory access faults [SDM 1 9.5.1]",
    holds: (form) => form.operands.some((o) => "file" in o && o.file === "mmx"),
    ignored: /^(fsw|ftw|st[0-7])$/,
  },
  {
    why: "a store of 80 bits across pages may have written the first page when the second faults [SDM 3A 9.1.1]",
    holds: (form) => form.operands.some((o) => o.kind === "memory" && o.width === 10),
    ignored: MEMORY,
  },
  {
    why: "which part of an area of x87 or SSE state is reached first, and so which exception is met, is not said [SDM 2A FNSAVE, FXSAVE]",
    holds: movesState,
    ignored: EXCEPTION,
  },
  {
    why: "a store of x87 or SSE state across pages may have written the first page when the second faults [SDM 3A 9.1.1]",
    holds: storesPointers,
    ignored: MEMORY,
  },
  {
    why: "a call may look at its target before it writes the return address below the stack pointer, or after [SDM 2A CALL]",
    holds: (form) => form.row.mnemonic === "CALL",
    ignored: /^(vector|address|error code|window byte|hash)/,
  },
  {
    why: "an access that is not aligned and wraps around at the end of a segment of 4 GiB may raise #GP, #SS or #AC [SDM 3A 5.3]",
    holds: ({ memory }, moment) =>
      !moment.is64bit &&
      (moment.eflags & EFLAGS.AC) !== 0 &&
      ((memory && isAtLimit(moment.address)) || STRING_AND_STACK.some((register) => isAtLimit(moment.gpr(register)))),
    ignored: EXCEPTION,
  },
];

/** Whether what is not compared after an exception is no more than the exception itself, so that a program can go on. */
export function leavesState(ignored: readonly RegExp[]): boolean {
  return ignored.every((pattern) => pattern === EXCEPTION);
}

/** What is not compared after an instruction raised an exception. */
export function ignoredAfterFault(moment: Moment): readonly RegExp[] {
  const form = formOf(moment.insn);
  return FREEDOMS.filter(({ holds }) => holds(form, moment)).map(({ ignored }) => ignored);
}

/** The last bytes below 4 GiB and the first ones: an access that begins there may end beyond the segment. */
const WRAP_BYTES = 64n;

function isAtLimit(address: bigint): boolean {
  return BigInt.asUintN(32, address + WRAP_BYTES) < 2n * WRAP_BYTES;
}

/**
 * Whether an access wrapped around at the end of a segment of 4 GiB: some processors report the segment's limit, others the
 * page fault, and both are right. [SDM 3A 5.3]
 */
export function isLimitOfModel(bits: 32 | 64, one: Raised, other: Raised): boolean {
  if (bits !== 32 || one.rip !== other.rip) return false;
  const pair = [one, other];
  const fault = pair.find(({ vector }) => vector === VECTOR.PF);
  const limit = pair.some(({ vector }) => vector === VECTOR.GP || vector === VECTOR.SS);
  return limit && fault !== undefined && isAtLimit(fault.address);
}
