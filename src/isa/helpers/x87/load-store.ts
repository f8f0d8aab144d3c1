// Loads, stores and moves within the stack. [SDM 1 8.3.3, 8.3.4]
import { FSW_C1, FSW_DE, RC_nearest, RC_up } from "../layout.generated.ts";
import { trapped } from "../fault.ts";
import { store_slow } from "../mmu.ts";
import { begin, commit, is_stopped, is_store_stopped, rounding, signal, signal_stack_underflow } from "./exceptions.ts";
import { from_decimal, from_integer, to_decimal, to_integer } from "./integer.ts";
import { narrow_double, narrow_single, wasDenormal, widen_double, widen_single } from "./real.ts";
import {
  finish,
  has_room,
  is_empty,
  is_present,
  pop,
  push,
  set_register,
  sign_exponent,
  significand,
} from "./stack.ts";
import {
  BIAS,
  decides_nan,
  EXPONENT,
  INDEFINITE,
  INDEFINITE_SE,
  INTEGER_BIT,
  result,
  resultSE,
  set_result,
  set_zero,
} from "./value.ts";

/** Pushes the result, for which there is room. */
function push_result(cpu: i32): void {
  if (!is_stopped()) push(cpu, resultSE, result);
}

/** Pushes a widened single or double: NaNs become quiet; denormals are reported but pushed all the same. */
function push_widened(cpu: i32): void {
  if ((resultSE & EXPONENT) == EXPONENT) decides_nan(resultSE, result);
  push_result(cpu);
  if (wasDenormal) signal(FSW_DE);
}

/** FLD m32fp */
export function x87_load_single(cpu: i32, bits: i32): void {
  begin(cpu);
  if (has_room(cpu)) {
    widen_single(bits);
    push_widened(cpu);
  }
  commit(cpu, FSW_C1);
}

/** FLD m64fp */
export function x87_load_double(cpu: i32, bits: u64): void {
  begin(cpu);
  if (has_room(cpu)) {
    widen_double(bits);
    push_widened(cpu);
  }
  commit(cpu, FSW_C1);
}

/** FLD m80fp: any bits, as they are. */
export function x87_load_extended(cpu: i32, sig: u64, se: i32): void {
  begin(cpu);
  if (has_room(cpu)) push(cpu, se, sig);
  commit(cpu, FSW_C1);
}

/** FILD of a sign-extended integer. */
export function x87_load_integer(cpu: i32, value: i64): void {
  begin(cpu);
  if (has_room(cpu)) {
    from_integer(value);
    push_result(cpu);
  }
  commit(cpu, FSW_C1);
}

/** FBLD: 16 digits, then 2 digits and the sign. */
export function x87_load_decimal(cpu: i32, digits: u64, top: i32): void {
  begin(cpu);
  if (has_room(cpu)) {
    from_decimal(digits, top);
    push_result(cpu);
  }
  commit(cpu, FSW_C1);
}

/** FLD ST(i) */
export function x87_load_register(cpu: i32, i: i32): void {
  begin(cpu);
  if (!is_present(cpu, i)) push_result(cpu);
  else if (has_room(cpu)) push(cpu, sign_exponent(cpu, i), significand(cpu, i));
  commit(cpu, FSW_C1);
}

/** FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ in the order of their encoding. */
export function x87_load_constant(cpu: i32, n: i32): void {
  begin(cpu);
  if (has_room(cpu)) {
    set_constant(n);
    push_result(cpu);
  }
  commit(cpu, FSW_C1);
}

/** The constants with 64 bits rounded towards 0, and whether the nearest value is the next one. [SDM 1 table 8-11] */
function set_constant(n: i32): void {
  switch (n) {
    case 0:
      return set_result(BIAS, INTEGER_BIT);
    case 1:
      return set_inexact_constant(BIAS + 1, 0xd49a784bcd1b8afe, false);
    case 2:
      return set_inexact_constant(BIAS, 0xb8aa3b295c17f0bb, true);
    case 3:
      return set_inexact_constant(BIAS + 1, 0xc90fdaa22168c234, true);
    case 4:
      return set_inexact_constant(BIAS - 2, 0x9a209a84fbcff798, true);
    case 5:
      return set_inexact_constant(BIAS - 1, 0xb17217f7d1cf79ab, true);
    default:
      return set_zero(0);
  }
}

