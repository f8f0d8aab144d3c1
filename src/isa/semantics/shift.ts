import type { Value } from "../ir/builder.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { bitAt, bitOf } from "./integer.ts";

/** What a shift or rotate gives; cf and of are i32 0 or 1. */
interface Shifted {
  readonly result: Value;
  readonly cf: Value;
  readonly of: Value;
}

/** Shifts x (zero-extended) by a count of x's type that was masked; the flags matter only if it is not 0. */
type Shift = (b: InstructionBuilder, bits: number, x: Value, count: Value) => Shifted;

const msb = (b: InstructionBuilder, value: Value, bits: number): Value => bitOf(b, value, bits - 1);
const minusOne = (b: InstructionBuilder, count: Value): Value => b.sub(count, b.constant(count, 1));
/** A constant less a value. */
const from = (b: InstructionBuilder, constant: number, count: Value): Value =>
  b.sub(b.constant(count, constant), count);

const shiftLeft: Shift = (b, bits, x, count) => {
  const result = b.shl(x, count);
  const cf = msb(b, b.shl(x, minusOne(b, count)), bits);
  return { result, cf, of: b.xor(msb(b, result, bits), cf) };
};

const shiftRight: Shift = (b, bits, x, count) => {
  const last = b.shrU(x, minusOne(b, count));
  return { result: b.shrU(x, count), cf: bitOf(b, last, 0), of: msb(b, last, bits) };
};

const shiftRightArithmetic: Shift = (b, bits, x, count) => {
  const signed = b.signExtend(x, bits);
  const cf = bitOf(b, b.shrS(signed, minusOne(b, count)), 0);
  return { result: b.shrS(signed, count), cf, of: b.i32(0) };
};

/** x repeated over its type, so that the type's rotation rotates it. */
function repeated(b: InstructionBuilder, bits: number, x: Value): Value {
  if (bits >= 32) return x;
  return b.mul(x, b.i32(bits === 8 ? 0x01010101 : 0x00010001));
}

const rotateLeft: Shift = (b, bits, x, count) => {
  const result = b.op("rotl", repeated(b, bits, x), count);
  const cf = bitOf(b, result, 0);
  return { result, cf, of: b.xor(msb(b, result, bits), cf) };
};

const rotateRight: Shift = (b, bits, x, count) => {
  const result = b.op("rotr", repeated(b, bits, x), count);
  const cf = msb(b, result, bits);
  return { result, cf, of: b.xor(cf, bitOf(b, result, bits - 2)) };
};

/** A count of at most 31 modulo 9 (8-bit operands) or 17 (16-bit operands). */
function countThroughCarry(b: InstructionBuilder, bits: number, count: Value): Value {
  if (bits === 8) return b.sub(count, b.mul(b.shrU(b.mul(count, b.i32(57)), b.i32(9)), b.i32(9)));
  if (bits === 16) return b.select(b.compare("lt_u", count, b.i32(17)), count, b.sub(count, b.i32(17)));
  return count;
}

/** Rotates CF:x of up to 33 bits within an i32 or i64. */
function rotateThroughCarry(b: InstructionBuilder, bits: number, x: Value, count: Value, left: boolean): Shifted {
  const wide = bits === 32 ? b.extend(x) : x;
  const amount = b.toInt(count, wide.type === "i64" ? "i64" : "i32");
  const carry = b.shl(b.toInt(b.cond(2), wide.type === "i64" ? "i64" : "i32"), b.constant(wide, bits));
  const value = b.or(wide, carry);
  const other = from(b, bits + 1, amount);
  const [up, down] = left ? [amount, other] : [other, amount];
  const rotated = b.or(b.shl(value, up), b.shrU(value, down));
  const result = bits === 32 ? b.wrap(rotated) : rotated;
  const cf = bitOf(b, rotated, bits);
  return { result, cf, of: b.xor(msb(b, result, bits), left ? cf : bitOf(b, result, bits - 2)) };
}

function rotate64ThroughCarry(b: InstructionBuilder, x: Value, count: Value, left: boolean): Shifted {
  const carry = b.extend(b.cond(2));
  const rest = from(b, 64, count);
  const one = b.i64(1);
  const moved = left
    ? b.or(b.shl(x, count), b.or(b.shl(carry, minusOne(b, count)), b.shrU(b.shrU(x, one), rest)))
    : b.or(b.shrU(x, count), b.or(b.shl(carry, rest), b.shl(b.shl(x, one), rest)));
  const result = b.select(b.isZero(count), x, moved);
  const cf = bitAt(b, x, left ? rest : minusOne(b, count));
  return { result, cf, of: b.xor(msb(b, result, 64), left ? cf : bitOf(b, result, 62)) };
}

