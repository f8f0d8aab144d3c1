import type { LapicRegisters } from "../../irqchip/lapic-registers.ts";
import { CPU } from "../../isa/state.ts";
import { KVM_MSR } from "../../spec/kvm/paravirt.ts";
import { MSR } from "../../spec/x86/msr.ts";
import type { CpuCells } from "./cpu-cells.ts";
import type { CpuidTable } from "./cpuid.ts";
import type { PvEoi } from "./pv-eoi.ts";
import type { Pvclock } from "./pvclock.ts";
import type { TimeStampCounter } from "./time-stamp-counter.ts";

const TWO_32 = 0x1_0000_0000;
const VARIABLE_MTRRS = 8;
/** RDCL_NO, IBRS_ALL's absence, SKIP_L1DFL_VMENTRY, SSB_NO, MDS_NO, PSCHANGE_MC_NO, TAA_NO: nothing here speculates. [SDM 4 2.1] */
const ARCH_CAPABILITIES = 0x1 | 0x8 | 0x10 | 0x20 | 0x40 | 0x100;
/** 8 variable ranges, fixed ranges, write combining. [SDM 3A 12.11.1] */
const MTRR_CAPABILITIES = VARIABLE_MTRRS | 0x100 | 0x400;

/** MSRs that are nothing but storage, with the value they have after reset (high, low). */
const STORED: readonly (readonly [number, number, number])[] = [
  [MSR.MISC_ENABLE, 0, 1],
  [MSR.MCG_STATUS, 0, 0],
  [MSR.MTRR_DEF_TYPE, 0, 0],
  ...[MSR.MTRR_FIX64K_00000, MSR.MTRR_FIX16K_80000, MSR.MTRR_FIX16K_A0000].map((index) => [index, 0, 0] as const),
  ...Array.from({ length: 8 }, (_, n) => [MSR.MTRR_FIX4K_C0000 + n, 0, 0] as const),
  ...Array.from({ length: 2 * VARIABLE_MTRRS }, (_, n) => [MSR.MTRR_PHYSBASE0 + n, 0, 0] as const),
];

export interface MsrParts {
  readonly cells: CpuCells;
  readonly tsc: TimeStampCounter;
  readonly pvclock: Pvclock;
  readonly pvEoi: PvEoi;
  readonly cpuid: CpuidTable;
  lapic(): LapicRegisters | undefined;
}

/**
 * The MSRs that instructions do not use by themselves (those are in the vCPU's state). Values pass through
 * CPU.exitData. An unknown one is #GP, as KVM has it by default.
 */
export class Msrs {
  readonly #parts: MsrParts;
  readonly #stored = new Map<number, { lo: number; hi: number }>();

  constructor(parts: MsrParts) {
    this.#parts = parts;
    for (const [index, hi, lo] of STORED) this.#stored.set(index, { lo, hi });
    for (const index of Object.values(KVM_MSR)) this.#stored.set(index, { lo: 0, hi: 0 });
  }

  /** MSRs to save and restore. */
  static indices(): number[] {
    return [MSR.TSC, ...STORED.map(([index]) => index), ...Object.values(KVM_MSR)];
  }

  /** RDMSR into CPU.exitData; false is #GP(0). */
  read(index: number): boolean {
    const { cells, tsc, cpuid } = this.#parts;
    const stored = this.#stored.get(index);
    if (stored) cells.setWide(CPU.exitData, stored.lo, stored.hi);
    else if (index === MSR.TSC) cells.setNumber(CPU.exitData, tsc.read());
    else if (index === MSR.MTRRCAP) cells.setWide(CPU.exitData, MTRR_CAPABILITIES, 0);
    else if (index === MSR.ARCH_CAPABILITIES && cpuid.has("arch_capabilities"))
      cells.setWide(CPU.exitData, ARCH_CAPABILITIES, 0);
    else if (index === MSR.PLATFORM_ID || index === MSR.BIOS_SIGN_ID || index === MSR.MCG_CAP)
      cells.setWide(CPU.exitData, 0, 0);
    else return this.#readApic(index);
    return true;
  }

  /** WRMSR of CPU.exitData; false is #GP(0). */
  write(index: number): boolean {
    const { cells, tsc, pvclock } = this.#parts;
    const lo = cells.lo(CPU.exitData);
    const hi = cells.hi(CPU.exitData);
    const stored = this.#stored.get(index);
    if (index === KVM_MSR.PV_EOI_EN && !this.#parts.pvEoi.write(lo, hi)) return false;
    if (stored) {
      stored.lo = lo;
      stored.hi = hi;
    } else if (index === MSR.TSC) {
      tsc.write(hi * TWO_32 + lo);
      pvclock.stale = true;
      pvclock.update();
    } else if (index !== MSR.BIOS_SIGN_ID) return this.#writeApic(index, lo, hi);
    const gpa = hi * TWO_32 + lo;
    const enabled = lo & 1;
    if (index === KVM_MSR.SYSTEM_TIME || index === KVM_MSR.SYSTEM_TIME_NEW)
      pvclock.enable(gpa - enabled, enabled === 1);
    else if (index === KVM_MSR.WALL_CLOCK || index === KVM_MSR.WALL_CLOCK_NEW) pvclock.writeWallClock(gpa);
    return true;
  }

  #readApic(index: number): boolean {
    const lapic = this.#parts.lapic();
    if (!lapic || !isApic(index) || !lapic.readMsr(index)) return false;
    this.#parts.cells.setWide(CPU.exitData, lapic.lo, lapic.hi);
    return true;
  }

  #writeApic(index: number, lo: number, hi: number): boolean {
    const lapic = this.#parts.lapic();
    return lapic !== undefined && isApic(index) && lapic.writeMsr(index, lo, hi);
  }
}

function isApic(index: number): boolean {
  return (
    index === MSR.APIC_BASE || index === MSR.TSC_DEADLINE || (index >= MSR.X2APIC_FIRST && index <= MSR.X2APIC_LAST)
  );
}
