// FYL2X and FYL2XP1. [SDM 2A]
import { FSW_PE, FSW_UE, FSW_ZE } from "../layout.generated.ts";
import { signal } from "./exceptions.ts";
import { set_rounded } from "./rounding.ts";
import {
  BIAS,
  decide_nan,
  EXPONENT,
  exponent,
  is_denormal,
  is_infinite,
  normalized,
  resultSE,
  set_infinity,
  set_invalid,
  set_operand,
  set_zero,
  SIGN,
  stops_denormal,
} from "./value.ts";
import {
  add,
  divide_small,
  low,
  multiply,
  multiply_fraction,
  shift_left,
  shift_right_sticky,
  subtract,
} from "./wide.ts";
import {
  float_divide,
  float_fixed,
  float_multiply,
  float_set,
  floatExponent,
  floatHigh,
  floatLow,
  ONE,
  set_float,
  square,
} from "./wide-float.ts";

/** log2(e), times 2^127. */
const LOG2E_HIGH: u64 = 0xb8aa3b295c17f0bb;
const LOG2E_LOW: u64 = 0xbe87fed0691d3e88;

/** The square root of 2, times 2^63. */
const SQRT2: u64 = 0xb504f333f9de6484;

/** Sign of the last logarithm, whose magnitude is the wide float. */
let logarithmSign: i32 = 0;

/** Terms of the series of the inverse hyperbolic tangent: 0.172^50 is below 2^-127. */
const TERMS: i32 = 25;

/**
 * log2(1 + u) for the last wide float u, or -u, from sqrt(1/2) - 1 to sqrt(2) - 1, with its relative precision:
 * 2 log2(e) artanh(u / (2 + u)).
 */
function logarithm_near_one(sign: i32): void {
  const e = floatExponent;
  const high = floatHigh;
  const rest = floatLow;
  // 2 + u with 126 bits of fraction
  const u = float_fixed(126);
  const sum = sign ? subtract(ONE, 0, u, low) : add(ONE, 0, u, low);
  float_set(1, sum, low);
  float_divide(e, high, rest, floatExponent, floatHigh, floatLow);
  multiply_by_series();
  float_multiply(floatExponent, floatHigh, floatLow, 1, LOG2E_HIGH, LOG2E_LOW);
  logarithmSign = sign;
}

/** z := artanh(z) for the wide float. */
function multiply_by_series(): void {
  const squareHigh = square(floatExponent, floatHigh, floatLow);
  const squareLow = low;
  let high: u64 = 0;
  let rest: u64 = 0;
  for (let k = TERMS; k >= 0; k--) {
    const product = multiply_fraction(squareHigh, squareLow, high, rest);
    const productLow = low;
    const term = divide_small(ONE, 0, (2 * k + 1) as u64);
    high = add(term, low, product, productLow);
    rest = low;
  }
  float_multiply(floatExponent, floatHigh, floatLow, 0, high, rest);
}

/** log2 of significand * 2^whole; false if that is exactly `whole`. */
function logarithm(whole: i32, high: u64, rest: u64): bool {
  if (high == ONE && !rest) return false;
  const upper = high >= SQRT2;
  // significand - 1, or 1 - significand / 2
  if (upper) {
    const difference = subtract(0, 0, high, rest);
    float_set(-1, difference, low);
    whole++;
  } else {
    const difference = subtract(high, rest, ONE, 0);
    float_set(0, difference, low);
  }
  logarithm_near_one(upper ? SIGN : 0);
  if (whole) add_whole(whole);
  return true;
}

/** Adds an integer other than 0, whose magnitude exceeds the logarithm's. */
function add_whole(whole: i32): void {
  const fraction = float_fixed(112);
  const fractionLow = low;
  const sign = whole < 0 ? SIGN : 0;
  const magnitude = (whole < 0 ? -whole : whole) as u64;
  const high = shift_left(0, magnitude, 112);
  const sum =
    sign == logarithmSign ? add(high, low, fraction, fractionLow) : subtract(high, low, fraction, fractionLow);
  float_set(127 - 112, sum, low);
  logarithmSign = sign;
}

/** The result is y times the last logarithm. */
function set_product(ySE: i32, y: u64): void {
  float_multiply(floatExponent, floatHigh, floatLow, exponent(ySE, y) - BIAS, normalized(y), 0);
  set_float((ySE & SIGN) ^ logarithmSign);
}

