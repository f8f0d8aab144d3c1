// FSIN, FCOS, FSINCOS and FPTAN. [SDM 1 8.3.8, 8.3.10]
import { FSW_C1, FSW_C2 } from "../layout.generated.ts";
import { commit, is_stopped, signal, signal_stack_underflow } from "./exceptions.ts";
import { has_room, is_empty, push, set_register, sign_exponent, significand } from "./stack.ts";
import {
  BIAS,
  decides_nan,
  EXPONENT,
  INDEFINITE,
  INDEFINITE_SE,
  exponent,
  is_denormal,
  is_infinite,
  normalized,
  result,
  resultSE,
  set_invalid,
  set_result,
  set_zero,
  SIGN,
  stops_denormal,
} from "./value.ts";
import { divide_small, is_less, low, multiply_fraction, shift_left, subtract } from "./wide.ts";
import {
  float_divide,
  float_multiply,
  float_set,
  float_step_down,
  floatExponent,
  floatHigh,
  floatLow,
  ONE,
  set_float,
  square,
  TINY,
} from "./wide-float.ts";

// pi as the processor has it, with 66 bits: pi/4 is PI_HIGH:PI_LOW * 2^-66. [SDM 1 8.3.8]
const PI_HIGH: u64 = 3;
const PI_LOW: u64 = 0x243f6a8885a308d3;

/** The reduced argument: a number of at most pi/4, its sign, and the multiple of pi/2 that was taken off. */
let reducedExponent: i32 = 0;
let reducedHigh: u64 = 0;
let reducedLow: u64 = 0;
let reducedSign: i32 = 0;
let quadrant: i32 = 0;

/** Reduces a positive number below 2^63, exactly with respect to the processor's pi. */
function reduce(unbiased: i32, sig: u64): void {
  reducedSign = 0;
  quadrant = 0;
  if (unbiased < -1) return set_reduced(unbiased, sig, 0);
  // in units of 2^-66
  let high = shift_left(0, sig, unbiased < 0 ? 2 : 3);
  let rest = low;
  const piHigh = shift_left(PI_HIGH, PI_LOW, 1);
  const pi = low;
  for (let i = unbiased; i >= 0; i--) {
    quadrant <<= 1;
    if (!is_less(high, rest, piHigh, pi)) {
      high = subtract(high, rest, piHigh, pi);
      rest = low;
      quadrant |= 1;
    }
    if (i == 0) break;
    high = shift_left(high, rest, 1);
    rest = low;
  }
  if (is_less(PI_HIGH, PI_LOW, high, rest)) {
    high = subtract(piHigh, pi, high, rest);
    rest = low;
    quadrant++;
    reducedSign = SIGN;
  }
  set_reduced(127 - 66, high, rest);
}

function set_reduced(exponent: i32, high: u64, lowHalf: u64): void {
  float_set(exponent, high, lowHalf);
  reducedExponent = floatExponent;
  reducedHigh = floatHigh;
  reducedLow = floatLow;
}

/**
 * 1 - x/(f (f+1)) (1 - x/((f+2) (f+3)) (...)) for the square x of the reduced argument: the series of the cosine for
 * f = 1, of the sine over its argument for f = 2. A fixed-point number with 127 bits of fraction, below 1.
 */
function series(first: i32): u64 {
  const squareHigh = square(reducedExponent, reducedHigh, reducedLow);
  const squareLow = low;
  let high = ONE;
  let rest: u64 = 0;
  for (let f = first + 32; f >= first; f -= 2) {
    const product = multiply_fraction(squareHigh, squareLow, high, rest);
    const term = divide_small(product, low, (f * (f + 1)) as u64);
    high = subtract(ONE, 0, term, low);
    rest = low;
  }
  if (high == ONE) return subtract(ONE, 0, 0, 1);
  low = rest;
  return high;
}

/** Sets the wide float to the sine of the reduced argument. */
function sine_of_reduced(): void {
  const high = series(2);
  float_multiply(reducedExponent, reducedHigh, reducedLow, 0, high, low);
}

/** Sets the wide float to the cosine of the reduced argument. */
function cosine_of_reduced(): void {
  const high = series(1);
  float_set(0, high, low);
}

/** The result is the sine of the reduced argument in a quadrant, for a sign of the whole argument. */
function set_sine(sign: i32, quarter: i32): void {
  if (quarter & 1) cosine_of_reduced();
  else {
    sine_of_reduced();
    sign ^= reducedSign;
  }
  set_float(quarter & 2 ? sign ^ SIGN : sign);
}

