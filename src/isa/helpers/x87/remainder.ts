// FPREM and FPREM1. [SDM 2A]
import { FSW_C0, FSW_C1, FSW_C2, FSW_C3, FSW_conditions } from "../layout.generated.ts";
import { commit, is_stopped, signal } from "./exceptions.ts";
import { set_rounded } from "./rounding.ts";
import { are_present, set_register, sign_exponent, significand } from "./stack.ts";
import {
  decide_nan,
  exponent,
  is_denormal,
  is_infinite,
  normalized,
  result,
  resultSE,
  set_invalid,
  set_operand,
  set_zero,
  SIGN,
  stops_denormal,
} from "./value.ts";

/** Condition codes that the instruction defines: an invalid operation leaves those of the quotient. */
let defined: i32 = 0;

/** A remainder after some bits of the quotient, of which the last three are kept. */
let rest: u64 = 0;
let quotient: i32 = 0;

/** ST(0) := the remainder of ST(0) by ST(1); `nearest`: FPREM1. */
export function remainder(cpu: i32, nearest: bool): void {
  defined = FSW_C1 | FSW_C2;
  if (are_present(cpu, 0, 1)) {
    reduce(sign_exponent(cpu, 0), significand(cpu, 0), sign_exponent(cpu, 1), significand(cpu, 1), nearest);
  }
  if (!is_stopped()) set_register(cpu, 0, resultSE, result);
  commit(cpu, defined);
}

function reduce(aSE: i32, a: u64, bSE: i32, b: u64, nearest: bool): void {
  if (decide_nan(aSE, a, bSE, b)) return;
  if (is_infinite(aSE, a) || !b) return set_invalid();
  if (stops_denormal(is_denormal(aSE, a) || is_denormal(bSE, b))) return;
  defined = FSW_conditions;
  if (!a) return set_zero(aSE & SIGN);
  const biased = exponent(bSE, b);
  const distance = exponent(aSE, a) - biased;
  if (is_infinite(bSE, b)) return set_operand(aSE, a);
  if (nearest && distance == -1 && normalized(a) > normalized(b)) return reduce_once(aSE & SIGN, a, biased, b);
  if (distance < 0) return keep(aSE, a);
  if (distance >= 64) return reduce_partly(aSE & SIGN, a, biased, b, distance);
  divide(normalized(a), normalized(b), distance);
  if (nearest && is_over_half(normalized(b))) set_complement(aSE & SIGN, biased, normalized(b));
  else set_rest(aSE & SIGN, biased);
  signal((quotient & 4 ? FSW_C0 : 0) | (quotient & 2 ? FSW_C3 : 0) | (quotient & 1 ? FSW_C1 : 0));
}

/** The value is its own remainder. */
function keep(se: i32, sig: u64): void {
  set_rounded(se & SIGN, exponent(se, sig), normalized(sig), 0, 64);
}

/** b / 2 < a < b: the nearest quotient is 1. */
function reduce_once(sign: i32, a: u64, biased: i32, b: u64): void {
  rest = 2 * normalized(b) - normalized(a);
  set_rest(sign ^ SIGN, biased - 1);
  signal(FSW_C1);
}

/** Takes 32 to 63 bits off the distance of the exponents. */
function reduce_partly(sign: i32, a: u64, biased: i32, b: u64, distance: i32): void {
  const steps = 32 | (distance & 31);
  divide(normalized(a), normalized(b), steps);
  set_rest(sign, biased + distance - steps);
  signal(FSW_C2);
}

/** Remainder and last bits of the quotient of a * 2^steps by b. */
function divide(a: u64, b: u64, steps: i32): void {
  let carry = false;
  rest = a;
  quotient = 0;
  for (let i = 0; i <= steps; i++) {
    if (i > 0) {
      carry = rest >> 63 != 0;
      rest <<= 1;
    }
    quotient <<= 1;
    if (!carry && rest < b) continue;
    rest -= b;
    quotient |= 1;
  }
}

/** The quotient rounds up: the remainder is over half of b, or half with an odd quotient. */
function is_over_half(b: u64): bool {
  return rest > b - rest || (rest == b - rest && (quotient & 1) != 0);
}

function set_complement(sign: i32, biased: i32, b: u64): void {
  rest = b - rest;
  quotient++;
  set_rest(sign ^ SIGN, biased);
}

function set_rest(sign: i32, biased: i32): void {
  if (!rest) return set_zero(sign);
  set_rounded(sign, biased - (clz(rest) as i32), normalized(rest), 0, 64);
}
