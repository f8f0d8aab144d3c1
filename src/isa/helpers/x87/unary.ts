// The instructions D9 E0 to D9 FF without operands.
import { angle } from "./arctangent.ts";
import { square_root } from "./arithmetic.ts";
import { compare_with_zero, examine } from "./compare.ts";
import { begin } from "./exceptions.ts";
import { exponential } from "./exponential.ts";
import { scaled_logarithm, scaled_logarithm_plus_one } from "./logarithm.ts";
import { remainder } from "./remainder.ts";
import { extract, round_value, scale } from "./scale.ts";
import { are_present, finish, is_present, sign_exponent, significand } from "./stack.ts";
import { sine, sine_and_cosine } from "./trigonometry.ts";
import { set_result, SIGN } from "./value.ts";

/** Executes the instruction D9 E0 + n. [SDM 2D table A-8] */
export function x87_unary(cpu: i32, n: i32): void {
  begin(cpu);
  switch (n) {
    case 0x04:
      return compare_with_zero(cpu);
    case 0x05:
      return examine(cpu);
    case 0x14:
      return extract(cpu);
    case 0x15:
      return remainder(cpu, true);
    case 0x18:
      return remainder(cpu, false);
    case 0x11:
    case 0x13:
    case 0x19:
    case 0x1d:
      return operate_on_two(cpu, n);
    case 0x12:
      return sine_and_cosine(cpu, true);
    case 0x1b:
      return sine_and_cosine(cpu, false);
    case 0x1e:
      return sine(cpu, 0);
    case 0x1f:
      return sine(cpu, 1);
    default:
      return replace_top(cpu, n);
  }
}

/** FCHS, FABS, F2XM1, FSQRT, FRNDINT: the result takes the place of ST(0). */
function replace_top(cpu: i32, n: i32): void {
  if (is_present(cpu, 0)) {
    const se = sign_exponent(cpu, 0);
    const sig = significand(cpu, 0);
    if (n == 0x00) set_result(se ^ SIGN, sig);
    else if (n == 0x01) set_result(se & ~SIGN, sig);
    else if (n == 0x10) exponential(se, sig);
    else if (n == 0x1a) square_root(se, sig);
    else if (n == 0x1c) round_value(se, sig);
  }
  finish(cpu, 0, 0);
}

/** FSCALE, to ST(0); FYL2X, FYL2XP1 and FPATAN, to ST(1), with a pop. */
function operate_on_two(cpu: i32, n: i32): void {
  if (are_present(cpu, 0, 1)) {
    const aSE = sign_exponent(cpu, 0);
    const a = significand(cpu, 0);
    const bSE = sign_exponent(cpu, 1);
    const b = significand(cpu, 1);
    if (n == 0x1d) scale(aSE, a, bSE, b);
    else if (n == 0x11) scaled_logarithm(aSE, a, bSE, b);
    else if (n == 0x13) angle(bSE, b, aSE, a);
    else scaled_logarithm_plus_one(aSE, a, bSE, b);
  }
  if (n == 0x1d) finish(cpu, 0, 0);
  else finish(cpu, 1, 1);
}
