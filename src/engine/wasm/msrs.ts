import type { LapicRegisters } from "../../irqchip/lapic-registers.ts";
import { CPU } from "../../isa/state.ts";
import { MSR_RULES, type MsrRule } from "../../spec/kvm/msr.ts";
import { KVM_MSR } from "../../spec/kvm/paravirt.ts";
import { HWCR_MC_STATUS_WRITE } from "../../spec/x86/machine-check.ts";
import { MSR } from "../../spec/x86/msr.ts";
import type { CpuCells } from "./cpu-cells.ts";
import type { CpuidTable } from "./cpuid.ts";
import { type StoredMsr, writeStored } from "./msr-rules.ts";
import type { PvEoi } from "./pv-eoi.ts";
import type { Pvclock } from "./pvclock.ts";
import type { TimeStampCounter } from "./time-stamp-counter.ts";
import { TscMsrs } from "./tsc-msrs.ts";

const TWO_32 = 0x1_0000_0000;

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
  readonly #tsc: TscMsrs;
  readonly #stored = new Map<number, StoredMsr>();

  constructor(parts: MsrParts) {
    this.#parts = parts;
    this.#tsc = new TscMsrs(parts.cells, parts.tsc);
    for (const rule of MSR_RULES) this.#stored.set(rule.index, { lo: rule.lo ?? 0, hi: rule.hi ?? 0, rule });
    for (const index of Object.values(KVM_MSR))
      this.#stored.set(index, { lo: 0, hi: 0, rule: { index, write: "stored" } });
  }

  /** MSRs to save and restore. */
  static indices(): number[] {
    const variable = MSR_RULES.filter((rule) => !rule.constant);
    return [MSR.TSC, MSR.TSC_ADJUST, ...variable.map((rule) => rule.index), ...Object.values(KVM_MSR)];
  }

  /** Whether there is such an MSR, whatever CPUID says. */
  knows(index: number): boolean {
    return this.#stored.has(index) || index === MSR.TSC || index === MSR.TSC_ADJUST || isApic(index);
  }

  /** RDMSR, or with `host` KVM_GET_MSRS, into CPU.exitData; false is #GP(0). */
  read(index: number, host = false): boolean {
    const stored = this.#stored.get(index);
    if (stored) {
      if (stored.rule.unreadable || !(host || this.#isShown(stored.rule))) return false;
      this.#parts.cells.setWide(CPU.exitData, stored.lo, stored.hi);
    } else if (index === MSR.TSC) this.#tsc.readCounter();
    else if (index === MSR.TSC_ADJUST) this.#tsc.readAdjust();
    else return this.#readApic(index);
    return true;
  }

  /** WRMSR, or with `host` KVM_SET_MSRS, of CPU.exitData; false is #GP(0). */
  write(index: number, host = false): boolean {
    const { cells, pvclock } = this.#parts;
    const lo = cells.lo(CPU.exitData);
    const hi = cells.hi(CPU.exitData);
    const stored = this.#stored.get(index);
    if (index === KVM_MSR.PV_EOI_EN && !this.#parts.pvEoi.write(lo, hi)) return false;
    if (stored) return this.#writeStored(stored, lo, hi, host);
    if (index === MSR.TSC) this.#tsc.writeCounter(host);
    else if (index !== MSR.TSC_ADJUST) return this.#writeApic(index, lo, hi);
    else if (host || this.#parts.cpuid.has("tsc_adjust")) this.#tsc.writeAdjust(host);
    pvclock.stale = true;
    pvclock.update();
    return true;
  }

  #writeStored(stored: StoredMsr, lo: number, hi: number, host: boolean): boolean {
    const { rule } = stored;
    const physicalAddressBits = this.#parts.cells.i32(CPU.maxPhyAddr);
    const canSetStatus = (this.#stored.get(MSR.AMD_HWCR)!.lo & HWCR_MC_STATUS_WRITE) !== 0;
    if (!(host || this.#isShown(rule))) return false;
    if (!writeStored(stored, lo, hi, { host, physicalAddressBits, canSetStatus })) return false;
    this.#tellClock(rule.index, hi * TWO_32 + lo);
    return true;
  }

  /** Whether CPUID lets the guest have the MSR. */
  #isShown({ feature }: MsrRule): boolean {
    return feature === undefined || this.#parts.cpuid.has(feature);
  }

  #tellClock(index: number, gpa: number): void {
    const { pvclock } = this.#parts;
    const enabled = gpa % 2;
    if (index === KVM_MSR.SYSTEM_TIME || index === KVM_MSR.SYSTEM_TIME_NEW)
      pvclock.enable(gpa - enabled, enabled === 1);
    else if (index === KVM_MSR.WALL_CLOCK || index === KVM_MSR.WALL_CLOCK_NEW) pvclock.writeWallClock(gpa);
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
