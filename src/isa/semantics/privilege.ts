import { CR0 } from "../../spec/x86/control-register.ts";
import { CPU, EFLAGS, VECTOR } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";

/** #GP above CPL 0. */
export const privileged =
  (semantics: Semantics): Semantics =>
  (b) => {
    b.trapIf(b.get(CPU.cpl, "i32"), VECTOR.GP);
    semantics(b);
  };

/** #UD in real-address and virtual-8086 mode. */
export function inProtectedMode(b: InstructionBuilder): void {
  const real = b.isZero(b.and(b.get(CPU.cr0, "i32"), b.i32(CR0.PE)));
  b.trapIf(b.or(real, b.and(b.get(CPU.eflags, "i32"), b.i32(EFLAGS.VM))), VECTOR.UD);
}
