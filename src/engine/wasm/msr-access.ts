import { CPU, SEGMENT, segmentOffset } from "../../isa/state.ts";
import type { KvmMsrs } from "../../spec/kvm/vcpu-struct.ts";
import { EFER } from "../../spec/x86/control-register.ts";
import { MISC_FEATURES, MSR } from "../../spec/x86/msr.ts";
import type { CpuCells } from "./cpu-cells.ts";
import type { Msrs } from "./msrs.ts";

/** MSRs that are fields of the vCPU's state. */
const STATE_MSRS: ReadonlyMap<number, number> = new Map([
  [MSR.EFER, CPU.efer],
  [MSR.STAR, CPU.star],
  [MSR.LSTAR, CPU.lstar],
  [MSR.CSTAR, CPU.cstar],
  [MSR.FMASK, CPU.sfmask],
  [MSR.FS_BASE, segmentOffset("fs") + SEGMENT.base],
  [MSR.GS_BASE, segmentOffset("gs") + SEGMENT.base],
  [MSR.KERNEL_GS_BASE, CPU.kernelGsBase],
  [MSR.TSC_AUX, CPU.tscAux],
  [MSR.SYSENTER_CS, CPU.sysenterCs],
  [MSR.SYSENTER_ESP, CPU.sysenterEsp],
  [MSR.SYSENTER_EIP, CPU.sysenterEip],
  [MSR.PAT, CPU.pat],
  [MSR.PKRS, CPU.pkrs],
  [MSR.DEBUGCTL, CPU.debugctl],
  [MSR.MISC_FEATURES_ENABLES, CPU.miscFeatures],
  // the guest has it in its save area only
  [MSR.SMBASE, CPU.smbase],
]);

/** MSRs to save and restore, for KVM_GET_MSR_INDEX_LIST. */
export const STATE_MSR_INDICES: readonly number[] = [...STATE_MSRS.keys()];

/** KVM_GET_MSRS: how many were read before one that does not exist. */
export function getMsrs(cells: CpuCells, others: Msrs, msrs: KvmMsrs): number {
  for (let n = 0; n < msrs.nmsrs; n++) {
    const entry = msrs.entries[n]!;
    const at = STATE_MSRS.get(entry.index);
    if (at === undefined && !others.read(entry.index, true)) return n;
    const field = at ?? CPU.exitData;
    entry.data_lo = cells.lo(field);
    entry.data_hi = cells.hi(field);
  }
  return msrs.nmsrs;
}

const ADDRESSES: ReadonlySet<number> = new Set([
  MSR.LSTAR,
  MSR.CSTAR,
  MSR.FS_BASE,
  MSR.GS_BASE,
  MSR.KERNEL_GS_BASE,
  MSR.SYSENTER_ESP,
  MSR.SYSENTER_EIP,
]);
const EFER_BITS = EFER.SCE | EFER.LME | EFER.LMA | EFER.NXE;

/** KVM_SET_MSRS: how many were written before one that was refused. */
export function setMsrs(cells: CpuCells, others: Msrs, msrs: KvmMsrs): number {
  for (let n = 0; n < msrs.nmsrs; n++) {
    const { index, data_lo, data_hi } = msrs.entries[n]!;
    const at = STATE_MSRS.get(index);
    if (at === undefined) {
      cells.setWide(CPU.exitData, data_lo, data_hi);
      if (!others.write(index, true)) return n;
    } else if (isPossible(index, data_lo, data_hi)) writeState(cells, index, at, data_lo, data_hi);
    else return n;
  }
  return msrs.nmsrs;
}

/** Whether an MSR that is state can hold a value. [SDM 4 2.1, 3A 12.12.2] */
function isPossible(index: number, lo: number, hi: number): boolean {
  if (index === MSR.EFER) return hi === 0 && (lo & ~EFER_BITS) === 0;
  if (index === MSR.PAT) return isPat(lo) && isPat(hi);
  if (index === MSR.PKRS) return hi === 0;
  if (index === MSR.MISC_FEATURES_ENABLES) return hi === 0 && (lo & ~MISC_FEATURES.CPUID_FAULT) === 0;
  return !ADDRESSES.has(index) || (hi << 16) >> 16 === (hi | 0);
}

/** Four memory types: 0, 1 or 4 to 7. */
function isPat(types: number): boolean {
  for (let shift = 0; shift < 32; shift += 8) {
    const type = (types >>> shift) & 0xff;
    if (type > 7 || type === 2 || type === 3) return false;
  }
  return true;
}

/** EFER.LMA is the processor's own: it follows from LME and CR0.PG. SMBASE has 32 bits. */
function writeState(cells: CpuCells, index: number, at: number, lo: number, hi: number): void {
  const kept = index === MSR.EFER ? EFER.LMA : 0;
  cells.setWide(at, (lo & ~kept) | (cells.lo(at) & kept), index === MSR.SMBASE ? 0 : hi);
}
