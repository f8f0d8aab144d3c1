// Arithmetic instructions on the stack.
import { compute } from "./arithmetic.ts";
import { begin } from "./exceptions.ts";
import { from_integer } from "./integer.ts";
import { wasDenormal, widen_double, widen_single } from "./real.ts";
import { are_present, finish, is_present, sign_exponent, significand } from "./stack.ts";
import { result, resultSE } from "./value.ts";

/** An operation (see compute) of ST(0) and ST(i), to ST(destination). */
export function x87_arithmetic_register(cpu: i32, operation: i32, i: i32, destination: i32, pops: i32): void {
  begin(cpu);
  if (are_present(cpu, 0, i)) {
    compute(operation, sign_exponent(cpu, 0), significand(cpu, 0), sign_exponent(cpu, i), significand(cpu, i), false);
  }
  finish(cpu, destination, pops);
}

/** An operation of ST(0) and what was widened. */
function operate(cpu: i32, operation: i32, denormal: bool): void {
  const se = resultSE;
  const sig = result;
  if (is_present(cpu, 0)) compute(operation, sign_exponent(cpu, 0), significand(cpu, 0), se, sig, denormal);
  finish(cpu, 0, 0);
}

/** An operation of ST(0) and a single. */
export function x87_arithmetic_single(cpu: i32, operation: i32, bits: i32): void {
  begin(cpu);
  widen_single(bits);
  operate(cpu, operation, wasDenormal);
}

/** An operation of ST(0) and a double. */
export function x87_arithmetic_double(cpu: i32, operation: i32, bits: u64): void {
  begin(cpu);
  widen_double(bits);
  operate(cpu, operation, wasDenormal);
}

/** An operation of ST(0) and a sign-extended integer. */
export function x87_arithmetic_integer(cpu: i32, operation: i32, value: i64): void {
  begin(cpu);
  from_integer(value);
  operate(cpu, operation, false);
}