/** The result is y times an integer, exact but for its rounding; the processor says that it is not. */
function set_integer_product(ySE: i32, y: u64, whole: i32): void {
  const sign = (ySE & SIGN) ^ (whole < 0 ? SIGN : 0);
  if (!whole) return set_zero(sign);
  const magnitude = (whole < 0 ? -whole : whole) as u64;
  const product = multiply(normalized(y), magnitude);
  float_set(64, product, low);
  signal(FSW_PE);
  set_rounded(sign, exponent(ySE, y) + floatExponent, floatHigh, floatLow, 64);
  if (!(resultSE & EXPONENT)) signal(FSW_UE);
}

/** FYL2X: the result is y * log2(x). */
export function scaled_logarithm(xSE: i32, x: u64, ySE: i32, y: u64): void {
  if (decide_nan(xSE, x, ySE, y)) return;
  if (decides_logarithm(xSE, x, ySE, y)) return;
  const whole = exponent(xSE, x) - BIAS;
  if (logarithm(whole, normalized(x), 0)) set_product(ySE, y);
  else set_integer_product(ySE, y, whole);
}

/** Results for infinities and zeros, and invalid operands. */
function decides_logarithm(xSE: i32, x: u64, ySE: i32, y: u64): bool {
  const ySign = ySE & SIGN;
  const isLess = (xSE & ~SIGN) < BIAS;
  const isOne = xSE == BIAS && x == ONE;
  const yInfinite = is_infinite(ySE, y);
  if (x != 0 && xSE & SIGN) set_invalid();
  else if ((!x || is_infinite(xSE, x)) && !y) set_invalid();
  else if (isOne && yInfinite) set_invalid();
  else if (!x && !yInfinite) {
    signal(FSW_ZE);
    set_infinity(ySign ^ SIGN);
  } else if (stops_denormal(is_denormal(xSE, x) || is_denormal(ySE, y))) return true;
  else if (is_infinite(xSE, x) || yInfinite) set_infinity(isLess ? ySign ^ SIGN : ySign);
  else if (!y) set_zero(isLess ? ySign ^ SIGN : ySign);
  else return false;
  return true;
}

/** FYL2XP1: the result is y * log2(1 + x). The manual leaves open what x below -1 gives: itself. */
export function scaled_logarithm_plus_one(xSE: i32, x: u64, ySE: i32, y: u64): void {
  if (decide_nan(xSE, x, ySE, y)) return;
  const sign = (xSE ^ ySE) & SIGN;
  const xInfinite = is_infinite(xSE, x);
  const yInfinite = is_infinite(ySE, y);
  if ((!x && yInfinite) || (xInfinite && (!y || xSE & SIGN))) return set_invalid();
  if (stops_denormal(is_denormal(xSE, x) || is_denormal(ySE, y))) return;
  if (xInfinite || yInfinite) return set_infinity(sign);
  if (!x || !y) return set_zero(sign);
  const unbiased = exponent(xSE, x) - BIAS;
  if (unbiased < -2) {
    float_set(unbiased, normalized(x), 0);
    logarithm_near_one(xSE & SIGN);
    return set_product(ySE, y);
  }
  if (xSE & SIGN && unbiased >= 0) {
    signal(FSW_PE);
    return set_operand(xSE, x);
  }
  set_far_from_one(xSE & SIGN, unbiased, normalized(x), ySE, y);
}

/** The same for x of at least 1/4: 1 + x is formed. */
function set_far_from_one(xSign: i32, unbiased: i32, x: u64, ySE: i32, y: u64): void {
  if (unbiased > 64) float_set(unbiased, x, 1);
  else if (unbiased >= 0) {
    const one = shift_right_sticky(ONE >> 1, 0, unbiased);
    const sum = add(one, low, x >> 1, x << 63);
    float_set(unbiased + 1, sum, low);
  } else {
    const addend = shift_right_sticky(x, 0, -unbiased);
    const sum = xSign ? subtract(ONE, 0, addend, low) : add(ONE, 0, addend, low);
    float_set(0, sum, low);
  }
  const whole = floatExponent;
  if (logarithm(whole, floatHigh, floatLow)) set_product(ySE, y);
  else set_integer_product(ySE, y, whole);
}
