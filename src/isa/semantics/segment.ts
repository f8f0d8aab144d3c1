import type { Value } from "../ir/builder.ts";
import { CPU, EFLAGS, type SegmentName, segmentOffset, VECTOR } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { inProtectedMode, privileged } from "./privilege.ts";
import { merged, peek, stackOffset } from "./stack.ts";

/** Writes a 16-bit value to a destination of the operand size; memory takes 16 bits of it only. */
function writeSelector(b: InstructionBuilder, value: Value): void {
  b.write(0, b.toInt(value, b.typeOf(0)));
}

/** #UD for segment register numbers 6 and 7. [SDM 2B MOV] */
export const movFromSegment: Semantics = (b) => {
  const segment = b.field("reg");
  b.trapIf(b.compare("le_u", b.i32(segmentOffset("ldtr")), segment), VECTOR.UD);
  writeSelector(b, b.call("selector_of", segment));
};

export const movToSegment: Semantics = (b) => {
  const segment = b.field("reg");
  b.call("load_segment", segment, b.read(1));
  holdInterrupts(b, segment);
};

/** What was loaded may have been SS: interrupts stay away for one more instruction. */
function holdInterrupts(b: InstructionBuilder, segment: Value): void {
  b.call("inhibit_if_ss", segment);
  b.set(CPU.inhibitRip, b.ripNext());
}

/** [SDM 2B POP] */
export const popSegment =
  (name: SegmentName): Semantics =>
  (b) => {
    const segment = b.i32(segmentOffset(name));
    const selector = b.and(b.wrap(peek(b)), b.i32(0xffff));
    // with the width of the stack that was popped from, even if SS changes
    const rsp = merged(b, "rsp", stackOffset(b, b.bits / 8));
    b.call("load_segment", segment, selector);
    b.setGpr("rsp", rsp, 64);
    if (name === "ss") holdInterrupts(b, segment);
  };

/** The far pointer in memory: offset of the operand size, then the selector. */
export function farPointer(b: InstructionBuilder): { offset: Value; selector: Value } {
  const width = b.bits / 8;
  const at = b.address("read", width + 2);
  return { offset: b.load(at, width), selector: b.load(b.add(at, b.i64(width)), 2) };
}

/** [SDM 2A LDS/LES/LFS/LGS/LSS] */
export const loadFarPointer =
  (name: SegmentName): Semantics =>
  (b) => {
    const { offset, selector } = farPointer(b);
    b.call("load_segment", b.i32(segmentOffset(name)), selector);
    b.write(0, offset);
  };

/** STR and SLDT: the selector of a system segment register. */
export const storeSystemSegment =
  (name: "ldtr" | "tr"): Semantics =>
  (b) => {
    inProtectedMode(b);
    b.call("check_umip");
    writeSelector(b, b.call("selector_of", b.i32(segmentOffset(name))));
  };

const loadsSystemSegment = (helper: "lldt" | "ltr"): Semantics => {
  const load = privileged((b) => {
    b.call(helper, b.read(0));
  });
  return (b) => {
    inProtectedMode(b);
    load(b);
  };
};

/** Mode and privilege are checked before memory is read. [SDM 2A LLDT, LTR] */
export const lldt = loadsSystemSegment("lldt");
export const ltr = loadsSystemSegment("ltr");

/** The destination is written only if ZF becomes 1. [SDM 2A LAR, LSL] */
const query =
  (helper: "lar" | "lsl"): Semantics =>
  (b) => {
    const answer = b.call(helper, b.read(1, 2));
    const found = b.wrap(b.shrU(answer, b.i64(32)));
    const old = b.getReg("reg", 8);
    const value = b.zeroExtend(answer, b.bits === 16 ? 16 : 32);
    const kept = b.bits === 16 ? b.or(value, b.and(old, b.i64(-0x1_0000))) : value;
    b.setReg("reg", b.select(found, kept, old), 8);
    b.flags("zf", 32, [found]);
  };

export const lar = query("lar");
export const lsl = query("lsl");

/** [SDM 2B VERR/VERW] */
const verify =
  (write: 0 | 1): Semantics =>
  (b) =>
    b.flags("zf", 32, [b.call("verify_segment", b.read(0), b.i32(write))]);

export const verr = verify(0);
export const verw = verify(1);

/** DEST.RPL is raised to SRC.RPL; memory is written only then. [SDM 2A ARPL] */
export const arpl: Semantics = (b) => {
  inProtectedMode(b);
  const rpl = b.and(b.read(1), b.i32(3));
  if (b.form.memory) return b.flags("zf", 32, [b.call("raise_rpl", b.segment(), b.ea(), rpl)]);
  const selector = b.read(0);
  const raise = b.compare("lt_u", b.and(selector, b.i32(3)), rpl);
  b.write(0, b.select(raise, b.or(b.and(selector, b.i32(0xfffc)), rpl), selector));
  b.flags("zf", 32, [raise]);
};

/** Bytes of the base in the memory operand of LGDT and so on. */
function baseWidth(b: InstructionBuilder): 4 | 8 {
  return b.bits === 64 ? 8 : 4;
}

/** [SDM 2A LGDT/LIDT]: a 16-bit operand size takes 24 bits of base. */
export const loadTable =
  (interrupts: 0 | 1): Semantics =>
  (b) => {
    const width = b.bits === 16 ? 3 : baseWidth(b);
    b.call("load_table", b.i32(interrupts), b.address("read"), b.i32(width));
  };

/** [SDM 2B SGDT, SIDT] */
export const storeTable =
  (interrupts: 0 | 1): Semantics =>
  (b) => {
    b.call("store_table", b.i32(interrupts), b.address("write"), b.i32(baseWidth(b)));
  };

/** 1 unless CPL <= IOPL: there VIF stands for IF, or #GP is raised. [SDM 2A CLI, 2B STI] */
function isAboveIopl(b: InstructionBuilder, flags: Value): Value {
  const iopl = b.and(b.shrU(flags, b.i32(12)), b.i32(3));
  return b.compare("lt_u", iopl, b.get(CPU.cpl, "i32"));
}

export const cli: Semantics = (b) => {
  const flags = b.get(CPU.eflags, "i32");
  const clear = b.and(flags, b.i32(~EFLAGS.IF));
  b.set(CPU.eflags, b.callIf(isAboveIopl(b, flags), clear, "virtual_interrupt_flag", b.i32(0)));
};

/** Interrupts that were disabled stay so for one more instruction. */
export const sti: Semantics = (b) => {
  const flags = b.get(CPU.eflags, "i32");
  const above = isAboveIopl(b, flags);
  const now = b.callIf(above, b.or(flags, b.i32(EFLAGS.IF)), "virtual_interrupt_flag", b.i32(1));
  const held = b.isZero(b.or(above, b.and(flags, b.i32(EFLAGS.IF))));
  b.set(CPU.eflags, now);
  b.set(CPU.inhibit, held);
  b.set(CPU.inhibitRip, b.ripNext());
};
