// The integer and packed decimal formats. [SDM 1 8.1.2, 4.7]
import { FSW_IE } from "../layout.generated.ts";
import { signal, signal_inexact } from "./exceptions.ts";
import { carry, isInexact, isUp, round, rounded, truncate } from "./rounding.ts";
import { BIAS, EXPONENT, exponent, is_unsupported, normalized, set_result, set_zero, SIGN } from "./value.ts";
import { low, shift_right_sticky } from "./wide.ts";

const DECIMAL_LIMIT: u64 = 1000000000000000000;
/** The packed decimal indefinite. */
const DECIMAL_INDEFINITE: u64 = 0xc000000000000000;

/** The result is a signed integer. */
export function from_integer(value: i64): void {
  const sign = value < 0 ? SIGN : 0;
  from_magnitude(sign, value < 0 ? -value : value);
}

function from_magnitude(sign: i32, magnitude: u64): void {
  if (!magnitude) return set_zero(sign);
  set_result(sign | (BIAS + 63 - (clz(magnitude) as i32)), normalized(magnitude));
}

/** The result is a packed decimal of 18 digits: 16 in `digits`, 2 and the sign in `top`. */
export function from_decimal(digits: u64, top: i32): void {
  let magnitude: u64 = (((top >> 4) & 15) * 10 + (top & 15)) as u64;
  for (let shift: u64 = 64; shift > 0; ) {
    shift -= 4;
    magnitude = magnitude * 10 + ((digits >> shift) & 15);
  }
  from_magnitude(top & SIGN, magnitude);
}

/** Rounds a finite value to an integer, whose magnitude is then in `rounded`; false if that has more than 64 bits. */
export function round_to_integer(se: i32, sig: u64, truncates: bool): bool {
  if (!sig) {
    truncate(0, 0);
    return true;
  }
  const distance = BIAS + 63 - exponent(se, sig);
  if (distance < 0) return false;
  const whole = shift_right_sticky(normalized(sig), 0, distance);
  if (truncates) truncate(whole, low);
  else round(se & SIGN, whole, low, 0);
  return carry == 0;
}

/** The result is a value as a signed integer of `bits`, rounded or truncated; out of range: the integer indefinite. */
export function to_integer(se: i32, sig: u64, bits: i32, truncates: bool): void {
  const limit: u64 = (1 as u64) << (bits - 1);
  const most = se & SIGN ? limit : limit - 1;
  if (!is_finite(se, sig) || !round_to_integer(se, sig, truncates) || rounded > most) {
    signal(FSW_IE);
    return set_result(0, 0 - limit);
  }
  if (isInexact) signal_inexact(isUp);
  set_result(0, se & SIGN ? 0 - rounded : rounded);
}

/** The result is a value as a packed decimal: 16 digits, and in the sign's place 2 digits and the sign. */
export function to_decimal(se: i32, sig: u64): void {
  if (!is_finite(se, sig) || !round_to_integer(se, sig, false) || rounded >= DECIMAL_LIMIT) {
    signal(FSW_IE);
    return set_result(0xffff, DECIMAL_INDEFINITE);
  }
  if (isInexact) signal_inexact(isUp);
  let rest = rounded;
  let digits: u64 = 0;
  for (let shift: u64 = 0; shift < 64; shift += 4) {
    digits |= (rest % 10) << shift;
    rest /= 10;
  }
  set_result((se & SIGN) | ((((rest / 10) << 4) | (rest % 10)) as i32), digits);
}

function is_finite(se: i32, sig: u64): bool {
  return (se & EXPONENT) != EXPONENT && !is_unsupported(se, sig);
}
