import { EFLAGS, GPR } from "../../src/isa/state.ts";
import { formOf } from "../../src/isa/table/forms.ts";
import type { Form } from "../../src/isa/table/row.ts";
import type { Moment } from "./moment.ts";
import { loadsSegment, namesProcessor, usesSelector } from "./selectors.ts";
import { movesState } from "./stored-pointers.ts";

/** What the manual lets a processor's model decide, with results that a program could go on with: such a program is not compared. */
interface Choice {
  readonly why: string;
  readonly holds: (form: Form, moment: Moment) => boolean;
}

const DOUBLE_SHIFTS: ReadonlySet<string> = new Set(["SHLD", "SHRD"]);

/** The bits of a shift's count that the processor looks at. [SDM 2B SAL/SAR/SHL/SHR] */
function shiftCount(form: Form, { insn, gpr }: { insn: Moment["insn"]; gpr: (n: number) => bigint }): number {
  const last = form.operands.at(-1)!;
  const cl = Number(gpr(GPR.rcx) & 0xffn);
  const count = last.kind === "immediate" ? insn.immLow : last.kind === "one" ? 1 : cl;
  return count & (form.bits === 64 ? 0x3f : 0x1f);
}

/** The bytes above a selector that a PUSH of 32 bits may leave as they are are 0 already, as its other way makes them. */
function pushesOverZeros(moment: Moment): boolean {
  const top = BigInt.asUintN(32, moment.gpr(GPR.rsp));
  return moment.dataByte(top - 2n) === 0 && moment.dataByte(top - 1n) === 0;
}

const isSegmentPush = ({ row, operands }: Form): boolean =>
  row.mnemonic === "PUSH" && operands.some((o) => "file" in o && o.file === "segment");

/** The selector that an instruction loads or looks up; undefined if it is where it cannot be read. */
function selectorOf(form: Form, moment: Moment): number | undefined {
  if (/^L[DEFGS]S$/.test(form.row.mnemonic)) return moment.dataWord(moment.address + BigInt(form.bits / 8));
  if (form.row.mnemonic === "POP") return moment.dataWord(stackTop(moment));
  return form.memory ? moment.dataWord(moment.address) : Number(moment.gpr(moment.insn.rm) & 0xffffn);
}

function stackTop(moment: Moment): bigint {
  return BigInt.asUintN(moment.is64bit ? 64 : 32, moment.gpr(GPR.rsp));
}

/** Number of the segment register that is loaded, in the order of their encoding. */
function loadedSegment({ row, operands }: Form, { insn }: Moment): number {
  const pointed = ["LES", "", "LSS", "LDS", "LFS", "LGS"].indexOf(row.mnemonic);
  const [first] = operands;
  return pointed >= 0 ? pointed : first?.kind === "fixed" ? first.number : insn.reg & 7;
}

const SS = 2;
const FS = 4;

