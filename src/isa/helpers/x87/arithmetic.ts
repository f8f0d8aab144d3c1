// FADD, FSUB, FMUL, FDIV and FSQRT, exact before their one rounding. [SDM 1 8.3.5]
import { FSW_ZE, RC_down } from "../layout.generated.ts";
import { udiv128 } from "../divide.ts";
import { precision, rounding, signal } from "./exceptions.ts";
import { set_rounded } from "./rounding.ts";
import {
  BIAS,
  decide_nan,
  decides_nan,
  EXPONENT,
  exponent,
  is_denormal,
  is_infinite,
  is_normal,
  normalized,
  set_infinity,
  set_invalid,
  set_result,
  set_zero,
  SIGN,
  stops_denormal,
} from "./value.ts";
import { is_less, leading_zeros, low, multiply, shift_left, shift_right_sticky, subtract } from "./wide.ts";

/** A memory operand was denormal in its own format. */
let sourceDenormal: bool = false;

/** The operation in ModRM.reg of D8 and DC: 0 ADD, 1 MUL, 4 SUB, 5 SUBR, 6 DIV, 7 DIVR. */
export function compute(operation: i32, aSE: i32, a: u64, bSE: i32, b: u64, denormal: bool): void {
  sourceDenormal = denormal;
  switch (operation) {
    case 0:
      return sum(aSE, a, bSE, b);
    case 1:
      return product(aSE, a, bSE, b);
    case 4:
      return difference(aSE, a, bSE, b);
    case 5:
      return difference(bSE, b, aSE, a);
    case 6:
      return quotient(aSE, a, bSE, b);
    default:
      return quotient(bSE, b, aSE, a);
  }
}

function stops_denormals(aSE: i32, a: u64, bSE: i32, b: u64): bool {
  return stops_denormal(sourceDenormal || is_denormal(aSE, a) || is_denormal(bSE, b));
}

function are_normal(aSE: i32, a: u64, bSE: i32, b: u64): bool {
  return !sourceDenormal && is_normal(aSE, a) && is_normal(bSE, b);
}

/** A NaN keeps its sign when it is subtracted. */
function difference(aSE: i32, a: u64, bSE: i32, b: u64): void {
  if (!are_normal(aSE, a, bSE, b) && decide_nan(aSE, a, bSE, b)) return;
  sum(aSE, a, bSE ^ SIGN, b);
}

function sum(aSE: i32, a: u64, bSE: i32, b: u64): void {
  if (!are_normal(aSE, a, bSE, b) && decide_sum(aSE, a, bSE, b)) return;
  const ea = exponent(aSE, a);
  const eb = exponent(bSE, b);
  if (ea > eb || (ea == eb && normalized(a) >= normalized(b)))
    add_smaller(aSE, ea, normalized(a), bSE, ea - eb, normalized(b));
  else add_smaller(bSE, eb, normalized(b), aSE, eb - ea, normalized(a));
}

/** Sums of NaNs, infinities and zeros. */
function decide_sum(aSE: i32, a: u64, bSE: i32, b: u64): bool {
  if (decide_nan(aSE, a, bSE, b)) return true;
  const aInfinite = is_infinite(aSE, a);
  const bInfinite = is_infinite(bSE, b);
  if (aInfinite && bInfinite && aSE != bSE) {
    set_invalid();
    return true;
  }
  if (stops_denormals(aSE, a, bSE, b)) return true;
  if (aInfinite) set_result(aSE, a);
  else if (bInfinite) set_result(bSE, b);
  else if (!(a | b)) set_zero(aSE == bSE ? aSE & SIGN : exact_zero_sign());
  else if (!b) set_rounded(aSE & SIGN, exponent(aSE, a), normalized(a), 0, precision());
  else if (!a) set_rounded(bSE & SIGN, exponent(bSE, b), normalized(b), 0, precision());
  else return false;
  return true;
}

/** Sign of a zero that is the difference of equal numbers. */
function exact_zero_sign(): i32 {
  return rounding() == RC_down ? SIGN : 0;
}

/** Adds a number whose magnitude is not greater. */
function add_smaller(aSE: i32, exponent: i32, a: u64, bSE: i32, distance: i32, b: u64): void {
  const sign = aSE & SIGN;
  const bHigh = shift_right_sticky(b, 0, distance);
  if (sign == (bSE & SIGN)) return add_magnitudes(sign, exponent, a, bHigh, low);
  const high = subtract(a, 0, bHigh, low);
  if (!(high | low)) return set_zero(exact_zero_sign());
  const shift = leading_zeros(high, low);
  const shifted = shift_left(high, low, shift);
  set_rounded(sign, exponent - shift, shifted, low, precision());
}

function add_magnitudes(sign: i32, exponent: i32, a: u64, bHigh: u64, bLow: u64): void {
  const high = a + bHigh;
  if (high >= a) return set_rounded(sign, exponent, high, bLow, precision());
  const shifted = shift_right_sticky(high, bLow, 1);
  set_rounded(sign, exponent + 1, shifted | (1 << 63), low, precision());
}

