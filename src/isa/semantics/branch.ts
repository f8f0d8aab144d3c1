import type { Value } from "../ir/builder.ts";
import { CPU, EFLAGS, VECTOR } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import { jumpRelative } from "./arithmetic.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { checkCanonical } from "./integer.ts";
import { merged, peek, push, setStack, stackOffset } from "./stack.ts";

/** [SDM 2A JMP] */
export const jmp: Semantics = (b) => jumpRelative(b);

/** [SDM 2A Jcc] */
export const jcc =
  (code: number): Semantics =>
  (b) =>
    jumpRelative(b, b.cond(code));

/** A target from a register or memory as an i64; #GP if it is not canonical. */
function checkedTarget(b: InstructionBuilder, target: Value): Value {
  const wide = b.extend(target);
  if (b.bits === 64) checkCanonical(b, wide);
  return wide;
}

export const jmpIndirect: Semantics = (b) => b.jump(checkedTarget(b, b.read(0)));

function pushReturn(b: InstructionBuilder): void {
  push(b, b.toInt(b.ripNext(), b.bits === 64 ? "i64" : "i32"));
}

/** [SDM 2A CALL] */
export const call: Semantics = (b) => {
  pushReturn(b);
  jumpRelative(b);
};

export const callIndirect: Semantics = (b) => {
  const target = checkedTarget(b, b.read(0));
  pushReturn(b);
  b.jump(target);
};

/** rIP := Pop(), then releases the bytes of the immediate. [SDM 2B RET] */
export const ret: Semantics = (b) => {
  const target = checkedTarget(b, peek(b));
  setStack(b, stackOffset(b, b.bits / 8));
  b.jump(target);
};

export const retImmediate: Semantics = (b) => {
  const target = checkedTarget(b, peek(b));
  const popped = b.add(stackOffset(b, b.bits / 8), b.extend(b.read(0)));
  const mask = b.form.mode === "only64" ? b.i64(-1) : b.get(CPU.stackMask, "i64");
  b.setGpr("rsp", merged(b, "rsp", b.and(popped, mask)), 64);
  b.jump(target);
};

/** rCX cut to the address size. */
function counter(b: InstructionBuilder): Value {
  return b.and(b.gpr("rcx", 64), b.addressMask());
}

/** [SDM 2A JCXZ/JECXZ/JRCXZ] */
export const jcxz: Semantics = (b) => jumpRelative(b, b.isZero(counter(b)));

/** rCX of the address size less 1; without its flags. [SDM 2A LOOP/LOOPcc] */
const loopWhile =
  (condition?: (b: InstructionBuilder) => Value): Semantics =>
  (b) => {
    const mask = b.addressMask();
    const count = b.and(b.sub(b.gpr("rcx", 64), b.i64(1)), mask);
    // only CX leaves the rest of the register: ECX clears it
    const kept = b.select(b.eq(mask, b.i64(0xffff)), b.and(b.gpr("rcx", 64), b.i64(~0xffff)), b.i64(0));
    b.setGpr("rcx", b.or(kept, count), 64);
    const more = b.ne(count, b.i64(0));
    jumpRelative(b, condition ? b.and(more, condition(b)) : more);
  };

export const loop = loopWhile();
export const loope = loopWhile((b) => b.cond(4));
export const loopne = loopWhile((b) => b.cond(5));

/** `kind` of the helper software_interrupt. */
const INTERRUPT = { int: 2, int3: 3, int1: 4 } as const;

const interrupt = (b: InstructionBuilder, vector: Value, kind: number): void => {
  b.call("software_interrupt", vector, b.i32(kind), b.ripNext(), b.eflags());
  b.end();
};

/** [SDM 2A INT n/INTO/INT3/INT1] */
export const int: Semantics = (b) => interrupt(b, b.read(0), INTERRUPT.int);
export const int3: Semantics = (b) => interrupt(b, b.i32(VECTOR.BP), INTERRUPT.int3);
export const int1: Semantics = (b) => interrupt(b, b.i32(VECTOR.DB), INTERRUPT.int1);

/** The helper goes on at the next instruction when OF is 0. */
export const into: Semantics = (b) => {
  b.call("into", b.ripNext(), b.eflags());
  b.end();
};

/** #BR if a signed index is outside the two bounds in memory. [SDM 2A BOUND] */
export const bound: Semantics = (b) => {
  const width = b.bits / 8;
  const at = b.address("read");
  const signed = (value: Value): Value => b.signExtend(value, b.bits);
  const lower = signed(b.load(at, width));
  const upper = signed(b.load(b.and(b.add(at, b.i64(width)), b.i64(0xffff_ffff)), width));
  const index = signed(b.read(0));
  b.trapIf(b.or(b.compare("lt_s", index, lower), b.compare("lt_s", upper, index)), VECTOR.BR);
};

/** [SDM 2D UD] */
export const ud: Semantics = (b) => b.trapIf(b.i32(1), VECTOR.UD);

/** [SDM 2B NOP] */
export const nop: Semantics = () => {};

const carry =
  (value: (b: InstructionBuilder) => Value): Semantics =>
  (b) =>
    b.flags("cf", 32, [value(b)]);

/** [SDM 2A CLC, CMC, 2B STC] */
export const clc = carry((b) => b.i32(0));
export const stc = carry((b) => b.i32(1));
export const cmc = carry((b) => b.cond(3));

/** [SDM 2A CLD, 2B STD] */
export const cld: Semantics = (b) => b.set(CPU.eflags, b.and(b.get(CPU.eflags, "i32"), b.i32(~EFLAGS.DF)));
/** [SDM 2B STD] */
export const std: Semantics = (b) => b.set(CPU.eflags, b.or(b.get(CPU.eflags, "i32"), b.i32(EFLAGS.DF)));
