import { MAX_SLOTS } from "../../isa/state.ts";
import { MAX_IRQ_ROUTES } from "../../kvm/irq-routing.ts";
import * as CAP from "../../spec/kvm/capability.ts";
import { KVM_COALESCED_MMIO_PAGE_OFFSET } from "../../spec/kvm/run-struct.ts";
import { kvm_xsave } from "../../spec/kvm/vcpu-struct.ts";
import { KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE } from "../../spec/kvm/vm-struct.ts";
import { MAX_VCPUS } from "./vm-plan.ts";

/** KVM_CHECK_EXTENSION: what the software engine has; everything else is absent. */
const CAPABILITIES: ReadonlyMap<number, number> = new Map([
  [CAP.KVM_CAP_IRQCHIP, 1],
  [CAP.KVM_CAP_HLT, 1],
  [CAP.KVM_CAP_USER_MEMORY, 1],
  [CAP.KVM_CAP_SET_TSS_ADDR, 1],
  [CAP.KVM_CAP_EXT_CPUID, 1],
  [CAP.KVM_CAP_CLOCKSOURCE, 1],
  [CAP.KVM_CAP_NR_VCPUS, MAX_VCPUS],
  [CAP.KVM_CAP_NR_MEMSLOTS, MAX_SLOTS],
  [CAP.KVM_CAP_MP_STATE, 1],
  [CAP.KVM_CAP_SYNC_MMU, 1],
  [CAP.KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1],
  [CAP.KVM_CAP_USER_NMI, 1],
  [CAP.KVM_CAP_COALESCED_MMIO, KVM_COALESCED_MMIO_PAGE_OFFSET],
  [CAP.KVM_CAP_COALESCED_PIO, 1],
  [CAP.KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE],
  [CAP.KVM_CAP_SREGS2, 1],
  [CAP.KVM_CAP_SET_GUEST_DEBUG, 1],
  [CAP.KVM_CAP_IRQ_ROUTING, MAX_IRQ_ROUTES],
  [CAP.KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1],
  [CAP.KVM_CAP_IRQFD, 1],
  [CAP.KVM_CAP_PIT2, 1],
  [CAP.KVM_CAP_PIT_STATE2, 1],
  [CAP.KVM_CAP_IOEVENTFD, 1],
  [CAP.KVM_CAP_IOEVENTFD_NO_LENGTH, 1],
  [CAP.KVM_CAP_IOEVENTFD_ANY_LENGTH, 1],
  [CAP.KVM_CAP_X86_SMM, 1],
  [CAP.KVM_CAP_IRQFD_RESAMPLE, 1],
  [CAP.KVM_CAP_INTR_SHADOW, 1],
  [CAP.KVM_CAP_SET_IDENTITY_MAP_ADDR, 1],
  [CAP.KVM_CAP_ADJUST_CLOCK, 1],
  [CAP.KVM_CAP_VCPU_EVENTS, 1],
  [CAP.KVM_CAP_DEBUGREGS, 1],
  [CAP.KVM_CAP_XSAVE, 1],
  [CAP.KVM_CAP_XSAVE2, kvm_xsave.size],
  [CAP.KVM_CAP_XCRS, 1],
  [CAP.KVM_CAP_TSC_CONTROL, 1],
  [CAP.KVM_CAP_GET_TSC_KHZ, 1],
  [CAP.KVM_CAP_SIGNAL_MSI, 1],
  [CAP.KVM_CAP_READONLY_MEM, 1],
  [CAP.KVM_CAP_TSC_DEADLINE_TIMER, 1],
  [CAP.KVM_CAP_GET_MSR_FEATURES, 1],
  [CAP.KVM_CAP_IMMEDIATE_EXIT, 1],
  [CAP.KVM_CAP_MAX_VCPUS, MAX_VCPUS],
  [CAP.KVM_CAP_MAX_VCPU_ID, MAX_VCPUS],
]);

/** KVM_CHECK_EXTENSION's answer for a KVM_CAP_ number: 0 if the engine has no such thing. */
export function capability(cap: number): number {
  return CAPABILITIES.get(cap) ?? 0;
}
