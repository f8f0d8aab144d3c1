/** ioctl request numbers of /dev/kvm, x86. [linux/kvm.h, asm-generic/ioctl.h] */
import type { StructLayout } from "../../base/struct-layout.ts";
import {
  kvm_cpuid2,
  kvm_debugregs,
  kvm_fpu,
  kvm_guest_debug,
  kvm_interrupt,
  kvm_lapic_state,
  kvm_mp_state,
  kvm_msr_list,
  kvm_msrs,
  kvm_nested_state,
  kvm_regs,
  kvm_sregs,
  kvm_sregs2,
  kvm_translation,
  kvm_vcpu_events,
  kvm_xcrs,
  kvm_xsave,
} from "./vcpu-struct.ts";
import {
  kvm_clear_dirty_log,
  kvm_clock_data,
  kvm_coalesced_mmio_zone,
  kvm_dirty_log,
  kvm_enable_cap,
  kvm_ioeventfd,
  kvm_irq_level,
  kvm_irq_routing,
  kvm_irqchip,
  kvm_irqfd,
  kvm_msi,
  kvm_msr_filter,
  kvm_pit_config,
  kvm_pit_state2,
  kvm_userspace_memory_region,
} from "./vm-struct.ts";

/** Type of all KVM's requests. */
export const KVMIO = 0xae;

const IOC_WRITE = 1;
const IOC_READ = 2;

function ioc(direction: number, nr: number, size: number): number {
  return ((direction << 30) | (size << 16) | (KVMIO << 8) | nr) >>> 0;
}
const io = (nr: number) => ioc(0, nr, 0);
const ior = (nr: number, argument: StructLayout) => ioc(IOC_READ, nr, argument.size);
const iow = (nr: number, argument: StructLayout) => ioc(IOC_WRITE, nr, argument.size);
const iowr = (nr: number, argument: StructLayout) => ioc(IOC_READ | IOC_WRITE, nr, argument.size);

/** On /dev/kvm. */
export const KVM_GET_API_VERSION = io(0x00);
export const KVM_CREATE_VM = io(0x01);
export const KVM_GET_MSR_INDEX_LIST = iowr(0x02, kvm_msr_list);
export const KVM_CHECK_EXTENSION = io(0x03);
export const KVM_GET_VCPU_MMAP_SIZE = io(0x04);
export const KVM_GET_SUPPORTED_CPUID = iowr(0x05, kvm_cpuid2);
export const KVM_GET_MSR_FEATURE_INDEX_LIST = iowr(0x0a, kvm_msr_list);

/** On a VM. */
export const KVM_CREATE_VCPU = io(0x41);
export const KVM_GET_DIRTY_LOG = iow(0x42, kvm_dirty_log);
export const KVM_SET_USER_MEMORY_REGION = iow(0x46, kvm_userspace_memory_region);
export const KVM_SET_TSS_ADDR = io(0x47);
export const KVM_SET_IDENTITY_MAP_ADDR = ioc(IOC_WRITE, 0x48, 8);
export const KVM_CREATE_IRQCHIP = io(0x60);
export const KVM_IRQ_LINE = iow(0x61, kvm_irq_level);
export const KVM_GET_IRQCHIP = iowr(0x62, kvm_irqchip);
export const KVM_SET_IRQCHIP = ior(0x63, kvm_irqchip);
export const KVM_REGISTER_COALESCED_MMIO = iow(0x67, kvm_coalesced_mmio_zone);
export const KVM_UNREGISTER_COALESCED_MMIO = iow(0x68, kvm_coalesced_mmio_zone);
export const KVM_SET_GSI_ROUTING = iow(0x6a, kvm_irq_routing);
export const KVM_REINJECT_CONTROL = io(0x71);
export const KVM_IRQFD = iow(0x76, kvm_irqfd);
export const KVM_CREATE_PIT2 = iow(0x77, kvm_pit_config);
export const KVM_IOEVENTFD = iow(0x79, kvm_ioeventfd);
export const KVM_SET_CLOCK = iow(0x7b, kvm_clock_data);
export const KVM_GET_CLOCK = ior(0x7c, kvm_clock_data);
export const KVM_GET_PIT2 = ior(0x9f, kvm_pit_state2);
export const KVM_SET_PIT2 = iow(0xa0, kvm_pit_state2);
export const KVM_SIGNAL_MSI = iow(0xa5, kvm_msi);
export const KVM_CLEAR_DIRTY_LOG = iowr(0xc0, kvm_clear_dirty_log);
export const KVM_X86_SET_MSR_FILTER = iow(0xc6, kvm_msr_filter);
export const KVM_RESET_DIRTY_RINGS = io(0xc7);

