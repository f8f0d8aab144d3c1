// The single and double formats. [SDM 1 4.2.2]
import { FSW_C1, FSW_OE, FSW_PE, FSW_UE } from "../layout.generated.ts";
import { is_masked, signal, signal_inexact } from "./exceptions.ts";
import { carry, isInexact, isUp, overflows_to_infinity, round, rounded } from "./rounding.ts";
import {
  BIAS,
  decides_nan,
  EXPONENT,
  exponent,
  INTEGER_BIT,
  is_infinite,
  normalized,
  result,
  resultSE,
  set_result,
  set_zero,
  SIGN,
} from "./value.ts";
import { low, shift_right_sticky } from "./wide.ts";

/** The last value widened was denormal in its own format. */
export let wasDenormal: bool = false;

const SINGLE_MAX: i32 = 0xff;
const DOUBLE_MAX: i32 = 0x7ff;

/** The result is a single as it is, signalling NaNs included. */
export function widen_single(bits: i32): void {
  const sign = (bits >>> 16) & SIGN;
  widen(sign, (bits >>> 23) & SINGLE_MAX, SINGLE_MAX, ((bits & 0x7fffff) as u64) << 40);
}

/** The result is a double as it is, signalling NaNs included. */
export function widen_double(bits: u64): void {
  const sign = ((bits >> 48) as i32) & SIGN;
  widen(sign, ((bits >> 52) as i32) & DOUBLE_MAX, DOUBLE_MAX, (bits << 11) & ~INTEGER_BIT);
}

function widen(sign: i32, field: i32, max: i32, fraction: u64): void {
  wasDenormal = false;
  if (field == max) return set_result(sign | EXPONENT, INTEGER_BIT | fraction);
  const rebias = BIAS - (max >> 1);
  if (field) return set_result(sign | (field + rebias), INTEGER_BIT | fraction);
  if (!fraction) return set_zero(sign);
  wasDenormal = true;
  const shift = clz(fraction);
  set_result(sign | (1 - (shift as i32) + rebias), fraction << shift);
}

/** The result (in its low bits) is a value rounded to single. */
export function narrow_single(se: i32, sig: u64): void {
  narrow(se, sig, 24, SINGLE_MAX);
}

/** The result is a value rounded to double. */
export function narrow_double(se: i32, sig: u64): void {
  narrow(se, sig, 53, DOUBLE_MAX);
}

/** Sets the encoding of a format of `bits` of significand and exponents up to `max`. */
function encode(sign: i32, field: i32, sig: u64, bits: i32): void {
  const top = bits == 24 ? 31 : 63;
  const fraction = (sig << 1) >> (65 - bits);
  set_result(0, (((sign ? 1 : 0) as u64) << top) | ((field as u64) << (bits - 1)) | fraction);
}

function narrow(se: i32, sig: u64, bits: i32, max: i32): void {
  if (decides_nan(se, sig)) return encode(resultSE & SIGN, max, result, bits);
  const sign = se & SIGN;
  if (is_infinite(se, sig)) return encode(sign, max, 0, bits);
  if (!sig) return encode(sign, 0, 0, bits);
  const field = exponent(se, sig) - BIAS + (max >> 1);
  const value = normalized(sig);
  round(sign, value, 0, 64 - bits);
  if (field + carry >= max) return narrow_overflow(sign, bits, max);
  if (field <= 0) return narrow_underflow(sign, field, value, bits);
  if (isInexact) signal_inexact(isUp);
  encode(sign, field + carry, rounded, bits);
}

function narrow_overflow(sign: i32, bits: i32, max: i32): void {
  signal(FSW_OE);
  if (!is_masked(FSW_OE)) return;
  const infinite = overflows_to_infinity(sign);
  signal(infinite ? FSW_PE | FSW_C1 : FSW_PE);
  if (infinite) encode(sign, max, 0, bits);
  else encode(sign, max - 1, -1, bits);
}

function narrow_underflow(sign: i32, field: i32, value: u64, bits: i32): void {
  const tiny = field + carry <= 0;
  if (tiny && !is_masked(FSW_UE)) return signal(FSW_UE);
  const shifted = shift_right_sticky(value, 0, 1 - field);
  round(sign, shifted, low, 64 - bits);
  encode(sign, (rounded >> 63) as i32, rounded, bits);
  if (!isInexact) return;
  if (tiny) signal(FSW_UE);
  signal_inexact(isUp);
}
