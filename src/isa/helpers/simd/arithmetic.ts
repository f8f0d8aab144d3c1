// The operations of SSE arithmetic on one lane. [SDM 1 11.5.2]
import {
  MXCSR_IE,
  MXCSR_PE,
  MXCSR_ZE,
  PREDICATES_equal,
  PREDICATES_greater,
  PREDICATES_less,
  PREDICATES_signaling,
  PREDICATES_unordered,
} from "../layout.generated.ts";
import { udiv128 } from "../divide.ts";
import { low, multiply } from "../x87/wide.ts";
import {
  exponent,
  finish,
  grows,
  infinity,
  invalid,
  is_infinite,
  is_nan,
  is_signaling,
  is_zero,
  isDouble,
  magnitude,
  operand,
  propagate,
  quiet_bit,
  rounding,
  set_format,
  set_half,
  shift_sticky,
  sign_of,
  signal,
  signal_denormal,
  significand,
  take_apart,
  with_sign,
} from "./number.ts";

const DOWN: i32 = 1;
const TOP: u64 = 1 << 63;

/** x + y, or x - y. */
export function add(a: u64, b: u64, subtract: bool): u64 {
  if (is_nan(a) || is_nan(b)) return propagate(a, b);
  const x = operand(a);
  const y = with_sign(sign_of(b) ^ (subtract ? 1 : 0), magnitude(operand(b)));
  if (is_infinite(x)) return is_infinite(y) && x != y ? invalid() : infinite_of(x, y, x);
  if (is_infinite(y)) return infinite_of(x, y, y);
  signal_denormal(x, y);
  if (is_zero(x) && is_zero(y)) return x == y ? x : zero_sum();
  if (is_zero(x)) return same(y);
  if (is_zero(y)) return same(x);
  return magnitude(x) < magnitude(y) ? sum(y, x) : sum(x, y);
}

function infinite_of(x: u64, y: u64, result: u64): u64 {
  signal_denormal(x, y);
  return result;
}

/** The sum of numbers that cancel. */
export function zero_sum(): u64 {
  return with_sign(rounding == DOWN ? 1 : 0, 0);
}

/** A number as the result of an exact operation. */
export function same(x: u64): u64 {
  take_apart(x);
  return finish(sign_of(x), exponent, significand);
}

/** x + y of finite numbers that are not 0, x of the greater or equal magnitude. */
function sum(x: u64, y: u64): u64 {
  take_apart(x);
  const exp = exponent + 1;
  const large = significand >> 1;
  take_apart(y);
  const small = shift_sticky(significand >> 1, exp - exponent - 1);
  const total = sign_of(x) == sign_of(y) ? large + small : large - small;
  if (total == 0) return zero_sum();
  const shift = clz(total) - 1;
  return finish(sign_of(x), exp - (shift as i32), total << shift);
}

export function multiply_lane(a: u64, b: u64): u64 {
  if (is_nan(a) || is_nan(b)) return propagate(a, b);
  const x = operand(a);
  const y = operand(b);
  const sign = sign_of(x) ^ sign_of(y);
  const infinite = is_infinite(x) || is_infinite(y);
  if (infinite && (is_zero(x) || is_zero(y))) return invalid();
  signal_denormal(x, y);
  if (infinite) return with_sign(sign, infinity());
  if (is_zero(x) || is_zero(y)) return with_sign(sign, 0);
  take_apart(x);
  const exp = exponent;
  const first = significand;
  take_apart(y);
  const high = multiply(first, significand);
  const product = (high << 2) | (low >> 62) | (low << 2 != 0 ? 1 : 0);
  const carry = product & TOP ? 1 : 0;
  return finish(sign, exp + exponent + carry, shift_sticky(product, carry));
}

export function divide(a: u64, b: u64): u64 {
  if (is_nan(a) || is_nan(b)) return propagate(a, b);
  const x = operand(a);
  const y = operand(b);
  const sign = sign_of(x) ^ sign_of(y);
  if (is_infinite(x) ? is_infinite(y) : is_zero(x) && is_zero(y)) return invalid();
  if (is_zero(y) && !is_infinite(x)) {
    signal(MXCSR_ZE);
    return with_sign(sign, infinity());
  }
  signal_denormal(x, y);
  if (is_infinite(x)) return with_sign(sign, infinity());
  if (is_zero(x) || is_infinite(y)) return with_sign(sign, 0);
  return quotient(sign, x, y);
}

