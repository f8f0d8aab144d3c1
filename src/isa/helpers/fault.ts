// How a helper says that the instruction faults.
import { CPU_faultError, CPU_faultVector, CPU_trap, TRAP_exception, VECTOR_GP, VECTOR_UD } from "./layout.generated.ts";

/** Bit 0 of error codes: set while an event external to the program is delivered. [SDM 3A 6.13] */
let external: i32 = 0;

/** Says whether faults from now on happen in the delivery of an external event. */
export function set_external(on: bool): void {
  external = on ? 1 : 0;
}

/** Raises an exception; vectors without an error code give 0. Returns true, as everything does that trapped. */
export function raise(cpu: i32, vector: i32, code: i32): bool {
  store<i32>(cpu + CPU_faultVector, vector);
  store<i32>(cpu + CPU_faultError, vector == VECTOR_UD ? 0 : code | external);
  store<i32>(cpu + CPU_trap, TRAP_exception);
  return true;
}

/** Raises an exception whose error code names a selector. */
export function raise_selector(cpu: i32, vector: i32, selector: i32): bool {
  return raise(cpu, vector, selector & 0xfffc);
}

/** #GP(0) */
export function raise_gp(cpu: i32): bool {
  return raise(cpu, VECTOR_GP, 0);
}

/** Whether a memory access before this trapped. */
export function trapped(cpu: i32): bool {
  return load<i32>(cpu + CPU_trap) != 0;
}

/** Raises an exception whose error code, if it has one, is 0. */
export function raise_plain(cpu: i32, vector: i32): i32 {
  raise(cpu, vector, 0);
  return 0;
}