/** On a vCPU; KVM_SET_TSC_KHZ, KVM_GET_TSC_KHZ and KVM_ENABLE_CAP on a VM too. */
export const KVM_RUN = io(0x80);
export const KVM_GET_REGS = ior(0x81, kvm_regs);
export const KVM_SET_REGS = iow(0x82, kvm_regs);
export const KVM_GET_SREGS = ior(0x83, kvm_sregs);
export const KVM_SET_SREGS = iow(0x84, kvm_sregs);
export const KVM_TRANSLATE = iowr(0x85, kvm_translation);
export const KVM_INTERRUPT = iow(0x86, kvm_interrupt);
export const KVM_GET_MSRS = iowr(0x88, kvm_msrs);
export const KVM_SET_MSRS = iow(0x89, kvm_msrs);
export const KVM_GET_FPU = ior(0x8c, kvm_fpu);
export const KVM_SET_FPU = iow(0x8d, kvm_fpu);
export const KVM_GET_LAPIC = ior(0x8e, kvm_lapic_state);
export const KVM_SET_LAPIC = iow(0x8f, kvm_lapic_state);
export const KVM_SET_CPUID2 = iow(0x90, kvm_cpuid2);
export const KVM_GET_CPUID2 = iowr(0x91, kvm_cpuid2);
export const KVM_GET_MP_STATE = ior(0x98, kvm_mp_state);
export const KVM_SET_MP_STATE = iow(0x99, kvm_mp_state);
export const KVM_NMI = io(0x9a);
export const KVM_SET_GUEST_DEBUG = iow(0x9b, kvm_guest_debug);
export const KVM_GET_VCPU_EVENTS = ior(0x9f, kvm_vcpu_events);
export const KVM_SET_VCPU_EVENTS = iow(0xa0, kvm_vcpu_events);
export const KVM_GET_DEBUGREGS = ior(0xa1, kvm_debugregs);
export const KVM_SET_DEBUGREGS = iow(0xa2, kvm_debugregs);
export const KVM_SET_TSC_KHZ = io(0xa2);
export const KVM_GET_TSC_KHZ = io(0xa3);
export const KVM_ENABLE_CAP = iow(0xa3, kvm_enable_cap);
export const KVM_GET_XSAVE = ior(0xa4, kvm_xsave);
export const KVM_SET_XSAVE = iow(0xa5, kvm_xsave);
export const KVM_GET_XCRS = ior(0xa6, kvm_xcrs);
export const KVM_SET_XCRS = iow(0xa7, kvm_xcrs);
export const KVM_KVMCLOCK_CTRL = io(0xad);
export const KVM_SMI = io(0xb7);
export const KVM_GET_NESTED_STATE = iowr(0xbe, kvm_nested_state);
export const KVM_SET_NESTED_STATE = iow(0xbf, kvm_nested_state);
export const KVM_GET_SREGS2 = ior(0xcc, kvm_sregs2);
export const KVM_SET_SREGS2 = iow(0xcd, kvm_sregs2);
export const KVM_GET_XSAVE2 = ior(0xcf, kvm_xsave);

/** What KVM_GET_API_VERSION answers since 2007. */
export const KVM_API_VERSION = 12;