function quotient(sign: i32, x: u64, y: u64): u64 {
  take_apart(x);
  const exp = exponent;
  const dividend = significand;
  take_apart(y);
  const less = dividend < significand ? 1 : 0;
  const high = dividend >> (2 - less);
  const bottom = dividend << (62 + less);
  const digits = udiv128(0, high, bottom, significand);
  const rest = bottom - digits * significand;
  return finish(sign, exp - exponent - less, digits | (rest != 0 ? 1 : 0));
}

export function square_root(a: u64): u64 {
  if (is_nan(a)) return propagate(a, a);
  const x = operand(a);
  if (is_zero(x)) return x;
  if (sign_of(x)) return invalid();
  signal_denormal(x, x);
  if (is_infinite(x)) return x;
  take_apart(x);
  const odd = exponent & 1;
  return finish(0, (exponent - odd) >> 1, root(significand << odd));
}

/** Bits of the root that are computed. */
const ROOT_BITS: i32 = 58;

/** sqrt(value / 2^62) * 2^62 for a value from 2^62 below 2^64, the last bit sticky. */
function root(value: u64): u64 {
  let digits: u64 = 0;
  let rest: u64 = 0;
  for (let i = 0; i < ROOT_BITS; i++) {
    const next: u64 = i < 32 ? (value >> ((62 - 2 * i) as u64)) & 3 : 0;
    rest = (rest << 2) | next;
    const trial = (digits << 2) | 1;
    digits <<= 1;
    if (rest < trial) continue;
    rest -= trial;
    digits |= 1;
  }
  return (digits << (63 - ROOT_BITS)) | (rest != 0 ? 1 : 0);
}

/** A bit pattern that orders as the number does. */
function order(x: u64): i64 {
  const value = magnitude(x) as i64;
  return sign_of(x) ? -value : value;
}

/** MIN, MAX: the second operand where one is NaN or both are 0. */
export function choose(a: u64, b: u64, greater: bool): u64 {
  const x = operand(a);
  const y = operand(b);
  if (is_nan(x) || is_nan(y)) {
    signal(MXCSR_IE);
    return y;
  }
  signal_denormal(x, y);
  return (greater ? order(x) > order(y) : order(x) < order(y)) ? x : y;
}

/** How two numbers compare: bits of EFLAGS as COMISS sets them. */
const UNORDERED: i32 = 0x45;
const LESS: i32 = 1;
const EQUAL: i32 = 0x40;

/** Compares; a quiet NaN is invalid too if `signaling`. */
export function relation(a: u64, b: u64, signaling: bool): i32 {
  const x = operand(a);
  const y = operand(b);
  if (is_nan(x) || is_nan(y)) {
    if (signaling || is_signaling(x) || is_signaling(y)) signal(MXCSR_IE);
    return UNORDERED;
  }
  signal_denormal(x, y);
  if (order(x) == order(y)) return EQUAL;
  return order(x) < order(y) ? LESS : 0;
}

/** Whether a predicate of CMPPS holds. */
export function holds(a: u64, b: u64, predicate: i32): bool {
  const within = predicate & 15;
  const found = relation(a, b, (((PREDICATES_signaling >> within) ^ (predicate >> 4)) & 1) != 0);
  let predicates = PREDICATES_greater;
  if (found == EQUAL) predicates = PREDICATES_equal;
  else if (found == LESS) predicates = PREDICATES_less;
  else if (found == UNORDERED) predicates = PREDICATES_unordered;
  return ((predicates >> within) & 1) != 0;
}

/** The operand of a conversion under way: its sign and kind. */
let convertedSign: i32 = 0;
let convertedNan: bool = false;
let convertedZero: bool = false;
let convertedFinite: bool = false;

/** Takes a conversion's operand in the format that is set; gives its bits, those of a NaN made quiet. */
function take_operand(a: u64): u64 {
  convertedSign = sign_of(a);
  convertedNan = is_nan(a);
  const x = convertedNan ? propagate(a, a) : operand(a);
  convertedZero = is_zero(x);
  convertedFinite = !convertedNan && !is_infinite(x) && !convertedZero;
  if (convertedFinite) {
    signal_denormal(x, x);
    take_apart(x);
  }
  return x;
}

