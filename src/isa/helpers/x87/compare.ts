// Comparison and classification. [SDM 1 8.3.6, 8.3.7]
import {
  EFLAGS_CF,
  EFLAGS_PF,
  EFLAGS_ZF,
  FSW_C0,
  FSW_C1,
  FSW_C2,
  FSW_C3,
  FSW_conditions,
  FSW_IE,
} from "../layout.generated.ts";
import { begin, commit, is_stopped, signal, signal_stack_underflow } from "./exceptions.ts";
import { from_integer } from "./integer.ts";
import { wasDenormal, widen_double, widen_single } from "./real.ts";
import { is_empty, pop, sign_exponent, significand } from "./stack.ts";
import {
  EXPONENT,
  exponent,
  is_denormal,
  is_infinite,
  is_nan,
  is_unsupported,
  normalized,
  QUIET_BIT,
  result,
  resultSE,
  SIGN,
  stops_denormal,
} from "./value.ts";

const LESS: i32 = FSW_C0;
const GREATER: i32 = 0;
const EQUAL: i32 = FSW_C3;
const UNORDERED: i32 = FSW_C3 | FSW_C2 | FSW_C0;

/** Condition codes of the comparison of two values; a quiet one is invalid only for signalling NaNs. */
function compare(aSE: i32, a: u64, bSE: i32, b: u64, quiet: bool, denormal: bool): i32 {
  if (is_unsupported(aSE, a) || is_unsupported(bSE, b)) return unordered(true);
  const aNan = is_nan(aSE, a);
  const bNan = is_nan(bSE, b);
  const signalling = (aNan && !(a & QUIET_BIT)) || (bNan && !(b & QUIET_BIT));
  if (aNan || bNan) return unordered(signalling || !quiet);
  stops_denormal(denormal || is_denormal(aSE, a) || is_denormal(bSE, b));
  if (!(a | b)) return EQUAL;
  if ((aSE ^ bSE) & SIGN) return aSE & SIGN ? LESS : GREATER;
  const magnitudes = compare_magnitudes(aSE, a, bSE, b);
  return magnitudes != EQUAL && aSE & SIGN ? LESS - magnitudes : magnitudes;
}

function unordered(invalid: bool): i32 {
  if (invalid) signal(FSW_IE);
  return UNORDERED;
}

function compare_magnitudes(aSE: i32, a: u64, bSE: i32, b: u64): i32 {
  const ea = exponent(aSE, a);
  const eb = exponent(bSE, b);
  if (ea != eb) return ea < eb ? LESS : GREATER;
  if (normalized(a) == normalized(b)) return EQUAL;
  return normalized(a) < normalized(b) ? LESS : GREATER;
}

/** Compares ST(0) with a value, unless ST(0) is empty. */
function compare_top(cpu: i32, se: i32, sig: u64, quiet: bool, denormal: bool): i32 {
  if (!is_empty(cpu, 0)) return compare(sign_exponent(cpu, 0), significand(cpu, 0), se, sig, quiet, denormal);
  signal_stack_underflow();
  return UNORDERED;
}

function compare_registers(cpu: i32, i: i32, quiet: bool): i32 {
  if (!is_empty(cpu, i)) return compare_top(cpu, sign_exponent(cpu, i), significand(cpu, i), quiet, false);
  signal_stack_underflow();
  return UNORDERED;
}

/** Sets the condition codes, even when the exception is reported, and pops. */
function finish_comparison(cpu: i32, codes: i32, pops: i32): void {
  signal(codes);
  if (!is_stopped()) pop(cpu, pops);
  commit(cpu, FSW_conditions);
}

/** FCOM, FUCOM (quiet) of ST(0) and ST(i). */
export function x87_compare_register(cpu: i32, i: i32, quiet: i32, pops: i32): void {
  begin(cpu);
  finish_comparison(cpu, compare_registers(cpu, i, quiet != 0), pops);
}

/** FCOM of ST(0) and a single. */
export function x87_compare_single(cpu: i32, bits: i32, pops: i32): void {
  begin(cpu);
  widen_single(bits);
  finish_comparison(cpu, compare_top(cpu, resultSE, result, false, wasDenormal), pops);
}

/** FCOM of ST(0) and a double. */
export function x87_compare_double(cpu: i32, bits: u64, pops: i32): void {
  begin(cpu);
  widen_double(bits);
  finish_comparison(cpu, compare_top(cpu, resultSE, result, false, wasDenormal), pops);
}

/** FICOM of ST(0) and a sign-extended integer. */
export function x87_compare_integer(cpu: i32, value: i64, pops: i32): void {
  begin(cpu);
  from_integer(value);
  finish_comparison(cpu, compare_top(cpu, resultSE, result, false, false), pops);
}

/** FCOMI, FUCOMI (quiet) of ST(0) and ST(i): the arithmetic flags afterwards. */
export function x87_compare_flags(cpu: i32, i: i32, quiet: i32, pops: i32): i32 {
  begin(cpu);
  const codes = compare_registers(cpu, i, quiet != 0);
  if (!is_stopped()) pop(cpu, pops);
  commit(cpu, 0);
  return (codes & FSW_C0 ? EFLAGS_CF : 0) | (codes & FSW_C2 ? EFLAGS_PF : 0) | (codes & FSW_C3 ? EFLAGS_ZF : 0);
}

/** FTST */
export function compare_with_zero(cpu: i32): void {
  finish_comparison(cpu, compare_top(cpu, 0, 0, false, false), 0);
}

/** FXAM: C3, C2 and C0 are the class, C1 the sign, of ST(0) even when it is empty. [SDM 2A FXAM] */
export function examine(cpu: i32): void {
  const se = sign_exponent(cpu, 0);
  signal(se & SIGN ? FSW_C1 : 0);
  signal(is_empty(cpu, 0) ? FSW_C3 | FSW_C0 : class_of(se, significand(cpu, 0)));
  commit(cpu, FSW_conditions);
}

function class_of(se: i32, sig: u64): i32 {
  if (is_unsupported(se, sig)) return 0;
  if (is_nan(se, sig)) return FSW_C0;
  if (is_infinite(se, sig)) return FSW_C2 | FSW_C0;
  if (se & EXPONENT) return FSW_C2;
  return sig ? FSW_C3 | FSW_C2 : FSW_C3;
}
