// The instructions D9 E0 to D9 FF without operands.
import { square_root } from "./arithmetic.ts";
import { compare_with_zero, examine } from "./compare.ts";
import { begin } from "./exceptions.ts";
import { remainder } from "./remainder.ts";
import { extract, round_value, scale } from "./scale.ts";
import { are_present, finish, is_present, sign_exponent, significand } from "./stack.ts";
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
    case 0x1d:
      return scale_top(cpu);
    default:
      return replace_top(cpu, n);
  }
}

/** FCHS, FABS, FSQRT, FRNDINT: the result takes the place of ST(0). */
function replace_top(cpu: i32, n: i32): void {
  if (is_present(cpu, 0)) {
    const se = sign_exponent(cpu, 0);
    const sig = significand(cpu, 0);
    if (n == 0x00) set_result(se ^ SIGN, sig);
    else if (n == 0x01) set_result(se & ~SIGN, sig);
    else if (n == 0x1a) square_root(se, sig);
    else if (n == 0x1c) round_value(se, sig);
  }
  finish(cpu, 0, 0);
}

function scale_top(cpu: i32): void {
  if (are_present(cpu, 0, 1)) scale(sign_exponent(cpu, 0), significand(cpu, 0), sign_exponent(cpu, 1), significand(cpu, 1));
  finish(cpu, 0, 0);
}
