import { assign, create } from "../base/struct-layout.ts";
import type { InitialState } from "../firmware/initial-state.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import { kvm_msrs, kvm_regs, kvm_sregs } from "../spec/kvm/vcpu-struct.ts";
import { MSR } from "../spec/x86/msr.ts";
import { MEMORY_TYPE_WB, MTRR_DEF_TYPE_E } from "../spec/x86/mtrr.ts";

/** Puts a freshly reset vCPU where the firmware would hand over to the kernel. */
export function enterInitialState(vcpu: Vcpu, initial: InitialState): void {
  const { cs, ds, es, fs, gs, ss, tr, ldt, gdt, idt, cr0, cr3, cr4, efer } = initial;
  const sregs = vcpu.getSregs();
  assign(kvm_sregs, sregs, { cs, ds, es, fs, gs, ss, tr, ldt, gdt, idt, cr0, cr3, cr4, efer });
  vcpu.setSregs(sregs);
  const regs = vcpu.getRegs();
  regs.bytes.fill(0);
  assign(kvm_regs, regs, initial.regs);
  vcpu.setRegs(regs);
}

/** What a BIOS does to the MTRRs of every processor: all memory is write-back. */
export function enableCaching(vcpu: Vcpu): void {
  const entries = [{ index: MSR.MTRR_DEF_TYPE, data: MTRR_DEF_TYPE_E | MEMORY_TYPE_WB }];
  vcpu.setMsrs(create(kvm_msrs, { nmsrs: entries.length, entries }));
}
