import { CPU, SEGMENT, segmentOffset } from "../../isa/state.ts";
import type { KvmMsrs } from "../../spec/kvm/vcpu-struct.ts";
import { MSR } from "../../spec/x86/msr.ts";
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
  [MSR.DEBUGCTL, CPU.debugctl],
]);

/** MSRs to save and restore, for KVM_GET_MSR_INDEX_LIST. */
export const STATE_MSR_INDICES: readonly number[] = [...STATE_MSRS.keys()];

/** KVM_GET_MSRS: how many were read before one that does not exist. */
export function getMsrs(cells: CpuCells, others: Msrs, msrs: KvmMsrs): number {
  for (let n = 0; n < msrs.nmsrs; n++) {
    const entry = msrs.entries[n]!;
    const at = STATE_MSRS.get(entry.index);
    if (at === undefined && !others.read(entry.index)) return n;
    const field = at ?? CPU.exitData;
    entry.data_lo = cells.lo(field);
    entry.data_hi = cells.hi(field);
  }
  return msrs.nmsrs;
}

/** KVM_SET_MSRS: how many were written before one that was refused. */
export function setMsrs(cells: CpuCells, others: Msrs, msrs: KvmMsrs): number {
  for (let n = 0; n < msrs.nmsrs; n++) {
    const entry = msrs.entries[n]!;
    const at = STATE_MSRS.get(entry.index);
    cells.setWide(at ?? CPU.exitData, entry.data_lo, entry.data_hi);
    if (at === undefined && !others.write(entry.index)) return n;
  }
  return msrs.nmsrs;
}
