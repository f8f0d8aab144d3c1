// The classes of 80-bit values and the rules for NaNs. [SDM 1 4.8.3, 8.2.2]
// A value is the 16 bits of sign and biased exponent (`se`), and the significand with its explicit integer bit.
import { FSW_DE, FSW_IE } from "../layout.generated.ts";
import { is_stopped, signal } from "./exceptions.ts";

/** Sign, exponent and significand of the instruction's result. */
export let resultSE: i32 = 0;
export let result: u64 = 0;

export const SIGN: i32 = 0x8000;
export const EXPONENT: i32 = 0x7fff;
export const BIAS: i32 = 16383;
export const INTEGER_BIT: u64 = 1 << 63;
export const QUIET_BIT: u64 = 1 << 62;
/** The real indefinite: what a masked invalid operation gives. */
export const INDEFINITE: u64 = INTEGER_BIT | QUIET_BIT;
export const INDEFINITE_SE: i32 = 0xffff;

/** Sets the result. */
export function set_result(se: i32, sig: u64): void {
  resultSE = se;
  result = sig;
}

/** The result is a finite operand as it is; a pseudo-denormal gets its proper exponent. */
export function set_operand(se: i32, sig: u64): void {
  set_result(se & EXPONENT ? se : se | ((sig >> 63) as i32), sig);
}

/** The result is the real indefinite. */
export function set_indefinite(): void {
  set_result(INDEFINITE_SE, INDEFINITE);
}

/** The result is an infinity. */
export function set_infinity(sign: i32): void {
  set_result(sign | EXPONENT, INTEGER_BIT);
}

/** The result is a zero. */
export function set_zero(sign: i32): void {
  set_result(sign, 0);
}

/** An invalid operation whose masked result is the indefinite. */
export function set_invalid(): void {
  signal(FSW_IE);
  set_indefinite();
}

/** Neither zero, denormal, infinity, NaN nor unsupported. */
export function is_normal(se: i32, sig: u64): bool {
  return ((se + 1) & EXPONENT) > 1 && (sig as i64) < 0;
}

/** Unnormals, pseudo-infinities and pseudo-NaNs. */
export function is_unsupported(se: i32, sig: u64): bool {
  return (se & EXPONENT) != 0 && (sig as i64) >= 0;
}

/** A NaN, given that the value is supported. */
export function is_nan(se: i32, sig: u64): bool {
  return (se & EXPONENT) == EXPONENT && sig << 1 != 0;
}

/** An infinity, given that the value is supported. */
export function is_infinite(se: i32, sig: u64): bool {
  return (se & EXPONENT) == EXPONENT && sig << 1 == 0;
}

/** A signalling NaN, given that the value is a NaN. */
function is_signalling(sig: u64): bool {
  return !(sig & QUIET_BIT);
}

/** A denormal or pseudo-denormal. */
export function is_denormal(se: i32, sig: u64): bool {
  return !(se & EXPONENT) && sig != 0;
}

/** Biased exponent of the normalized significand of a finite value other than 0. */
export function exponent(se: i32, sig: u64): i32 {
  const biased = se & EXPONENT;
  return biased ? biased : 1 - (clz(sig) as i32);
}

/** The significand with its leading 1 on top. */
export function normalized(sig: u64): u64 {
  return sig << clz(sig);
}

/** Whether the one operand decides the result: unsupported or a NaN. */
export function decides_nan(se: i32, sig: u64): bool {
  if (is_unsupported(se, sig)) {
    set_invalid();
    return true;
  }
  if (!is_nan(se, sig)) return false;
  if (is_signalling(sig)) signal(FSW_IE);
  set_result(se, sig | QUIET_BIT);
  return true;
}

/** The same for two operands. [SDM 1 table 4-7] */
export function decide_nan(aSE: i32, a: u64, bSE: i32, b: u64): bool {
  if (is_unsupported(aSE, a) || is_unsupported(bSE, b)) {
    set_invalid();
    return true;
  }
  const aNan = is_nan(aSE, a);
  const bNan = is_nan(bSE, b);
  if (!aNan && !bNan) return false;
  if ((aNan && is_signalling(a)) || (bNan && is_signalling(b))) signal(FSW_IE);
  if (takes_first(aNan, aSE, a, bNan, bSE, b)) set_result(aSE, a | QUIET_BIT);
  else set_result(bSE, b | QUIET_BIT);
  return true;
}

/** A quiet NaN before a signalling one, then the larger significand, then the positive sign. */
function takes_first(aNan: bool, aSE: i32, a: u64, bNan: bool, bSE: i32, b: u64): bool {
  if (!aNan || !bNan) return aNan;
  if (is_signalling(a) != is_signalling(b)) return !is_signalling(a);
  return a == b ? aSE < bSE : a > b;
}

/** Signals a denormal operand; whether that ends the instruction. */
export function stops_denormal(denormal: bool): bool {
  if (denormal) signal(FSW_DE);
  return is_stopped();
}
