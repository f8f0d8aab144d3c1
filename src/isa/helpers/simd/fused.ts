// Fused multiplication and addition: the exact sum of product and addend, rounded once. [SDM 1 14.5]
import {
  CPU_mxcsr,
  CPU_scratch,
  FUSED_ADDEND_addSubtract,
  FUSED_ADDEND_subtract,
  FUSED_ADDEND_subtractAdd,
  FUSED_ORDER_first132,
  FUSED_ORDER_first213,
  FUSED_ORDER_first231,
  FUSED_addendShift,
  FUSED_double,
  FUSED_lanesShift,
  FUSED_negate,
  FUSED_orderShift,
} from "../layout.generated.ts";
import { trapped } from "../fault.ts";
import { low, multiply } from "../x87/wide.ts";
import { same, zero_sum } from "./arithmetic.ts";
import { settle } from "./float.ts";
import { fused, try_fused } from "./fused-plain.ts";
import {
  begin,
  exponent,
  finish,
  infinity,
  invalid,
  is_infinite,
  is_nan,
  is_signaling,
  is_zero,
  operand,
  propagate,
  set_format,
  sign_of,
  signal_denormal,
  significand,
  take_apart,
  with_sign,
} from "./number.ts";

// Offsets in CPU.scratch: the third operand, and the result as it grows.
const THIRD: i32 = 0;
const RESULT: i32 = 32;

/** `kind`: see FUSED. The first operand is at the state offset `to`, which also gets the result; the second's offset; the third's bits. */
export function fused_multiply(cpu: i32, kind: i32, to: i32, second: i32, w0: u64, w1: u64, w2: u64, w3: u64): void {
  begin(load<i32>(cpu + CPU_mxcsr));
  set_format((kind & FUSED_double) != 0);
  const size = kind & FUSED_double ? 8 : 4;
  const count = kind >> FUSED_lanesShift;
  const third = cpu + CPU_scratch + THIRD;
  const result = cpu + CPU_scratch + RESULT;
  store<u64>(third, w0);
  store<u64>(third + 8, w1);
  store<u64>(third + 16, w2);
  store<u64>(third + 24, w3);
  for (let i = 0; i < count; i++) {
    const at = i * size;
    write(
      result + at,
      size,
      lane(kind, i, read(cpu + to + at, size), read(cpu + second + at, size), read(third + at, size)),
    );
  }
  settle(cpu);
  if (!trapped(cpu)) commit(cpu + to, result, count * size);
}

/** Writes the elements to their register; above bit 127 they or zeros. */
function commit(to: i32, from: i32, bytes: i32): void {
  if (bytes >= 16) v128.store(to, v128.load(from));
  else write(to, bytes, read(from, bytes));
  v128.store(to + 16, bytes > 16 ? v128.load(from + 16) : i64x2(0, 0));
}

function read(at: i32, size: i32): u64 {
  return size == 8 ? load<u64>(at) : (load<u32>(at) as u64);
}

function write(at: i32, size: i32, value: u64): void {
  if (size == 8) store<u64>(at, value);
  else store<u32>(at, value as u32);
}

/** One element: which operands are multiplied, and the signs. */
function lane(kind: i32, number: i32, x: u64, y: u64, z: u64): u64 {
  const negate = (kind & FUSED_negate) != 0;
  const subtract = is_subtracted((kind >> FUSED_addendShift) & 3, number);
  const order = (kind >> FUSED_orderShift) & 3;
  if (order == FUSED_ORDER_first132) return fuse(x, z, y, negate, subtract);
  if (order == FUSED_ORDER_first213) return fuse(y, x, z, negate, subtract);
  return fuse(y, z, x, negate, subtract);
}

function is_subtracted(addend: i32, number: i32): bool {
  if (addend == FUSED_ADDEND_addSubtract) return (number & 1) == 0;
  if (addend == FUSED_ADDEND_subtractAdd) return (number & 1) != 0;
  return addend == FUSED_ADDEND_subtract;
}