/** The tangent of a tiny argument is a little above it, its cotangent a little below 1 / it. */
function tiny_tangent(): void {
  if (quadrant & 1) {
    float_divide(0, ONE, 0, reducedExponent, reducedHigh, reducedLow);
    float_step_down();
  } else float_set(reducedExponent, reducedHigh, reducedLow);
}

/** Sets the wide float to the magnitude of the tangent. */
function tangent_of_reduced(): void {
  if (reducedExponent < TINY) return tiny_tangent();
  sine_of_reduced();
  const e = floatExponent;
  const high = floatHigh;
  const rest = floatLow;
  cosine_of_reduced();
  if (quadrant & 1) float_divide(floatExponent, floatHigh, floatLow, e, high, rest);
  else float_divide(e, high, rest, floatExponent, floatHigh, floatLow);
}

function set_tangent(sign: i32): void {
  tangent_of_reduced();
  set_float(quadrant & 1 ? sign ^ reducedSign ^ SIGN : sign ^ reducedSign);
}

/** 2^63 and more is left as it is, with C2 set. */
function is_too_large(se: i32): bool {
  const biased = se & EXPONENT;
  return biased >= BIAS + 63 && biased != EXPONENT;
}

/** Results for NaNs, infinities and reported denormals. */
function decides(se: i32, sig: u64): bool {
  if (decides_nan(se, sig)) return true;
  if (is_infinite(se, sig)) {
    set_invalid();
    return true;
  }
  return stops_denormal(is_denormal(se, sig));
}

function reduce_operand(se: i32, sig: u64): void {
  reduce(exponent(se, sig) - BIAS, normalized(sig));
}

/** FSIN (quarters 0) or FCOS (quarters 1). */
export function sine(cpu: i32, quarters: i32): void {
  if (is_empty(cpu, 0)) {
    signal_stack_underflow();
    set_result(INDEFINITE_SE, INDEFINITE);
  } else set_sine_of(sign_exponent(cpu, 0), significand(cpu, 0), quarters);
  if (!is_stopped()) set_register(cpu, 0, resultSE, result);
  commit(cpu, FSW_C1 | FSW_C2);
}

function set_sine_of(se: i32, sig: u64, quarters: i32): void {
  if (is_too_large(se) && (sig as i64) < 0) {
    signal(FSW_C2);
    return set_result(se, sig);
  }
  if (decides(se, sig)) return;
  if (!sig) return quarters ? set_result(BIAS, ONE) : set_zero(se & SIGN);
  reduce_operand(se, sig);
  // the cosine is even
  set_sine(quarters ? 0 : se & SIGN, quadrant + quarters);
}

/** FSINCOS (tangent false): ST(0) := sine, then pushes the cosine; FPTAN: ST(0) := tangent, then pushes 1. */
export function sine_and_cosine(cpu: i32, tangent: bool): void {
  if (is_empty(cpu, 0)) {
    signal_stack_underflow();
    replace_and_push(cpu, INDEFINITE_SE, INDEFINITE, INDEFINITE_SE, INDEFINITE);
  } else if (!has_room(cpu)) {
    if (!is_stopped()) set_register(cpu, 1, INDEFINITE_SE, INDEFINITE);
  } else if (is_too_large(sign_exponent(cpu, 0)) && (significand(cpu, 0) as i64) < 0) signal(FSW_C2);
  else replace_by_both(cpu, sign_exponent(cpu, 0), significand(cpu, 0), tangent);
  commit(cpu, FSW_C1 | FSW_C2);
}

/** ST(0) := a, then pushes b, unless an exception forbids it. */
function replace_and_push(cpu: i32, aSE: i32, a: u64, bSE: i32, b: u64): void {
  if (is_stopped()) return;
  set_register(cpu, 0, aSE, a);
  push(cpu, bSE, b);
}

function replace_by_both(cpu: i32, se: i32, sig: u64, tangent: bool): void {
  if (decides(se, sig)) return replace_and_push(cpu, resultSE, result, resultSE, result);
  if (!sig) return replace_and_push(cpu, se, sig, BIAS, ONE);
  reduce_operand(se, sig);
  if (tangent) {
    set_tangent(se & SIGN);
    return replace_and_push(cpu, resultSE, result, BIAS, ONE);
  }
  set_sine(se & SIGN, quadrant);
  const sineSE = resultSE;
  const sineSig = result;
  set_sine(0, quadrant + 1);
  replace_and_push(cpu, sineSE, sineSig, resultSE, result);
}
