import { CR4 } from "../../spec/x86/control-register.ts";
import type { Value } from "../ir/builder.ts";
import { CPU, EFLAGS, FEATURE, SEGMENT, segmentOffset, TRAP, VECTOR } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { checkCanonical } from "./integer.ts";
import { privileged } from "./privilege.ts";

/** [SDM 2B MOV, control registers; MOV, debug registers] */
const readRegister =
  (helper: "read_control" | "read_debug"): Semantics =>
  (b) =>
    b.write(0, b.toInt(b.call(helper, b.field("reg")), b.typeOf(0)));

const writeRegister =
  (helper: "write_control" | "write_debug"): Semantics =>
  (b) => {
    b.call(helper, b.field("reg"), b.extend(b.read(1)));
  };

export const readControl = readRegister("read_control");
export const writeControl = writeRegister("write_control");
export const readDebug = readRegister("read_debug");
export const writeDebug = writeRegister("write_debug");

/** The low bits of CR0; memory takes 16 of them. [SDM 2B SMSW] */
export const smsw: Semantics = (b) => {
  b.call("check_umip");
  const value = b.toInt(b.get(CPU.cr0, "i64"), b.typeOf(0));
  b.write(0, value);
};

export const lmsw = privileged((b) => {
  b.call("lmsw", b.read(0));
});

/** CR0.TS := 0 [SDM 2A CLTS] */
export const clts = privileged((b) => {
  b.call("clts");
});

/** [SDM 2A CLAC, 2B STAC] */
const setAlignmentCheck =
  (on: 0 | 1): Semantics =>
  (b) => {
    b.trapIf(b.get(CPU.cpl, "i32"), VECTOR.UD);
    b.call("set_alignment_check", b.i32(on));
  };

export const clac = setAlignmentCheck(0);
export const stac = setAlignmentCheck(1);

/** Caches are not modelled: WBINVD and INVD do nothing. */
export const invalidateCaches = privileged(() => {});

/** Instructions are executed one after another anyway. [SDM 2B SERIALIZE] */
export const serialize: Semantics = () => {};

/** [SDM 2A INVLPG] */
export const invlpg = privileged((b) => {
  b.call("invlpg", b.segment(), b.ea());
});

/** #UD above CPL 0, as only the kernel has it. */
function forSupervisor(b: InstructionBuilder): void {
  b.trapIf(b.get(CPU.cpl, "i32"), VECTOR.UD);
}

const shown = (b: InstructionBuilder, feature: keyof typeof FEATURE): Value =>
  b.and(b.get(CPU.features, "i32"), b.i32(FEATURE[feature]));

/** #GP if ECX names an extension or hint, of which there is none; does nothing where CPUID does not show the feature. */
function withoutExtensions(b: InstructionBuilder): void {
  const given = b.isZero(b.isZero(b.gpr("rcx", 32)));
  b.trapIf(b.select(shown(b, "monitor"), given, b.i32(0)), VECTOR.GP);
}

/** Reads its byte as a load does. What wakes MWAIT afterwards is an event, which every other vCPU's write may count as. [SDM 2B MONITOR] */
export const monitor: Semantics = (b) => {
  forSupervisor(b);
  withoutExtensions(b);
  b.load(b.linear(b.and(b.gpr("rax", 64), b.addressMask()), 1, "read"), 1);
  b.set(CPU.monitorArmed, b.i32(1));
};

/** Stops as HLT does, unless an event came since MONITOR. [SDM 2B MWAIT] */
export const mwait: Semantics = (b) => {
  forSupervisor(b);
  withoutExtensions(b);
  b.set(CPU.rip, b.ripNext());
  const stops = b.select(shown(b, "monitor"), b.get(CPU.monitorArmed, "i32"), b.i32(0));
  b.set(CPU.monitorArmed, b.i32(0));
  b.set(CPU.trap, b.select(stops, b.i32(TRAP.halt), b.i32(TRAP.none)));
  b.end();
};