/** a * b + c with signs of product and addend changed as told. */
function fuse(a: u64, b: u64, c: u64, negate: bool, subtract: bool): u64 {
  if (try_fused(a, b, c, negate, subtract)) return fused;
  if (is_nan(a) || is_nan(b) || is_nan(c)) return not_numbers(a, b, c);
  const x = operand(a);
  const y = operand(b);
  const z = operand(c);
  const sign = sign_of(x) ^ sign_of(y) ^ (negate ? 1 : 0);
  const addend = with_sign(sign_of(z) ^ (subtract ? 1 : 0), z & ~with_sign(1, 0));
  const infinite = is_infinite(x) || is_infinite(y);
  if (infinite && (is_zero(x) || is_zero(y))) return invalid();
  if (infinite && is_infinite(z) && sign_of(addend) != sign) return invalid();
  signal_denormal(x, y);
  signal_denormal(z, z);
  if (infinite) return with_sign(sign, infinity());
  if (is_infinite(z)) return addend;
  if (is_zero(x) || is_zero(y)) return zero_product(sign, addend);
  return sum_of_product(sign, x, y, addend);
}

/** The first NaN of multiplicand, multiplier and addend, made quiet. [SDM 1 table 14-17] */
function not_numbers(a: u64, b: u64, c: u64): u64 {
  if (is_nan(a) || is_nan(b)) {
    if (is_signaling(c)) propagate(c, c);
    return propagate(a, b);
  }
  return propagate(c, c);
}

function zero_product(sign: i32, addend: u64): u64 {
  if (!is_zero(addend)) return same(addend);
  return sign_of(addend) == sign ? addend : zero_sum();
}

// A number of 128 bits: its value is wide / 2^125 * 2^exponent; products and addends begin at bit 125.
let wideHigh: u64 = 0;
let wideLow: u64 = 0;

const TOP: i32 = 125;

/** Shifts right; the last bit is also set when a bit that is 1 was shifted out. */
function shift_wide(count: i32): void {
  if (count == 0) return;
  if (count > 127) {
    wideLow = (wideHigh | wideLow) != 0 ? 1 : 0;
    wideHigh = 0;
  } else if (count > 63) {
    const lost = wideLow | (count > 64 ? wideHigh << ((128 - count) as u64) : 0);
    wideLow = (wideHigh >> ((count - 64) as u64)) | (lost != 0 ? 1 : 0);
    wideHigh = 0;
  } else {
    const lost = wideLow << ((64 - count) as u64);
    wideLow = (wideLow >> (count as u64)) | (wideHigh << ((64 - count) as u64)) | (lost != 0 ? 1 : 0);
    wideHigh >>= count as u64;
  }
}

/** The product is not 0, the addend may be. */
function sum_of_product(sign: i32, x: u64, y: u64, addend: u64): u64 {
  take_apart(x);
  const first = significand;
  let exp = exponent;
  take_apart(y);
  exp += exponent;
  let high = multiply(first, significand);
  let bottom = low;
  if (high >> 61) exp += 1;
  else {
    high = (high << 1) | (bottom >> 63);
    bottom <<= 1;
  }
  if (is_zero(addend)) return round_wide(sign, exp, high, bottom);
  take_apart(addend);
  return add_wide(sign, exp, high, bottom, sign_of(addend));
}

/** Adds the number that was taken apart last. */
function add_wide(sign: i32, exp: i32, high: u64, bottom: u64, other: i32): u64 {
  const distance = exp - exponent;
  const addendHigh = significand >> 1;
  const addendLow = significand << 63;
  wideHigh = distance < 0 ? high : addendHigh;
  wideLow = distance < 0 ? bottom : addendLow;
  shift_wide(distance < 0 ? -distance : distance);
  const largeHigh = distance < 0 ? addendHigh : high;
  const largeLow = distance < 0 ? addendLow : bottom;
  const large = distance < 0 ? other : sign;
  const top = distance < 0 ? exponent : exp;
  if (sign == other) {
    const sum = largeLow + wideLow;
    return round_wide(sign, top, largeHigh + wideHigh + (sum < largeLow ? 1 : 0), sum);
  }
  const less = largeHigh < wideHigh || (largeHigh == wideHigh && largeLow < wideLow);
  const difference = largeLow - wideLow;
  const rest = largeHigh - wideHigh - (largeLow < wideLow ? 1 : 0);
  if ((rest | difference) == 0) return zero_sum();
  if (!less) return round_wide(large, top, rest, difference);
  return round_wide(large ^ 1, top, ~rest + (difference == 0 ? 1 : 0), 0 - difference);
}

/** Rounds a number of 128 bits that is not 0. */
function round_wide(sign: i32, exp: i32, high: u64, bottom: u64): u64 {
  const top = high ? 127 - (clz(high) as i32) : 63 - (clz(bottom) as i32);
  wideHigh = high;
  wideLow = bottom;
  if (top >= 62) shift_wide(top - 62);
  else wideLow <<= (62 - top) as u64;
  return finish(sign, exp + top - TOP, wideLow);
}
