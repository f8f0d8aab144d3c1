// The register stack. ST(i) is physical register TOP + i; a register is its significand, then sign and exponent.
import { CPU_fpr, CPU_fsw, CPU_ftw, FSW_C1, FSW_IE, FSW_TOP } from "../layout.generated.ts";
import { commit, is_masked, is_stopped, signal_stack_overflow, signal_stack_underflow } from "./exceptions.ts";
import { INDEFINITE, INDEFINITE_SE, result, resultSE, set_indefinite } from "./value.ts";

/** Number of the physical register ST(i). */
export function physical(cpu: i32, i: i32): i32 {
  return ((load<i32>(cpu + CPU_fsw) >> 11) + i) & 7;
}

function address(cpu: i32, i: i32): i32 {
  return cpu + CPU_fpr + (physical(cpu, i) << 4);
}

/** Significand of ST(i). */
export function significand(cpu: i32, i: i32): u64 {
  return load<u64>(address(cpu, i));
}

/** Sign and biased exponent of ST(i), as the 16 bits of the format. */
export function sign_exponent(cpu: i32, i: i32): i32 {
  return load<u16>(address(cpu, i), 8) as i32;
}

/** Whether ST(i) is empty. */
export function is_empty(cpu: i32, i: i32): bool {
  return !((load<i32>(cpu + CPU_ftw) >> physical(cpu, i)) & 1);
}

/** Whether ST(i) holds a value; else signals a stack underflow and the result is the indefinite. */
export function is_present(cpu: i32, i: i32): bool {
  if (!is_empty(cpu, i)) return true;
  signal_stack_underflow();
  set_indefinite();
  return false;
}

/** is_present of two registers. */
export function are_present(cpu: i32, i: i32, j: i32): bool {
  return is_present(cpu, i) && is_present(cpu, j);
}

/** Puts a value in ST(i), which is then not empty. */
export function set_register(cpu: i32, i: i32, se: i32, sig: u64): void {
  const at = address(cpu, i);
  store<u64>(at, sig);
  store<u16>(at, se, 8);
  store<i32>(cpu + CPU_ftw, load<i32>(cpu + CPU_ftw) | (1 << physical(cpu, i)));
}

/** Adds to TOP. */
function move_top(cpu: i32, by: i32): void {
  const status = load<i32>(cpu + CPU_fsw);
  store<i32>(cpu + CPU_fsw, (status & ~FSW_TOP) | ((status + (by << 11)) & FSW_TOP));
}

/** Marks ST(i) empty. */
function free(cpu: i32, i: i32): void {
  store<i32>(cpu + CPU_ftw, load<i32>(cpu + CPU_ftw) & ~(1 << physical(cpu, i)));
}

/** Pops `count` registers. */
export function pop(cpu: i32, count: i32): void {
  for (; count > 0; count--) {
    free(cpu, 0);
    move_top(cpu, 1);
  }
}

/** Pushes a value. */
export function push(cpu: i32, se: i32, sig: u64): void {
  move_top(cpu, -1);
  set_register(cpu, 0, se, sig);
}

/** Whether a value can be pushed; else signals a stack overflow and, if it is masked, pushes the indefinite. */
export function has_room(cpu: i32): bool {
  if (is_empty(cpu, 7)) return true;
  signal_stack_overflow();
  if (is_masked(FSW_IE)) push(cpu, INDEFINITE_SE, INDEFINITE);
  return false;
}

/** Ends an instruction whose result goes to ST(i), then pops, unless an exception forbids it. */
export function finish(cpu: i32, i: i32, pops: i32): void {
  if (!is_stopped()) {
    set_register(cpu, i, resultSE, result);
    pop(cpu, pops);
  }
  commit(cpu, FSW_C1);
}