const throughCarry =
  (left: boolean): Shift =>
  (b, bits, x, count) =>
    bits === 64 ? rotate64ThroughCarry(b, x, count, left) : rotateThroughCarry(b, bits, x, count, left);

/** The count operand, masked to 5 bits (6 for 64-bit operands), in the type of the shifted value. [SDM 2B SAL/SAR/SHL/SHR] */
function maskedCount(b: InstructionBuilder, index: number, like: Value): Value {
  if (b.operand(index).kind === "one") return b.constant(like, 1);
  const count = b.and(b.wrap(b.read(index)), b.i32(b.bitsOf(0) === 64 ? 63 : 31));
  return b.toInt(count, like.type === "i64" ? "i64" : "i32");
}

/** A shift by operand 1: sets all flags (AF undefined), unless the count is 0. */
const shift =
  (operation: Shift): Semantics =>
  (b) => {
    const x = b.readForWrite(0);
    const bits = b.bitsOf(0);
    const count = maskedCount(b, 1, x);
    const { result, cf, of } = operation(b, bits, x, count);
    b.write(0, result);
    b.flags("shift", bits, [result, cf, of], unlessZero(b, count));
  };

/** A rotation by operand 1: sets CF and OF, unless the count is 0. */
const rotate =
  (operation: Shift, amount: (b: InstructionBuilder, bits: number, count: Value) => Value): Semantics =>
  (b) => {
    const x = b.readForWrite(0);
    const bits = b.bitsOf(0);
    const count = amount(b, bits, maskedCount(b, 1, x));
    const { result, cf, of } = operation(b, bits, x, count);
    b.write(0, result);
    b.flags("cfof", bits, [cf, of], unlessZero(b, count));
  };

/** The condition under which flags change: the count is not 0. */
function unlessZero(b: InstructionBuilder, count: Value): Value | undefined {
  return b.operand(1).kind === "one" ? undefined : b.ne(count, b.constant(count, 0));
}

export const shl = shift(shiftLeft);
export const shr = shift(shiftRight);
export const sar = shift(shiftRightArithmetic);

const whole = (_: InstructionBuilder, __: number, count: Value): Value => count;
export const rol = rotate(rotateLeft, whole);
export const ror = rotate(rotateRight, whole);
export const rcl = rotate(throughCarry(true), countThroughCarry);
export const rcr = rotate(throughCarry(false), countThroughCarry);

/** Operands of a double shift side by side in an i64: 16 bits as DEST:SRC:DEST, which is what larger counts show. */
function concatenated(b: InstructionBuilder, bits: number, high: Value, low: Value): Value {
  const [h, l] = [b.extend(high), b.extend(low)];
  if (bits === 32) return b.or(b.shl(h, b.i64(32)), l);
  return b.or(b.or(b.shl(h, b.i64(32)), b.shl(l, b.i64(16))), h);
}

function doubleLeft(
  b: InstructionBuilder,
  bits: number,
  x: Value,
  y: Value,
  count: Value,
): { result: Value; cf: Value } {
  if (bits === 64) {
    const filled = b.shrU(b.shrU(y, b.i64(1)), from(b, 63, count));
    return { result: b.or(b.shl(x, count), filled), cf: bitAt(b, x, from(b, 64, count)) };
  }
  const value = concatenated(b, bits, x, y);
  const cf = bitAt(b, value, from(b, bits === 32 ? 64 : 48, count));
  return { result: b.wrap(b.shrU(b.shl(value, count), b.i64(32))), cf };
}

function doubleRight(
  b: InstructionBuilder,
  bits: number,
  x: Value,
  y: Value,
  count: Value,
): { result: Value; cf: Value } {
  if (bits === 64) {
    const filled = b.shl(b.shl(y, b.i64(1)), from(b, 63, count));
    return { result: b.or(b.shrU(x, count), filled), cf: bitAt(b, x, minusOne(b, count)) };
  }
  const value = bits === 32 ? concatenated(b, 32, y, x) : concatenated(b, 16, x, y);
  return { result: b.wrap(b.shrU(value, count)), cf: bitAt(b, value, minusOne(b, count)) };
}

/** [SDM 2B SHLD, SHRD] */
const double =
  (operation: typeof doubleLeft): Semantics =>
  (b) => {
    const x = b.readForWrite(0);
    const bits = b.bitsOf(0);
    const count = b.extend(maskedCount(b, 2, x));
    const { result, cf } = operation(b, bits, x, b.read(1), count);
    const of = b.xor(msb(b, result, bits), msb(b, x, bits));
    b.write(0, result);
    b.flags("shift", bits, [result, cf, of], b.ne(count, b.i64(0)));
  };

export const shld = double(doubleLeft);
export const shrd = double(doubleRight);
