import { create } from "../base/struct-layout.ts";
import type { Engine, Vm } from "../kvm/engine.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import {
  KVM_CAP_DEBUGREGS,
  KVM_CAP_IRQCHIP,
  KVM_CAP_MP_STATE,
  KVM_CAP_SPLIT_IRQCHIP,
  KVM_CAP_VCPU_EVENTS,
  KVM_CAP_XCRS,
  KVM_CAP_XSAVE,
} from "../spec/kvm/capability.ts";
import {
  type KvmDebugregs,
  type KvmFpu,
  type KvmLapicState,
  type KvmMpState,
  type KvmMsrs,
  type KvmRegs,
  type KvmSregs,
  type KvmVcpuEvents,
  type KvmXcrs,
  type KvmXsave,
  kvm_msrs,
} from "../spec/kvm/vcpu-struct.ts";
import {
  KVM_IRQCHIP_IOAPIC,
  KVM_IRQCHIP_PIC_MASTER,
  KVM_IRQCHIP_PIC_SLAVE,
  type KvmIrqchip,
  type KvmPitState2,
  kvm_irqchip,
} from "../spec/kvm/vm-struct.ts";

/** All state of a vCPU in KVM's records; those whose capability is absent are undefined. */
export interface VcpuState {
  readonly regs: KvmRegs;
  readonly sregs: KvmSregs;
  readonly fpu: KvmFpu;
  readonly msrs: KvmMsrs;
  readonly xsave: KvmXsave | undefined;
  readonly xcrs: KvmXcrs | undefined;
  readonly lapic: KvmLapicState | undefined;
  readonly events: KvmVcpuEvents | undefined;
  readonly debugregs: KvmDebugregs | undefined;
  readonly mpState: KvmMpState | undefined;
}

/** Reads the state of a vCPU that is out of the guest with nothing pending. */
export function captureVcpu(engine: Engine, vcpu: Vcpu): VcpuState {
  const has = (cap: number) => engine.checkExtension(cap) > 0;
  return {
    regs: vcpu.getRegs(),
    sregs: vcpu.getSregs(),
    fpu: vcpu.getFpu(),
    msrs: captureMsrs(vcpu, engine.getMsrIndexList()),
    xsave: has(KVM_CAP_XSAVE) ? vcpu.getXsave() : undefined,
    xcrs: has(KVM_CAP_XCRS) ? vcpu.getXcrs() : undefined,
    lapic: has(KVM_CAP_IRQCHIP) || has(KVM_CAP_SPLIT_IRQCHIP) ? vcpu.getLapic() : undefined,
    events: has(KVM_CAP_VCPU_EVENTS) ? vcpu.getVcpuEvents() : undefined,
    debugregs: has(KVM_CAP_DEBUGREGS) ? vcpu.getDebugregs() : undefined,
    mpState: has(KVM_CAP_MP_STATE) ? vcpu.getMpState() : undefined,
  };
}

/**
 * Sets all of it. The order matters: special registers (the APIC's mode) before the local APIC, that (its timer's mode)
 * before the MSRs (the TSC deadline), XCR0 before the XSAVE area.
 */
export function restoreVcpu(vcpu: Vcpu, state: VcpuState): void {
  vcpu.setSregs(state.sregs);
  vcpu.setRegs(state.regs);
  if (state.xcrs) vcpu.setXcrs(state.xcrs);
  if (state.xsave) vcpu.setXsave(state.xsave);
  else vcpu.setFpu(state.fpu);
  if (state.lapic) vcpu.setLapic(state.lapic);
  vcpu.setMsrs(state.msrs);
  if (state.debugregs) vcpu.setDebugregs(state.debugregs);
  if (state.events) vcpu.setVcpuEvents(state.events);
  if (state.mpState) vcpu.setMpState(state.mpState);
}

/** The MSRs of the list that can be read; reading stops at one that cannot, and goes on behind it. */
function captureMsrs(vcpu: Vcpu, indices: Uint32Array): KvmMsrs {
  const read: { index: number; data: bigint }[] = [];
  for (let next = 0; next < indices.length; ) {
    const rest = [...indices.subarray(next)].map((index) => ({ index }));
    const msrs = create(kvm_msrs, { nmsrs: rest.length, entries: rest });
    const count = vcpu.getMsrs(msrs);
    for (let i = 0; i < count; i++) read.push({ index: msrs.entries[i]!.index, data: msrs.entries[i]!.data });
    next += count + 1;
  }
  return create(kvm_msrs, { nmsrs: read.length, entries: read });
}

/** State of the interrupt controllers and the timer that the VM has itself. */
export interface IrqchipState {
  readonly chips: readonly KvmIrqchip[];
  readonly pit: KvmPitState2;
}

const CHIPS = [KVM_IRQCHIP_PIC_MASTER, KVM_IRQCHIP_PIC_SLAVE, KVM_IRQCHIP_IOAPIC];

/** The state of the VM's irqchip and PIT. Errors: KvmError ENXIO if it has none. */
export function captureIrqchip(vm: Vm): IrqchipState {
  return { chips: CHIPS.map((chip_id) => vm.getIrqchip(create(kvm_irqchip, { chip_id }))), pit: vm.getPit2() };
}

/** Sets what captureIrqchip gave. */
export function restoreIrqchip(vm: Vm, state: IrqchipState): void {
  for (const chip of state.chips) vm.setIrqchip(chip);
  vm.setPit2(state.pit);
}
