import { EINVAL } from "../spec/kvm/errno.ts";
import {
  KVM_MAX_XCRS,
  KVM_MP_STATE_INIT_RECEIVED,
  KVM_MP_STATE_RUNNABLE,
  KVM_MP_STATE_SIPI_RECEIVED,
  KVM_VCPUEVENT_VALID_NMI_PENDING,
  KVM_VCPUEVENT_VALID_SHADOW,
  KVM_VCPUEVENT_VALID_SIPI_VECTOR,
  KVM_VCPUEVENT_VALID_SMM,
  type KvmDebugregs,
  type KvmMpState,
  type KvmSregs,
  type KvmVcpuEvents,
  type KvmXcrs,
} from "../spec/kvm/vcpu-struct.ts";
import { CR0, CR4, EFER, XCR0 } from "../spec/x86/control-register.ts";

/*
 * What KVM refuses in state records, for engines that have no kernel to refuse it: each gives 0 or EINVAL.
 * What else an engine lacks (an unknown CR4 bit, say) it refuses itself.
 */

/** KVM_SET_SREGS: control registers that no processor can hold together. [SDM 3A 2.5, 9.8.5, 4.1.2] */
export function checkSregs(sregs: KvmSregs): number {
  const { cr0_lo: cr0, cr4_lo: cr4, efer_lo: efer, cs } = sregs;
  if (sregs.cr0_hi !== 0 || sregs.cr4_hi !== 0 || sregs.efer_hi !== 0) return EINVAL;
  if (cr0 & CR0.PG && !(cr0 & CR0.PE)) return EINVAL;
  if (cr0 & CR0.NW && !(cr0 & CR0.CD)) return EINVAL;
  const longMode = (efer & EFER.LME) !== 0 && (cr0 & CR0.PG) !== 0;
  if (longMode !== ((efer & EFER.LMA) !== 0)) return EINVAL;
  if (longMode) return cr4 & CR4.PAE ? 0 : EINVAL;
  return cs.l || cr4 & CR4.PCIDE ? EINVAL : 0;
}

/** Bits of CR4 that come with a feature of CPUID. */
const CR4_FEATURES: readonly (readonly [bit: number, feature: string])[] = [
  [CR4.OSXSAVE, "xsave"],
  [CR4.SMEP, "smep"],
  [CR4.SMAP, "smap"],
  [CR4.FSGSBASE, "fsgsbase"],
  [CR4.PKE, "pku"],
  [CR4.PKS, "pks"],
  [CR4.LA57, "la57"],
  [CR4.UMIP, "umip"],
  [CR4.PCIDE, "pcid"],
  [CR4.VMXE, "vmx"],
];

/** KVM_SET_SREGS: CR4 (its low half) has nothing that CPUID does not show. */
export function checkCr4(cr4: number, cpuid: { has(feature: string): boolean }): number {
  return CR4_FEATURES.some(([bit, feature]) => cr4 & bit && !cpuid.has(feature)) ? EINVAL : 0;
}

/** KVM_SET_DEBUGREGS: the high halves of DR6 and DR7 are 0, and there are no flags. [SDM 3B 18.2.6] */
export function checkDebugregs(regs: KvmDebugregs): number {
  return regs.flags_lo | regs.flags_hi | regs.dr6_hi | regs.dr7_hi ? EINVAL : 0;
}

/** KVM_SET_XCRS: XCR0 as XSETBV takes it, within the features `supported` (XCR0 bits); x87 always is. [SDM 1 13.3] */
export function checkXcrs(xcrs: KvmXcrs, supported: number): number {
  if (xcrs.nr_xcrs > KVM_MAX_XCRS || xcrs.flags !== 0) return EINVAL;
  for (let index = 0; index < xcrs.nr_xcrs; index++) {
    const { xcr, value_lo, value_hi } = xcrs.xcrs[index]!;
    if (xcr !== 0) continue;
    if (value_hi !== 0 || value_lo & ~(supported | XCR0.X87) || !(value_lo & XCR0.X87)) return EINVAL;
    if (value_lo & XCR0.AVX && !(value_lo & XCR0.SSE)) return EINVAL;
  }
  return 0;
}

const EVENT_FLAGS =
  KVM_VCPUEVENT_VALID_NMI_PENDING |
  KVM_VCPUEVENT_VALID_SIPI_VECTOR |
  KVM_VCPUEVENT_VALID_SHADOW |
  KVM_VCPUEVENT_VALID_SMM;
const NMI_VECTOR = 2;

/**
 * KVM_SET_VCPU_EVENTS without KVM_CAP_EXCEPTION_PAYLOAD and KVM_CAP_X86_TRIPLE_FAULT_EVENT, of a vCPU in a KVM_MP_STATE_: one
 * that waits for its startup is not in system management mode.
 */
export function checkVcpuEvents(events: KvmVcpuEvents, mpState: number = KVM_MP_STATE_RUNNABLE): number {
  if (events.flags & ~EVENT_FLAGS) return EINVAL;
  const managed = events.flags & KVM_VCPUEVENT_VALID_SMM && (events.smi.smm || events.smi.pending);
  if (managed && mpState === KVM_MP_STATE_INIT_RECEIVED) return EINVAL;
  const { injected, nr } = events.exception;
  return injected && (nr > 31 || nr === NMI_VECTOR) ? EINVAL : 0;
}

/** KVM_SET_MP_STATE: without an irqchip a vCPU is always runnable; while it holds INIT back (an SMI) it waits for no startup. */
export function checkMpState(state: KvmMpState, hasIrqchip: boolean, latchesStartup = false): number {
  const { mp_state } = state;
  if (latchesStartup && (mp_state === KVM_MP_STATE_INIT_RECEIVED || mp_state === KVM_MP_STATE_SIPI_RECEIVED))
    return EINVAL;
  if (mp_state === KVM_MP_STATE_RUNNABLE) return 0;
  return hasIrqchip && mp_state <= KVM_MP_STATE_SIPI_RECEIVED ? 0 : EINVAL;
}
