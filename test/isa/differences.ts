import type { Instruction } from "../../src/isa/decoder/instruction.ts";
import type { Form } from "../../src/isa/table/row.ts";

/**
 * What is not compared with the processor, and why. Two kinds: instructions whose outcome is the operating system's or the
 * machine's and not the instruction set's, and results that the manual leaves open and processors fill differently.
 */

const KERNEL = "enters the kernel, which acts on it";
const SEGMENT = "loads a segment register from the kernel's descriptor tables";
const TABLES = "reads descriptor tables or system registers, which the kernel fills";
const MACHINE = "reads clocks, counters or identification of the machine";
const APPROXIMATE = "gives an approximation; only its greatest error is architectural [SDM 2B RCPPS, RSQRTPS]";
const POINTERS = "stores or loads the x87 instruction and operand pointers, which differ by model [SDM 1 8.1.8]";
const THREAD = "reads or writes a segment base that the harness lives on";

/** Mnemonics that no generated program has. */
const EXCLUDED: Readonly<Record<string, string>> = {
  INT: KERNEL, INT1: KERNEL, INT3: KERNEL, INTO: KERNEL, SYSCALL: KERNEL, SYSENTER: KERNEL, SYSEXIT: KERNEL, SYSRET: KERNEL,
  VMCALL: KERNEL, VMMCALL: KERNEL,
  LDS: SEGMENT, LES: SEGMENT, LFS: SEGMENT, LGS: SEGMENT, LSS: SEGMENT, CALLF: SEGMENT, JMPF: SEGMENT, RETF: SEGMENT, IRET: SEGMENT,
  LAR: TABLES, LSL: TABLES, VERR: TABLES, VERW: TABLES, SGDT: TABLES, SIDT: TABLES, SLDT: TABLES, STR: TABLES, SMSW: TABLES,
  XGETBV: TABLES, XSETBV: TABLES,
  RDTSC: MACHINE, RDTSCP: MACHINE, RDPMC: MACHINE, CPUID: MACHINE, RDRAND: MACHINE, RDSEED: MACHINE,
  RCPPS: APPROXIMATE, RCPSS: APPROXIMATE, RSQRTPS: APPROXIMATE, RSQRTSS: APPROXIMATE,
  FNSAVE: POINTERS, FRSTOR: POINTERS, FNSTENV: POINTERS, FLDENV: POINTERS, FXSAVE: POINTERS, FXRSTOR: POINTERS,
  RDFSBASE: THREAD, RDGSBASE: THREAD, WRFSBASE: THREAD, WRGSBASE: THREAD,
};

/** The name in /proc/cpuinfo of a feature that has another one there. */
const CPUINFO_NAMES: Readonly<Record<string, string>> = {
  clfsh: "clflush", lzcnt: "abm", prefetchw: "3dnowprefetch", sse3: "pni", cmpxchg16b: "cx16",
};

/** Whether programs may have instructions of a form, on a processor of these features. */
export function isComparable(form: Form, features: ReadonlySet<string>): boolean {
  const { mnemonic, attributes } = form.row;
  const feature = attributes.feature?.toLowerCase();
  if (feature !== undefined && !features.has(CPUINFO_NAMES[feature] ?? feature)) return false;
  return !(mnemonic in EXCLUDED) && !writesSegment(form);
}

/** MOV to a segment register and POP of one. */
function writesSegment(form: Form): boolean {
  const [first] = form.operands;
  if (first === undefined || !("file" in first) || first.file !== "segment") return false;
  return form.row.mnemonic !== "PUSH";
}

/** The bits of a shift's count that the processor looks at. [SDM 2B SAL/SAR/SHL/SHR] */
function shiftCount(insn: Instruction, cl: number): number {
  const last = insn.form.operands.at(-1)!;
  const count = last.kind === "immediate" ? insn.immLow : last.kind === "one" ? 1 : cl;
  return count & (insn.form.bits === 64 && last.width !== 1 ? 0x3f : insn.form.bits === 64 ? 0x3f : 0x1f);
}

const DOUBLE_SHIFTS: ReadonlySet<string> = new Set(["SHLD", "SHRD"]);

/**
 * Why what an instruction leaves in its destination is not architectural, if so; `cl` is CL as it begins.
 * SHLD and SHRD of 16 bits by more than 16: the destination is undefined. [SDM 2B SHLD, SHRD]
 */
export function undefinedResult(insn: Instruction, cl: number): boolean {
  const { row, bits } = insn.form;
  return DOUBLE_SHIFTS.has(row.mnemonic) && bits === 16 && shiftCount(insn, cl) > 16;
}
