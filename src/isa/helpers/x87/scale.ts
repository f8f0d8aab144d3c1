// FRNDINT, FSCALE and FXTRACT. [SDM 2A]
import { FSW_C1, FSW_ZE } from "../layout.generated.ts";
import { commit, is_stopped, signal, signal_inexact, signal_stack_underflow } from "./exceptions.ts";
import { from_integer, round_to_integer } from "./integer.ts";
import { isInexact, isUp, rounded, set_rounded } from "./rounding.ts";
import { has_room, is_empty, push, set_register, sign_exponent, significand } from "./stack.ts";
import {
  BIAS,
  decide_nan,
  decides_nan,
  EXPONENT,
  exponent,
  INDEFINITE,
  INDEFINITE_SE,
  is_denormal,
  is_infinite,
  normalized,
  result,
  resultSE,
  set_infinity,
  set_invalid,
  set_operand,
  set_result,
  set_zero,
  SIGN,
  stops_denormal,
} from "./value.ts";

/** FRNDINT: the result is the value rounded to an integer. */
export function round_value(se: i32, sig: u64): void {
  if (decides_nan(se, sig) || stops_denormal(is_denormal(se, sig))) return;
  if (!sig || (se & EXPONENT) >= BIAS + 63) return set_result(se, sig);
  round_to_integer(se, sig, false);
  if (isInexact) signal_inexact(isUp);
  if (!rounded) return set_zero(se & SIGN);
  set_result((se & SIGN) | (BIAS + 63 - (clz(rounded) as i32)), normalized(rounded));
}

/** Beyond this every scaled number overflows or underflows. */
const MOST: i32 = 0x10000;

/** A value truncated to an integer, within -MOST to MOST. */
function truncated(se: i32, sig: u64): i32 {
  const places = exponent(se, sig) - BIAS;
  const magnitude = !sig || places < 0 ? 0 : places > 16 ? MOST : ((normalized(sig) >> (63 - places)) as i32);
  return se & SIGN ? -magnitude : magnitude;
}

/** FSCALE: the result is a times 2 to the truncated b. */
export function scale(aSE: i32, a: u64, bSE: i32, b: u64): void {
  if (decide_nan(aSE, a, bSE, b)) return;
  const sign = aSE & SIGN;
  const up = is_infinite(bSE, b) && !(bSE & SIGN);
  const down = is_infinite(bSE, b) && (bSE & SIGN) != 0;
  if ((up && !a) || (down && is_infinite(aSE, a))) return set_invalid();
  if (stops_denormal(is_denormal(aSE, a) || is_denormal(bSE, b))) return;
  if (up || is_infinite(aSE, a)) return set_infinity(sign);
  if (down || !a) return set_zero(sign);
  if (!b) return set_operand(aSE, a);
  set_rounded(sign, exponent(aSE, a) + truncated(bSE, b), normalized(a), 0, 64);
}

/** FXTRACT: ST(0) := exponent, then pushes the significand. */
export function extract(cpu: i32): void {
  if (is_empty(cpu, 0)) {
    signal_stack_underflow();
    if (!is_stopped()) replace_and_push(cpu, INDEFINITE_SE, INDEFINITE, INDEFINITE_SE, INDEFINITE);
  } else if (has_room(cpu)) extract_from(cpu, sign_exponent(cpu, 0), significand(cpu, 0));
  else if (!is_stopped()) set_register(cpu, 1, INDEFINITE_SE, INDEFINITE);
  commit(cpu, FSW_C1);
}

function extract_from(cpu: i32, se: i32, sig: u64): void {
  if (decides_nan(se, sig)) {
    if (!is_stopped()) replace_and_push(cpu, resultSE, result, resultSE, result);
  } else if (is_infinite(se, sig)) replace_and_push(cpu, EXPONENT, sig, se, sig);
  else if (!sig) {
    signal(FSW_ZE);
    set_infinity(SIGN);
    if (!is_stopped()) replace_and_push(cpu, resultSE, result, se, sig);
  } else if (!stops_denormal(is_denormal(se, sig))) {
    from_integer((exponent(se, sig) - BIAS) as i64);
    replace_and_push(cpu, resultSE, result, (se & SIGN) | BIAS, normalized(sig));
  }
}

/** ST(0) := a, then pushes b. */
function replace_and_push(cpu: i32, aSE: i32, a: u64, bSE: i32, b: u64): void {
  set_register(cpu, 0, aSE, a);
  push(cpu, bSE, b);
}