function set_inexact_constant(se: i32, sig: u64, nearestIsNext: bool): void {
  const mode = rounding();
  set_result(se, mode == RC_up || (mode == RC_nearest && nearestIsNext) ? sig + 1 : sig);
}

/** FST, FSTP ST(i) */
export function x87_store_register(cpu: i32, i: i32, pops: i32): void {
  begin(cpu);
  if (is_present(cpu, 0)) set_result(sign_exponent(cpu, 0), significand(cpu, 0));
  finish(cpu, i, pops);
}

/** D9 D8+i: FSTP that finds no fault with an empty register, which it does not copy. */
export function x87_store_if_present(cpu: i32, i: i32): void {
  begin(cpu);
  if (!is_empty(cpu, 0)) set_register(cpu, i, sign_exponent(cpu, 0), significand(cpu, 0));
  pop(cpu, 1);
  commit(cpu, FSW_C1);
}

/** FXCH ST(i): empty registers become the indefinite. */
export function x87_exchange(cpu: i32, i: i32): void {
  begin(cpu);
  const topEmpty = is_empty(cpu, 0);
  const otherEmpty = is_empty(cpu, i);
  if (topEmpty || otherEmpty) signal_stack_underflow();
  if (!is_stopped()) {
    const se = topEmpty ? INDEFINITE_SE : sign_exponent(cpu, 0);
    const sig = topEmpty ? INDEFINITE : significand(cpu, 0);
    if (otherEmpty) set_register(cpu, 0, INDEFINITE_SE, INDEFINITE);
    else set_register(cpu, 0, sign_exponent(cpu, i), significand(cpu, i));
    set_register(cpu, i, se, sig);
  }
  commit(cpu, FSW_C1);
}

/** FCMOVcc: ST(0) := ST(i) if the condition holds; C1 stays without a stack fault. */
export function x87_move_if(cpu: i32, i: i32, condition: i32): void {
  begin(cpu);
  if (is_present(cpu, 0) && is_present(cpu, i)) {
    const from = condition ? i : 0;
    set_register(cpu, 0, sign_exponent(cpu, from), significand(cpu, from));
    return;
  }
  finish(cpu, 0, 0);
}

/** Formats of x87_store. */
const SINGLE: i32 = 0;
const DOUBLE: i32 = 1;
const EXTENDED: i32 = 2;
const DECIMAL: i32 = 3;

/**
 * Stores ST(0) at a linear address, checked for the write, then pops. `format` is 0 single, 1 double, 2 extended,
 * 3 packed decimal, or the bits of an integer (16, 32, 64), negative to truncate.
 */
export function x87_store(cpu: i32, linear: u64, format: i32, pops: i32): void {
  begin(cpu);
  if (is_empty(cpu, 0)) {
    signal_stack_underflow();
    convert(INDEFINITE_SE, INDEFINITE, format);
  } else convert(sign_exponent(cpu, 0), significand(cpu, 0), format);
  if (!is_store_stopped()) {
    store_slow(cpu, linear, width_of(format), result, resultSE as u64);
    if (trapped(cpu)) return;
    pop(cpu, pops);
  }
  commit(cpu, FSW_C1);
}

function convert(se: i32, sig: u64, format: i32): void {
  switch (format) {
    case SINGLE:
      return narrow_single(se, sig);
    case DOUBLE:
      return narrow_double(se, sig);
    case EXTENDED:
      return set_result(se, sig);
    case DECIMAL:
      return to_decimal(se, sig);
    default:
      return to_integer(se, sig, format < 0 ? -format : format, format < 0);
  }
}

function width_of(format: i32): i32 {
  if (format == SINGLE) return 4;
  if (format == DOUBLE) return 8;
  if (format == EXTENDED || format == DECIMAL) return 10;
  return (format < 0 ? -format : format) >> 3;
}
