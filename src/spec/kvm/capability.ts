/**
 * Capabilities of KVM that matter on x86, for KVM_CHECK_EXTENSION: 0 is absent, anything else present; what a value
 * counts is said here. [linux/kvm.h, Documentation/virt/kvm/api.rst]
 */

/** In-kernel 8259A pair, I/O APIC and local APICs: KVM_CREATE_IRQCHIP and KVM_IRQ_LINE. */
export const KVM_CAP_IRQCHIP = 0;
/** HLT leaves KVM_RUN with KVM_EXIT_HLT if there is no irqchip. */
export const KVM_CAP_HLT = 1;
/** KVM_SET_USER_MEMORY_REGION. */
export const KVM_CAP_USER_MEMORY = 3;
/** KVM_SET_TSS_ADDR. */
export const KVM_CAP_SET_TSS_ADDR = 4;
/** KVM_SET_VAPIC_ADDR, KVM_TPR_ACCESS_REPORTING. */
export const KVM_CAP_VAPIC = 6;
/** KVM_GET_SUPPORTED_CPUID, KVM_SET_CPUID2. */
export const KVM_CAP_EXT_CPUID = 7;
/** kvmclock MSRs for the guest. */
export const KVM_CAP_CLOCKSOURCE = 8;
/** Value: recommended most vCPUs of a VM. */
export const KVM_CAP_NR_VCPUS = 9;
/** Value: most memory slots of a VM. */
export const KVM_CAP_NR_MEMSLOTS = 10;
/** KVM_CREATE_PIT. */
export const KVM_CAP_PIT = 11;
/** The guest need not delay after port I/O. */
export const KVM_CAP_NOP_IO_DELAY = 12;
/** KVM_GET_MP_STATE, KVM_SET_MP_STATE. */
export const KVM_CAP_MP_STATE = 14;
/** Coalesced MMIO; value: page offset of its ring in the vCPU's mapping. */
export const KVM_CAP_COALESCED_MMIO = 15;
/** Changes to the host's mapping show in the guest. */
export const KVM_CAP_SYNC_MMU = 16;
/** A memory slot may be deleted. */
export const KVM_CAP_DESTROY_MEMORY_REGION_WORKS = 21;
/** KVM_NMI. */
export const KVM_CAP_USER_NMI = 22;
/** KVM_SET_GUEST_DEBUG. */
export const KVM_CAP_SET_GUEST_DEBUG = 23;
/** KVM_REINJECT_CONTROL: whether lost PIT ticks are made up for. */
export const KVM_CAP_REINJECT_CONTROL = 24;
/** KVM_SET_GSI_ROUTING; value: most entries. */
export const KVM_CAP_IRQ_ROUTING = 25;
/** KVM_IRQ_LINE_STATUS. */
export const KVM_CAP_IRQ_INJECT_STATUS = 26;
/** Memory slots may be joined and split. */
export const KVM_CAP_JOIN_MEMORY_REGIONS_WORKS = 30;
/** Machine checks; value: banks. */
export const KVM_CAP_MCE = 31;
/** KVM_IRQFD. */
export const KVM_CAP_IRQFD = 32;
/** KVM_CREATE_PIT2. */
export const KVM_CAP_PIT2 = 33;
/** KVM_SET_BOOT_CPU_ID. */
export const KVM_CAP_SET_BOOT_CPU_ID = 34;
/** KVM_GET_PIT2, KVM_SET_PIT2. */
export const KVM_CAP_PIT_STATE2 = 35;
/** KVM_IOEVENTFD. */
export const KVM_CAP_IOEVENTFD = 36;
/** KVM_SET_IDENTITY_MAP_ADDR. */
export const KVM_CAP_SET_IDENTITY_MAP_ADDR = 37;
/** KVM_GET_CLOCK, KVM_SET_CLOCK; value: the KVM_CLOCK_ flags they know. */
export const KVM_CAP_ADJUST_CLOCK = 39;
/** KVM_EXIT_INTERNAL_ERROR has data. */
export const KVM_CAP_INTERNAL_ERROR_DATA = 40;
/** KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS. */
export const KVM_CAP_VCPU_EVENTS = 41;
/** Hyper-V's interface for the guest. */
export const KVM_CAP_HYPERV = 44;
/** kvm_vcpu_events has the interrupt shadow. */
export const KVM_CAP_INTR_SHADOW = 49;
/** KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS. */
export const KVM_CAP_DEBUGREGS = 50;
/** Single-stepping does not disturb the guest's own. */
export const KVM_CAP_X86_ROBUST_SINGLESTEP = 51;
/** KVM_ENABLE_CAP on a vCPU. */
export const KVM_CAP_ENABLE_CAP = 54;
/** KVM_GET_XSAVE, KVM_SET_XSAVE. */
export const KVM_CAP_XSAVE = 55;
/** KVM_GET_XCRS, KVM_SET_XCRS. */
export const KVM_CAP_XCRS = 56;
/** Asynchronous page faults for the guest. */
export const KVM_CAP_ASYNC_PF = 59;
/** KVM_SET_TSC_KHZ. */
export const KVM_CAP_TSC_CONTROL = 60;
/** KVM_GET_TSC_KHZ. */
export const KVM_CAP_GET_TSC_KHZ = 61;
/** Value: most vCPUs of a VM. */
export const KVM_CAP_MAX_VCPUS = 66;
/** The local APIC's timer has TSC-deadline mode. */
export const KVM_CAP_TSC_DEADLINE_TIMER = 72;
/** Registers in the kvm_run page; value: the KVM_SYNC_X86_ classes. */
export const KVM_CAP_SYNC_REGS = 74;
/** KVM_KVMCLOCK_CTRL. */
export const KVM_CAP_KVMCLOCK_CTRL = 76;
/** KVM_SIGNAL_MSI. */
export const KVM_CAP_SIGNAL_MSI = 77;
/** KVM_MEM_READONLY. */
export const KVM_CAP_READONLY_MEM = 81;
/** KVM_IRQFD_FLAG_RESAMPLE. */
export const KVM_CAP_IRQFD_RESAMPLE = 82;
/** The I/O APIC takes every line as active high whatever the polarity bit says. */
export const KVM_CAP_IOAPIC_POLARITY_IGNORED = 97;
/** KVM_ENABLE_CAP on a VM. */
export const KVM_CAP_ENABLE_CAP_VM = 98;
/** An ioeventfd for MMIO may have length 0. */
export const KVM_CAP_IOEVENTFD_NO_LENGTH = 100;
/** KVM_CHECK_EXTENSION on a VM. */
export const KVM_CAP_CHECK_EXTENSION_VM = 105;
/** KVM_SMI. */
export const KVM_CAP_X86_SMM = 117;
/** KVM_CREATE_IRQCHIP's local APICs alone; PIC and I/O APIC are the caller's. */
export const KVM_CAP_SPLIT_IRQCHIP = 121;
/** An ioeventfd for port I/O may have length 0. */
export const KVM_CAP_IOEVENTFD_ANY_LENGTH = 122;
/** Value: largest vCPU ID plus 1. */
export const KVM_CAP_MAX_VCPU_ID = 128;
/** 32-bit APIC IDs in KVM_SET_GSI_ROUTING and KVM_GET_LAPIC. */
export const KVM_CAP_X2APIC_API = 129;
/** `kvm_run.immediate_exit` */
export const KVM_CAP_IMMEDIATE_EXIT = 136;
/** HLT, PAUSE, MWAIT may be left to the guest; value: which. */
export const KVM_CAP_X86_DISABLE_EXITS = 143;
/** KVM_GET_MSR_FEATURE_INDEX_LIST. */
export const KVM_CAP_GET_MSR_FEATURES = 153;
/** KVM_GET_NESTED_STATE; value: its size. */
export const KVM_CAP_NESTED_STATE = 157;
/** Coalesced port I/O. */
export const KVM_CAP_COALESCED_PIO = 162;
/** kvm_vcpu_events tells a pending exception from an injected one. */
export const KVM_CAP_EXCEPTION_PAYLOAD = 164;
/** KVM_CLEAR_DIRTY_LOG. */
export const KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 = 168;
/** MSRs KVM does not know leave KVM_RUN with KVM_EXIT_X86_RDMSR or KVM_EXIT_X86_WRMSR. */
export const KVM_CAP_X86_USER_SPACE_MSR = 188;
/** KVM_X86_SET_MSR_FILTER. */
export const KVM_CAP_X86_MSR_FILTER = 189;
/** Steal time for the guest. */
export const KVM_CAP_STEAL_TIME = 187;
/** Dirty rings; value: the most bytes of one. */
export const KVM_CAP_DIRTY_LOG_RING = 192;
/** KVM_GET_SREGS2, KVM_SET_SREGS2. */
export const KVM_CAP_SREGS2 = 200;
/** Value: bytes of KVM_GET_XSAVE2. */
export const KVM_CAP_XSAVE2 = 208;
/** `kvm_run.system_event` has data. */
export const KVM_CAP_SYSTEM_EVENT_DATA = 215;
/** kvm_vcpu_events has a pending triple fault. */
export const KVM_CAP_X86_TRIPLE_FAULT_EVENT = 218;