function product(aSE: i32, a: u64, bSE: i32, b: u64): void {
  const sign = (aSE ^ bSE) & SIGN;
  if (!are_normal(aSE, a, bSE, b) && decide_product(sign, aSE, a, bSE, b)) return;
  const biased = exponent(aSE, a) + exponent(bSE, b) - BIAS + 1;
  const high = multiply(normalized(a), normalized(b));
  if ((high as i64) < 0) return set_rounded(sign, biased, high, low, precision());
  const shifted = shift_left(high, low, 1);
  set_rounded(sign, biased - 1, shifted, low, precision());
}

function decide_product(sign: i32, aSE: i32, a: u64, bSE: i32, b: u64): bool {
  if (decide_nan(aSE, a, bSE, b)) return true;
  const infinite = is_infinite(aSE, a) || is_infinite(bSE, b);
  const zero = !a || !b;
  if (infinite && zero) {
    set_invalid();
    return true;
  }
  if (stops_denormals(aSE, a, bSE, b)) return true;
  if (infinite) set_infinity(sign);
  else if (zero) set_zero(sign);
  return infinite || zero;
}

function quotient(aSE: i32, a: u64, bSE: i32, b: u64): void {
  const sign = (aSE ^ bSE) & SIGN;
  if (!are_normal(aSE, a, bSE, b) && decide_quotient(sign, aSE, a, bSE, b)) return;
  const dividend = normalized(a);
  const divisor = normalized(b);
  const biased = exponent(aSE, a) - exponent(bSE, b) + BIAS;
  if (dividend < divisor) divide(sign, biased - 1, dividend, 0, divisor);
  else divide(sign, biased, dividend >> 1, dividend << 63, divisor);
}

/** Sets the rounded quotient of high:low, which has its top bit in the first 64. */
function divide(sign: i32, biased: i32, high: u64, lowHalf: u64, divisor: u64): void {
  const whole = udiv128(0, high, lowHalf, divisor);
  const rest = lowHalf - whole * divisor;
  // less than, equal to or more than half a unit
  let fraction: u64 = rest ? 1 : 0;
  if (rest >= divisor - rest) fraction |= 1 << 63;
  set_rounded(sign, biased, whole, fraction, precision());
}

function decide_quotient(sign: i32, aSE: i32, a: u64, bSE: i32, b: u64): bool {
  if (decide_nan(aSE, a, bSE, b)) return true;
  const aInfinite = is_infinite(aSE, a);
  const bInfinite = is_infinite(bSE, b);
  if ((aInfinite && bInfinite) || !(a | b)) {
    set_invalid();
    return true;
  }
  if (!b && !aInfinite) {
    signal(FSW_ZE);
    set_infinity(sign);
    return true;
  }
  if (stops_denormals(aSE, a, bSE, b)) return true;
  if (aInfinite) set_infinity(sign);
  else if (bInfinite || !a) set_zero(sign);
  else return false;
  return true;
}

/** FSQRT */
export function square_root(se: i32, sig: u64): void {
  if (!is_normal(se, sig) || se & SIGN) {
    if (decides_nan(se, sig)) return;
    if (!sig) return set_zero(se & SIGN);
    if (se & SIGN) return set_invalid();
    if (stops_denormal(is_denormal(se, sig))) return;
    if ((se & EXPONENT) == EXPONENT) return set_infinity(0);
  }
  const unbiased = exponent(se, sig) - BIAS;
  const m = normalized(sig);
  if (unbiased & 1) root(((unbiased - 1) >> 1) + BIAS, m, 0);
  else root((unbiased >> 1) + BIAS, m >> 1, m << 63);
}

/** Sets the rounded square root of high:low; its first bit is that of one of the first two. */
function root(biased: i32, high: u64, lowHalf: u64): void {
  let restHigh: u64 = 0;
  let rest: u64 = 0;
  let whole: u64 = 0;
  for (let i = 0; i < 64; i++) {
    restHigh = (restHigh << 2) | (rest >> 62);
    rest = (rest << 2) | (high >> 62);
    high = (high << 2) | (lowHalf >> 62);
    lowHalf <<= 2;
    const trialHigh = whole >> 62;
    const trial = (whole << 2) | 1;
    whole <<= 1;
    if (is_less(restHigh, rest, trialHigh, trial)) continue;
    restHigh = subtract(restHigh, rest, trialHigh, trial);
    rest = low;
    whole |= 1;
  }
  // (whole + 1/2)^2 = whole^2 + whole + 1/4
  const above = restHigh != 0 || rest > whole;
  const fraction: u64 = restHigh | rest ? 1 : 0;
  set_rounded(0, biased, whole, above ? fraction | (1 << 63) : fraction, precision());
}