/** The generator always has a value: CF is 1. [SDM 2B RDRAND, RDSEED] */
export const random: Semantics = (b) => {
  const value = b.call("random");
  b.write(0, b.toInt(value, b.typeOf(0)));
  b.flags("raw", 32, [b.i32(EFLAGS.CF)]);
};

/** IA32_TSC_AUX. [SDM 2B RDPID] */
export const rdpid: Semantics = (b) => {
  b.trapIf(b.isZero(shown(b, "rdpid")), VECTOR.UD);
  b.write(0, b.toInt(b.extend(b.get(CPU.tscAux, "i32")), b.typeOf(0)));
};

/** The descriptor: identifier, then linear address. [SDM 2A INVPCID] */
const invalidate = privileged((b) => {
  const at = b.address("read");
  const address = b.load(b.and(b.add(at, b.i64(8)), b.get(CPU.linearMask, "i64")), 8);
  b.call("invpcid", b.extend(b.read(0)), b.load(at, 8), address);
});

export const invpcid: Semantics = (b) => {
  b.trapIf(b.isZero(shown(b, "invpcid")), VECTOR.UD);
  invalidate(b);
};

/** Stops until an interrupt comes. [SDM 2A HLT] */
export const hlt = privileged((b) => {
  b.set(CPU.rip, b.ripNext());
  b.set(CPU.trap, b.i32(TRAP.halt));
  b.end();
});

/** An instruction whose helper finds its operands in the registers. */
const byHelper =
  (helper: "xgetbv" | "xsetbv" | "rdmsr" | "wrmsr" | "cpuid" | "hypercall" | "rdpkru" | "wrpkru"): Semantics =>
  (b) => {
    b.call(helper);
  };

export const xgetbv = byHelper("xgetbv");
export const xsetbv = byHelper("xsetbv");
export const rdpkru = byHelper("rdpkru");
export const wrpkru = byHelper("wrpkru");
export const rdmsr = byHelper("rdmsr");
export const wrmsr = byHelper("wrmsr");
export const cpuid = byHelper("cpuid");
export const hypercall = byHelper("hypercall");

const readTsc =
  (withAux: 0 | 1): Semantics =>
  (b) => {
    b.call("rdtsc", b.i32(withAux));
  };

export const rdtsc = readTsc(0);
export const rdtscp = readTsc(1);

/** There are no performance counters: every index is invalid. [SDM 2B RDPMC] */
export const rdpmc: Semantics = (b) => b.trapIf(b.i32(1), VECTOR.GP);

const baseOf = (segment: "fs" | "gs"): number => segmentOffset(segment) + SEGMENT.base;

/** GS.base and IA32_KERNEL_GS_BASE change places. [SDM 2B SWAPGS] */
export const swapgs = privileged((b) => {
  const base = b.get(baseOf("gs"), "i64");
  const kernel = b.get(CPU.kernelGsBase, "i64");
  b.set(baseOf("gs"), kernel);
  b.set(CPU.kernelGsBase, base);
});

/** [SDM 2B RDFSBASE/RDGSBASE] */
export const readBase =
  (segment: "fs" | "gs"): Semantics =>
  (b) => {
    b.trapIf(b.isZero(b.and(b.get(CPU.cr4, "i32"), b.i32(CR4.FSGSBASE))), VECTOR.UD);
    b.write(0, b.toInt(b.get(baseOf(segment), "i64"), b.typeOf(0)));
  };

/** [SDM 2D WRFSBASE/WRGSBASE] */
export const writeBase =
  (segment: "fs" | "gs"): Semantics =>
  (b) => {
    b.trapIf(b.isZero(b.and(b.get(CPU.cr4, "i32"), b.i32(CR4.FSGSBASE))), VECTOR.UD);
    const base = b.extend(b.read(0));
    checkCanonical(b, base);
    b.set(baseOf(segment), base);
  };
