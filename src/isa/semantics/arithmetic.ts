import type { Value } from "../ir/builder.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";

/** DEST := DEST op SRC with the flags of an addition or subtraction. [SDM 2A ADD, SUB] */
const addOrSub =
  (op: "add" | "sub", carry: boolean): Semantics =>
  (b) => {
    const x = b.readForWrite(0);
    const y = b.read(1);
    const sum = b.op(op, x, y);
    const result = carry ? b.op(op, sum, b.toInt(b.cond(CARRY), intOf(x))) : sum;
    b.write(0, result);
    b.flags(op, b.bitsOf(0), [x, y, result]);
  };

const CARRY = 2;

function intOf(value: Value): "i32" | "i64" {
  return value.type === "i64" ? "i64" : "i32";
}

export const add = addOrSub("add", false);
export const adc = addOrSub("add", true);
export const sub = addOrSub("sub", false);
export const sbb = addOrSub("sub", true);

/** Temp := SRC1 - SRC2; flags as SUB. [SDM 2A CMP] */
export const cmp: Semantics = (b) => {
  const x = b.read(0);
  const y = b.read(1);
  b.flags("sub", b.bitsOf(0), [x, y, b.sub(x, y)]);
};

const bitwise =
  (op: "and" | "or" | "xor"): Semantics =>
  (b) => {
    const x = b.readForWrite(0);
    const result = b.op(op, x, b.read(1));
    b.write(0, result);
    b.flags("logic", b.bitsOf(0), [result]);
  };

export const and = bitwise("and");
export const or = bitwise("or");
export const xor = bitwise("xor");

/** [SDM 2B TEST] */
export const test: Semantics = (b) => b.flags("logic", b.bitsOf(0), [b.and(b.read(0), b.read(1))]);

const incOrDec =
  (op: "add" | "sub", kind: "inc" | "dec"): Semantics =>
  (b) => {
    const x = b.readForWrite(0);
    const result = b.op(op, x, b.constant(x, 1));
    b.write(0, result);
    b.flags(kind, b.bitsOf(0), [x, result]);
  };

export const inc = incOrDec("add", "inc");
export const dec = incOrDec("sub", "dec");

/** DEST := 0 - DEST; CF is 0 only for 0. [SDM 2B NEG] */
export const neg: Semantics = (b) => {
  const x = b.readForWrite(0);
  const result = b.neg(x);
  b.write(0, result);
  b.flags("sub", b.bitsOf(0), [b.constant(x, 0), x, result]);
};

/** [SDM 2B NOT] */
export const not: Semantics = (b) => b.write(0, b.not(b.readForWrite(0)));

/** Jumps by a relative operand from the next instruction, cut to the operand size. [SDM 2A JMP] */
export function jumpRelative(b: InstructionBuilder, condition?: Value): void {
  const next = b.ripNext();
  const target = truncateRip(b, b.add(next, b.imm("i64")));
  b.jump(condition ? b.select(condition, target, next) : target);
}

/** An instruction pointer cut to the operand size. */
export function truncateRip(b: InstructionBuilder, rip: Value): Value {
  return b.bits === 64 ? rip : b.zeroExtend(rip, b.bits);
}
