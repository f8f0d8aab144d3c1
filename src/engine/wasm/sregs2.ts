import { create } from "../../base/struct-layout.ts";
import { CPU } from "../../isa/state.ts";
import { EINVAL } from "../../spec/kvm/errno.ts";
import {
  KVM_SREGS2_FLAGS_PDPTRS_VALID,
  type KvmSregs,
  type KvmSregs2,
  kvm_sregs,
  kvm_sregs2,
} from "../../spec/kvm/vcpu-struct.ts";
import { CR0, CR4, EFER } from "../../spec/x86/control-register.ts";
import type { CpuCells } from "./cpu-cells.ts";

/** What KVM_SREGS and KVM_SREGS2 have alike comes first in both. */
const COMMON = kvm_sregs.offsets.interrupt_bitmap;
const PDPTRS = 4;

/** KVM_GET_SREGS2 of a vCPU whose KVM_GET_SREGS are `sregs`: with PAE paging, the table entries that it keeps in registers too. */
export function sregs2Of(cells: CpuCells, sregs: KvmSregs, into: KvmSregs2): KvmSregs2 {
  into.bytes.fill(0);
  into.bytes.set(sregs.bytes.subarray(0, COMMON));
  if (!hasPdptrs(into)) return into;
  into.flags_num = KVM_SREGS2_FLAGS_PDPTRS_VALID;
  for (let n = 0; n < PDPTRS; n++) cells.copyWide(CPU.pdptr + 8 * n, into.dataView, kvm_sregs2.offsets.pdptrs + 8 * n);
  return into;
}

/** EINVAL for flags that there are not, or entries that the mode has not; else 0. */
export function checkSregs2(sregs: KvmSregs2): number {
  if (sregs.flags_hi !== 0 || sregs.flags_lo & ~KVM_SREGS2_FLAGS_PDPTRS_VALID) return EINVAL;
  return sregs.flags_lo !== 0 && !hasPdptrs(sregs) ? EINVAL : 0;
}

/** The part that KVM_SET_SREGS takes. */
export function sregsOf(sregs: KvmSregs2): KvmSregs {
  const part = create(kvm_sregs);
  part.bytes.set(sregs.bytes.subarray(0, COMMON));
  return part;
}

/** After KVM_SET_SREGS, which loaded the entries from memory: those of the record in their place, if it has them. */
export function loadPdptrs(cells: CpuCells, sregs: KvmSregs2): void {
  if (sregs.flags_lo === 0) return;
  for (let n = 0; n < PDPTRS; n++) cells.loadWide(CPU.pdptr + 8 * n, sregs.dataView, kvm_sregs2.offsets.pdptrs + 8 * n);
}

function hasPdptrs(sregs: KvmSregs2): boolean {
  const pae = (sregs.cr0_lo & CR0.PG) !== 0 && (sregs.cr4_lo & CR4.PAE) !== 0;
  return pae && (sregs.efer_lo & EFER.LMA) === 0;
}
