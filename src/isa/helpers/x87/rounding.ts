// Rounding of exact or sticky 128-bit significands. [SDM 1 4.8.4, 4.9.1.4, 4.9.1.5]
import { FSW_C1, FSW_OE, FSW_PE, FSW_UE, RC_down, RC_nearest, RC_up } from "../layout.generated.ts";
import { is_masked, rounding, signal, signal_inexact } from "./exceptions.ts";
import { EXPONENT, INTEGER_BIT, set_result } from "./value.ts";
import { low, shift_right_sticky } from "./wide.ts";

/** What is added to or taken from the exponent of a result that is reported as out of range. [SDM 1 8.5.4, 8.5.5] */
const WRAP: i32 = 0x6000;

/** The last rounded significand; a carry out of it leaves the integer bit and 1 in `carry`. */
export let rounded: u64 = 0;
export let carry: i32 = 0;
export let isInexact: bool = false;
export let isUp: bool = false;

const TIE: u64 = 1 << 63;

/** Whether the magnitude grows by one unit: `rest` is what lies behind it, as a fraction of 2^64. */
function grows(sign: i32, odd: bool, rest: u64): bool {
  const mode = rounding();
  if (mode == RC_nearest) return rest > TIE || (rest == TIE && odd);
  if (mode == RC_down) return sign != 0 && rest != 0;
  return mode == RC_up && sign == 0 && rest != 0;
}

/** Rounds high:low to the upper 64 - drop bits. */
export function round(sign: i32, high: u64, lowHalf: u64, drop: i32): void {
  const unit: u64 = (1 as u64) << drop;
  const rest = drop ? (high << (64 - drop)) | (lowHalf ? 1 : 0) : lowHalf;
  rounded = high & ~(unit - 1);
  isInexact = rest != 0;
  isUp = grows(sign, (high & unit) != 0, rest);
  carry = 0;
  if (!isUp) return;
  rounded += unit;
  if (rounded != 0) return;
  rounded = INTEGER_BIT;
  carry = 1;
}

/** Drops the fraction of high:low, whatever the rounding control. */
export function truncate(high: u64, lowHalf: u64): void {
  rounded = high;
  carry = 0;
  isInexact = lowHalf != 0;
  isUp = false;
}

/** Whether overflow gives an infinity rather than the largest finite number. */
export function overflows_to_infinity(sign: i32): bool {
  const mode = rounding();
  return mode == RC_nearest || (sign ? mode == RC_down : mode == RC_up);
}

/**
 * Rounds to `bits` of significand and sets the result. high:low is normalized (its top bit is the integer bit), its
 * last bit sticky; the biased exponent may be out of range.
 */
export function set_rounded(sign: i32, exponent: i32, high: u64, lowHalf: u64, bits: i32): void {
  const drop = 64 - bits;
  round(sign, high, lowHalf, drop);
  const biased = exponent + carry;
  if (biased >= EXPONENT) return overflow(sign, biased, drop);
  if (exponent <= 0) return underflow(sign, exponent, high, lowHalf, drop);
  set_result(sign | biased, rounded);
  if (isInexact) signal_inexact(isUp);
}

function overflow(sign: i32, biased: i32, drop: i32): void {
  signal(FSW_OE);
  const wrapped = biased - WRAP;
  if (!is_masked(FSW_OE) && wrapped < EXPONENT) {
    if (isInexact) signal_inexact(isUp);
    return set_result(sign | wrapped, rounded);
  }
  // only FSCALE goes so far that the reported result does not fit either
  if (!is_masked(FSW_OE) || overflows_to_infinity(sign)) {
    signal(FSW_PE | FSW_C1);
    return set_result(sign | EXPONENT, INTEGER_BIT);
  }
  signal(FSW_PE);
  set_result(sign | (EXPONENT - 1), ~(((1 as u64) << drop) - 1));
}

/** The result is tiny when it is so after rounding as if the exponent had no bounds. */
function underflow(sign: i32, exponent: i32, high: u64, lowHalf: u64, drop: i32): void {
  const tiny = exponent + carry <= 0;
  const wrapped = exponent + carry + WRAP;
  if (tiny && !is_masked(FSW_UE)) {
    signal(FSW_UE);
    if (wrapped <= 0) {
      signal_inexact(false);
      return set_result(sign, 0);
    }
    if (isInexact) signal_inexact(isUp);
    return set_result(sign | wrapped, rounded);
  }
  const shifted = shift_right_sticky(high, lowHalf, 1 - exponent);
  round(sign, shifted, low, drop);
  set_result(sign | ((rounded >> 63) as i32), rounded);
  if (!isInexact) return;
  if (tiny) signal(FSW_UE);
  signal_inexact(isUp);
}