/** That operand in the format that is set now; `payload` is what it is there as a NaN. */
function give_converted(payload: u64): u64 {
  if (convertedFinite) return finish(convertedSign, exponent, significand);
  return with_sign(convertedSign, convertedNan ? payload : convertedZero ? 0 : infinity());
}

export function to_single(a: u64): u64 {
  set_format(true);
  const x = take_operand(a);
  const payload = ((x >> 29) & 0x3fffff) | 0x7fc00000;
  set_format(false);
  return give_converted(payload);
}

export function to_double(a: u64): u64 {
  set_format(false);
  const x = take_operand(a);
  const payload = ((x & 0x7fffff) << 29) | 0x7ff8000000000000;
  set_format(true);
  return give_converted(payload);
}

/** A single as half precision, whose denormals are never flushed. [SDM 2C VCVTPS2PH] */
export function to_half(a: u64): u64 {
  set_format(false);
  const x = take_operand(a);
  const payload = ((x >> 13) & 0x1ff) | 0x7e00;
  set_half();
  return give_converted(payload);
}

/** Half precision as a single: exact, and denormals are numbers like others. [SDM 2C VCVTPH2PS] */
export function from_half(a: u64): u64 {
  set_half();
  const sign = sign_of(a);
  const nan = is_nan(a);
  const x = nan ? propagate(a, a) : a;
  const finite = !nan && !is_infinite(x) && !is_zero(x);
  if (finite) take_apart(x);
  const payload = ((x & 0x1ff) << 13) | 0x7fc00000;
  const zero = is_zero(x);
  set_format(false);
  if (finite) return finish(sign, exponent, significand);
  return with_sign(sign, nan ? payload : zero ? 0 : infinity());
}

/** The integer part of the last number taken apart, and its fraction as a fraction of 2^64. */
let whole: u64 = 0;
let rest: u64 = 0;

function split(): void {
  const shift = 62 - exponent;
  if (shift <= 0) {
    whole = shift < -1 ? 0 : significand << (-shift as u64);
    rest = 0;
  } else if (shift < 64) {
    whole = significand >> (shift as u64);
    rest = significand << ((64 - shift) as u64);
  } else {
    whole = 0;
    rest = shift == 64 ? significand : 1;
  }
}

/** Rounds to an integer of `width` bits; what does not fit gives 1 and zeros. */
export function to_integer(a: u64, width: i32): u64 {
  const limit = (1 as u64) << ((width - 1) as u64);
  const x = operand(a);
  if (is_zero(x)) return 0;
  if (is_nan(x) || is_infinite(x)) return invalid_integer(limit);
  take_apart(x);
  if (exponent > 63) return invalid_integer(limit);
  const sign = sign_of(x);
  split();
  const value = whole + (grows(sign, (whole & 1) != 0, rest) ? 1 : 0);
  if (value > limit || (value == limit && !sign)) return invalid_integer(limit);
  if (rest) signal(MXCSR_PE);
  return sign ? 0 - value : value;
}

function invalid_integer(limit: u64): u64 {
  signal(MXCSR_IE);
  return limit;
}

export function from_integer(value: i64): u64 {
  if (value == 0) return 0;
  const sign = value < 0 ? 1 : 0;
  const size = (sign ? 0 - value : value) as u64;
  if (size & TOP) return finish(sign, 63, size >> 1);
  const shift = clz(size) - 1;
  return finish(sign, 62 - (shift as i32), size << shift);
}

/** Rounds to an integral value; PE only if `precise`. [SDM 2B ROUNDPS] */
export function round_lane(a: u64, precise: bool): u64 {
  if (is_nan(a)) return propagate(a, a);
  const x = operand(a);
  if (is_zero(x) || is_infinite(x)) return x;
  take_apart(x);
  if (exponent >= (isDouble ? 52 : 23)) return x;
  const sign = sign_of(x);
  split();
  const value = whole + (grows(sign, (whole & 1) != 0, rest) ? 1 : 0);
  if (rest && precise) signal(MXCSR_PE);
  const result = value ? magnitude(from_integer(value as i64)) : 0;
  return with_sign(sign, result);
}