const CHOICES: readonly Choice[] = [
  {
    why: "the last descriptor of Linux's table has a number of the processor's [Linux, asm/segment.h, GDT_ENTRY_CPUNODE]",
    holds: (form, moment) => usesSelector(form) && namesProcessor(selectorOf(form, moment) ?? 0),
  },
  {
    why: "whether a null selector clears the base of FS and GS in 64-bit mode differs [APM 2 4.5.3; CPUID 80000021H.EAX bit 6]",
    holds: (form, moment) =>
      moment.is64bit && loadsSegment(form) && loadedSegment(form, moment) >= FS && (selectorOf(form, moment) ?? 4) < 4,
  },
  {
    why: "the evaluator does not hold a single step back behind a load of SS [SDM 3A 6.8.3]",
    holds: (form, moment) =>
      (moment.eflags & EFLAGS.TF) !== 0 && loadsSegment(form) && loadedSegment(form, moment) === SS,
  },
  {
    why: "POP of a segment register reads its 16 bits or the operand's size [SDM 2B POP]",
    holds: (form, moment) =>
      form.row.mnemonic === "POP" &&
      loadsSegment(form) &&
      (moment.dataByte(stackTop(moment)) === undefined || moment.dataByte(stackTop(moment) + 7n) === undefined),
  },
  {
    why: "AMD has no far pointers with offsets of 64 bits [APM 3 LDS; SDM 2A LDS]",
    holds: (form) => /^L[DEFGS]S$/.test(form.row.mnemonic) && form.bits === 64,
  },
  {
    why: "XGETBV of 0 and 1 shows what the kernel enabled [SDM 2D XGETBV]",
    holds: ({ row }, moment) => row.mnemonic === "XGETBV" && BigInt.asUintN(32, moment.gpr(GPR.rcx)) < 2n,
  },
  {
    why: "SHLD and SHRD of 16 bits by more than 16: the destination is undefined [SDM 2B SHLD, SHRD]",
    holds: (form, moment) =>
      DOUBLE_SHIFTS.has(form.row.mnemonic) &&
      form.bits === 16 &&
      shiftCount(form, { insn: moment.insn, gpr: (n) => moment.gpr(n) }) > 16,
  },
  {
    why: "a segment register pushed with 32 bits may leave the upper 16 as they are [SDM 2B PUSH]",
    holds: (form, moment) => isSegmentPush(form) && form.bits === 32 && !pushesOverZeros(moment),
  },
  {
    why: "registers as operands of 0F 0D are #UD for AMD, a reserved NOP for Intel [APM 3 PREFETCH; SDM 2B PREFETCHW]",
    holds: ({ row, memory }) => row.opcode.startsWith("0F 0D") && !memory,
  },
  {
    why: "AMD does not check the alignment of SHA's memory operands [SDM 2B SHA1MSG1, exceptions type 4]",
    holds: ({ row, memory }, moment) => row.mnemonic.startsWith("SHA") && memory && (moment.address & 15n) !== 0n,
  },
  {
    why: "an x87 store that reports an exception may check its place in memory, which it does not write [SDM 1 8.7]",
    holds: ({ row, memory }, moment) =>
      /^F(I?STT?P?|BSTP)$/.test(row.mnemonic) && memory && (moment.fcw & 0x3f) !== 0x3f && !isSureToBeStored(moment),
  },
  {
    why: "of several NaNs DPPS gives one by the order in which the model adds [SDM 2A DPPS]",
    holds: ({ row, memory }, moment) => /^V?DPP[SD]$/.test(row.mnemonic) && (memory || hasNan(moment)),
  },
  {
    why: "vectors and operands of VEX that are not aligned raise #AC or #GP by model when alignment is checked [SDM 2A 2.4.2; APM 4 MOVUPS]",
    holds: ({ row, operands }, moment) =>
      (moment.eflags & EFLAGS.AC) !== 0 &&
      operands.some((o) => o.kind === "memory" && (o.width >= 16 || row.opcode.startsWith("VEX"))),
  },
  {
    why: "MXCSR bit 17 is AMD's mask of misaligned exceptions, reserved for Intel [APM 1 4.2.2; SDM 2A LDMXCSR]",
    holds: ({ row }, moment) =>
      /^(V?LDMXCSR|FXRSTOR)$/.test(row.mnemonic) &&
      ((moment.dataByte(moment.address + (row.mnemonic === "FXRSTOR" ? 26n : 2n)) ?? 0) & 2) !== 0,
  },
  {
    why: "which alignment x87 state needs when alignment is checked is not said [SDM 3A table 6-7]",
    holds: (form, moment) => movesState(form) && (moment.eflags & EFLAGS.AC) !== 0,
  },
  {
    why: "MOVSXD to 16 bits reads 16 bits of memory for Intel and 32 for AMD [SDM 2B MOVSXD; APM 3 MOVSXD]",
    holds: ({ row, bits, memory }, moment) =>
      row.mnemonic === "MOVSXD" && bits === 16 && memory && !isSureToBeRead(moment),
  },
  {
    why: "of an offset that is not canonical, in a canonical linear address, an AMD EPYC raises #GP; the manual looks at the sum [SDM 1 3.3.7.1]",
    holds: ({ row, operands }, moment) =>
      operands.some((o) => o.kind === "memory" || (o.kind === "string" && o.segment === "source")) &&
      !isCanonical(moment.offset) &&
      (isCanonical(moment.address) || (moment.address !== moment.offset && PARTIAL.test(row.mnemonic))),
  },
];

/** What may access no more than a part of its operand, or something beside it. */
const PARTIAL = /^(BT[SRC]?|VP?MASKMOV\w+)$/;

function isCanonical(address: bigint): boolean {
  return BigInt.asUintN(64, BigInt.asIntN(48, address)) === address;
}

/** Whether a register operand has a lane that may be a NaN. */
function hasNan(moment: Moment): boolean {
  const { reg, rm, vvvv } = moment.insn;
  const exponent = 0x7ff0_0000;
  return [reg, rm, vvvv].some((register) =>
    [0, 1, 2, 3, 4, 5, 6, 7].some((lane) => (moment.lane(register, lane) & exponent) >= 0x7f80_0000),
  );
}

/** Whether a load of 32 bits can meet no fault. */
function isSureToBeRead(moment: Moment): boolean {
  const isAligned = (moment.address & 3n) === 0n;
  return isData(moment) && (isAligned || (moment.eflags & EFLAGS.AC) === 0);
}

/** Whether a store of up to 80 bits can meet no fault. */
function isSureToBeStored(moment: Moment): boolean {
  const isAligned = (moment.address & 7n) === 0n;
  return isData(moment) && (isAligned || (moment.eflags & EFLAGS.AC) === 0);
}

function isData(moment: Moment): boolean {
  return moment.dataByte(moment.address) !== undefined && moment.dataByte(moment.address + 9n) !== undefined;
}

/** Why the outcome of an instruction is the model's choice; undefined if it is not. */
export function choiceOfModel(moment: Moment): string | undefined {
  const form = formOf(moment.insn);
  return CHOICES.find(({ holds }) => holds(form, moment))?.why;
}

/** The flags that an instruction may have changed when it faults: CMPS and SCAS are restored by Intel only. [SDM 2B REP] */
export function flagsChangedByFault({ row, rep }: Form): number {
  return rep !== "none" && /^(CMPS|SCAS)$/.test(row.mnemonic) ? EFLAGS.arithmetic : 0;
}
