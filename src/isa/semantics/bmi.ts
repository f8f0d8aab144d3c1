import type { Value } from "../ir/builder.ts";
import type { HelperName } from "../ir/helpers.ts";
import { CPU, VECTOR } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { multiplyHighUnsigned } from "./integer.ts";

/** An instruction on general registers with a VEX prefix, which real-address and virtual-8086 mode do not know. */
const vexed =
  (body: Semantics): Semantics =>
  (b) => {
    if (b.form.mode !== "only64") b.trapIf(b.get(CPU.vexTrap, "i32"), VECTOR.UD);
    body(b);
  };

/** Flags by a result, with CF; OF is 0. */
function flagsOf(b: InstructionBuilder, result: Value, carry: Value): void {
  b.flags("shift", b.bits, [result, carry, b.i32(0)]);
}

/** [SDM 2A ANDN] */
export const andn: Semantics = vexed((b) => {
  const result = b.and(b.not(b.read(1)), b.read(2));
  b.write(0, result);
  b.flags("logic", b.bits, [result]);
});

/** The low bits of a value, `count` of them (i32); all if there are not so many. */
function lowBits(b: InstructionBuilder, value: Value, count: Value): Value {
  const { bits } = b;
  const mask = b.sub(b.shl(b.constant(value, 1), b.toInt(count, value.type as "i32" | "i64")), b.constant(value, 1));
  return b.select(b.compare("lt_u", count, b.i32(bits)), b.and(value, mask), value);
}

const byteOf = (b: InstructionBuilder, value: Value, number: 0 | 1): Value =>
  b.and(b.shrU(b.wrap(value), b.i32(8 * number)), b.i32(0xff));

/** Bits from the start in byte 0 of the second operand, as many as its byte 1 says. [SDM 2A BEXTR] */
export const bextr: Semantics = vexed((b) => {
  const value = b.read(1);
  const control = b.read(2);
  const start = byteOf(b, control, 0);
  const within = b.compare("lt_u", start, b.i32(b.bits));
  const moved = b.select(within, b.shrU(value, b.toInt(start, b.typeOf(1))), b.constant(value, 0));
  const result = lowBits(b, moved, byteOf(b, control, 1));
  b.write(0, result);
  b.flags("logic", b.bits, [result]);
});

/** [SDM 2A BZHI] */
export const bzhi: Semantics = vexed((b) => {
  const value = b.read(1);
  const count = byteOf(b, b.read(2), 0);
  const result = lowBits(b, value, count);
  b.write(0, result);
  flagsOf(b, result, b.compare("lt_u", b.i32(b.bits - 1), count));
});

/** The lowest bit that is 1. [SDM 2A BLSI] */
export const blsi: Semantics = vexed((b) => {
  const value = b.read(1);
  const result = b.and(b.neg(value), value);
  b.write(0, result);
  flagsOf(b, result, b.ne(value, b.constant(value, 0)));
});

/** An operation of a value and its predecessor; CF: the value is 0. [SDM 2A BLSMSK, BLSR] */
const withPredecessor = (op: "and" | "xor"): Semantics =>
  vexed((b) => {
    const value = b.read(1);
    const result = b.op(op, b.sub(value, b.constant(value, 1)), value);
    b.write(0, result);
    flagsOf(b, result, b.isZero(value));
  });

export const blsmsk = withPredecessor("xor");
export const blsr = withPredecessor("and");

/** rDX times the source: the low half to the second operand, then the high one to the first. [SDM 2B MULX] */
export const mulx: Semantics = vexed((b) => {
  const x = b.gpr("rdx", b.bits);
  const y = b.read(2);
  if (b.bits === 64) {
    const high = multiplyHighUnsigned(b, x, y);
    b.write(1, b.mul(x, y));
    return b.write(0, high);
  }
  const product = b.mul(b.extend(x), b.extend(y));
  b.write(1, b.wrap(product));
  b.write(0, b.wrap(b.shrU(product, b.i64(32))));
});

/** [SDM 2B PDEP, PEXT] */
const byMask = (helper: HelperName): Semantics =>
  vexed((b) => {
    const value = b.extend(b.read(1));
    b.write(0, b.toInt(b.call(helper, value, b.extend(b.read(2))), b.typeOf(0)));
  });

export const pdep = byMask("deposit_bits");
export const pext = byMask("extract_bits");

/** Shifts and a rotation that leave the flags. [SDM 2B RORX, SARX/SHLX/SHRX] */
const shifted = (op: "rotr" | "shl" | "shr_s" | "shr_u"): Semantics =>
  vexed((b) => {
    const value = b.read(1);
    const count = b.operand(2).kind === "immediate" ? b.imm(b.typeOf(1)) : b.read(2);
    b.write(0, b.op(op, value, count));
  });

export const rorx = shifted("rotr");
export const sarx = shifted("shr_s");
export const shlx = shifted("shl");
export const shrx = shifted("shr_u");
