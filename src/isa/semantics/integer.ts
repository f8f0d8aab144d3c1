import type { Value } from "../ir/builder.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";

/** Bit `bit` of an integer as an i32 of 0 or 1. */
export function bitOf(b: InstructionBuilder, value: Value, bit: number): Value {
  const shifted = bit === 0 ? value : b.shrU(value, b.constant(value, bit));
  return b.and(b.wrap(shifted), b.i32(1));
}

/** Bit `index` (a value of the same type) of an integer as an i32 of 0 or 1. */
export function bitAt(b: InstructionBuilder, value: Value, index: Value): Value {
  return b.and(b.wrap(b.shrU(value, index)), b.i32(1));
}

/** The bytes of a 16-, 32- or 64-bit integer in reverse. */
export function reverseBytes(b: InstructionBuilder, value: Value, bits: number): Value {
  if (bits === 16) return b.and(b.or(b.shl(value, b.i32(8)), b.shrU(value, b.i32(8))), b.i32(0xffff));
  if (bits === 32) return reverse32(b, value);
  const low = reverse32(b, b.wrap(value));
  const high = reverse32(b, b.wrap(b.shrU(value, b.i64(32))));
  return b.or(b.shl(b.extend(low), b.i64(32)), b.extend(high));
}

function reverse32(b: InstructionBuilder, value: Value): Value {
  const even = b.and(b.op("rotl", value, b.i32(8)), b.i32(0x00ff00ff));
  return b.or(even, b.and(b.op("rotr", value, b.i32(8)), b.i32(0xff00ff00)));
}

/** The high 64 bits of the unsigned product of two i64. */
export function multiplyHighUnsigned(b: InstructionBuilder, x: Value, y: Value): Value {
  const low = (value: Value): Value => b.zeroExtend(value, 32);
  const high = (value: Value): Value => b.shrU(value, b.i64(32));
  const [x0, x1, y0, y1] = [low(x), high(x), low(y), high(y)];
  const middle = b.add(b.mul(x1, y0), high(b.mul(x0, y0)));
  const other = b.add(b.mul(x0, y1), low(middle));
  return b.add(b.add(b.mul(x1, y1), high(middle)), high(other));
}

/** The high 64 bits of the signed product of two i64. */
export function multiplyHighSigned(b: InstructionBuilder, x: Value, y: Value): Value {
  const correction = (sign: Value, value: Value): Value => b.and(b.shrS(sign, b.i64(63)), value);
  const unsigned = multiplyHighUnsigned(b, x, y);
  return b.sub(b.sub(unsigned, correction(x, y)), correction(y, x));
}

/** #GP if a 64-bit linear address is not canonical; only the helper knows of more than 48 bits. [SDM 1 3.3.7.1] */
export function checkCanonical(b: InstructionBuilder, linear: Value): void {
  const beyond = b.ne(b.shrS(b.shl(linear, b.i64(16)), b.i64(16)), linear);
  b.callIf(beyond, b.i32(0), "check_canonical", linear);
}
