import { CR0 } from "../../spec/x86/control-register.ts";
import { MXCSR } from "../../spec/x86/mxcsr.ts";
import { CPU, VECTOR } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { checkMmx, checkVectors, enterMmx } from "./simd.ts";

/** Bits that do not exist raise #GP. [SDM 2A LDMXCSR] */
export const ldmxcsr: Semantics = (b) => {
  checkVectors(b);
  const value = b.read(0);
  b.trapIf(b.and(value, b.i32(~MXCSR.writable)), VECTOR.GP);
  b.set(CPU.mxcsr, value);
};

export const stmxcsr: Semantics = (b) => {
  checkVectors(b);
  b.write(0, b.get(CPU.mxcsr, "i32"));
};

/** All x87 registers become empty; TOP becomes 0 as by every MMX instruction. [SDM 2A EMMS] */
export const emms: Semantics = (b) => {
  checkMmx(b);
  enterMmx(b);
  b.set(CPU.ftw, b.i32(0));
};

/** #NM by CR0.EM or CR0.TS; the helper checks the alignment of the 512 bytes. [SDM 2A FXSAVE] */
const image =
  (helper: "fxsave" | "fxrstor", intent: "read" | "write"): Semantics =>
  (b) => {
    b.trapIf(b.and(b.get(CPU.cr0, "i32", 4), b.i32(CR0.EM | CR0.TS)), VECTOR.NM);
    const linear = b.address(intent, 512);
    b.trapIf(b.and(b.wrap(linear), b.i32(15)), VECTOR.GP);
    b.call(helper, linear, b.i32(b.bits === 64 ? 1 : 0));
  };

export const fxsave = image("fxsave", "write");
export const fxrstor = image("fxrstor", "read");

/** Prefetches change nothing that a program could see. */
export const hint: Semantics = () => {};

/** LFENCE, SFENCE: loads are in order among themselves, and stores too. */
export const fence: Semantics = () => {};

/** [SDM 2B MFENCE] */
export const memoryFence: Semantics = (b) => {
  b.call("memory_fence");
};

/** Probes its byte as a load does. [SDM 2A CLFLUSH] */
export const clflush: Semantics = (b: InstructionBuilder) => {
  b.load(b.address("read", 1), 1);
};
