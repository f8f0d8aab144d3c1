// Positive numbers with 128 bits of significand, for results that are rounded once to 64. A number is its exponent
// and a significand with the top bit set: high:low * 2^(exponent - 127).
import { set_rounded } from "./rounding.ts";
import { BIAS } from "./value.ts";
import {
  divide_fraction,
  is_less,
  leading_zeros,
  low,
  multiply_fraction,
  shift_left,
  shift_right_sticky,
  subtract,
} from "./wide.ts";

/** The last result. */
export let floatExponent: i32 = 0;
export let floatHigh: u64 = 0;
export let floatLow: u64 = 0;

/** 1 as a fixed-point number with 127 bits of fraction, which is also a significand. */
export const ONE: u64 = 1 << 63;

/** Takes high:low * 2^(exponent - 127), not 0. */
export function float_set(exponent: i32, high: u64, lowHalf: u64): void {
  const shift = leading_zeros(high, lowHalf);
  floatHigh = shift_left(high, lowHalf, shift);
  floatLow = low;
  floatExponent = exponent - shift;
}

/** a * b */
export function float_multiply(ae: i32, aHigh: u64, aLow: u64, be: i32, bHigh: u64, bLow: u64): void {
  const high = multiply_fraction(aHigh, aLow, bHigh, bLow);
  float_set(ae + be + 1, high, low);
}

/** a / b */
export function float_divide(ae: i32, aHigh: u64, aLow: u64, be: i32, bHigh: u64, bLow: u64): void {
  const smaller = is_less(aHigh, aLow, bHigh, bLow) ? 1 : 0;
  floatHigh = divide_fraction(aHigh, aLow, bHigh, bLow);
  floatLow = low;
  floatExponent = ae - be - smaller;
}

/** The last result, below 2^(128 - bits), as a fixed-point number with `bits` of fraction; the low half is in `low`. */
export function float_fixed(bits: i32): u64 {
  return shift_right_sticky(floatHigh, floatLow, 127 - bits - floatExponent);
}

/** The square of a number below 2^TINY does not show in 128 bits beside 1. */
export const TINY: i32 = -61;

/** Makes the last result less than it is, by less than its last place, whose bit stands for what is lost. */
export function float_step_down(): void {
  if (floatLow & 1) return;
  const high = subtract(floatHigh, floatLow, 0, 1);
  float_set(floatExponent, high, low);
}

/** The square of a number below 1, as a fixed-point number with 128 bits of fraction; the low half is in `low`. */
export function square(exponent: i32, high: u64, lowHalf: u64): u64 {
  const product = multiply_fraction(high, lowHalf, high, lowHalf);
  return shift_right_sticky(product, low, -2 - 2 * exponent);
}

/** Sets the last result, which is not exact, as the rounded result of the instruction. */
export function set_float(sign: i32): void {
  set_rounded(sign, floatExponent + BIAS, floatHigh, floatLow | 1, 64);
}
