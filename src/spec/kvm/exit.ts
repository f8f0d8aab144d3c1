/** Values in kvm_run, x86. [linux/kvm.h] */

/** `kvm_run.exit_reason` */
export const KVM_EXIT_UNKNOWN = 0;
export const KVM_EXIT_EXCEPTION = 1;
export const KVM_EXIT_IO = 2;
export const KVM_EXIT_HYPERCALL = 3;
export const KVM_EXIT_DEBUG = 4;
export const KVM_EXIT_HLT = 5;
export const KVM_EXIT_MMIO = 6;
export const KVM_EXIT_IRQ_WINDOW_OPEN = 7;
export const KVM_EXIT_SHUTDOWN = 8;
export const KVM_EXIT_FAIL_ENTRY = 9;
export const KVM_EXIT_INTR = 10;
export const KVM_EXIT_SET_TPR = 11;
export const KVM_EXIT_TPR_ACCESS = 12;
export const KVM_EXIT_NMI = 16;
export const KVM_EXIT_INTERNAL_ERROR = 17;
export const KVM_EXIT_SYSTEM_EVENT = 24;
export const KVM_EXIT_IOAPIC_EOI = 26;
export const KVM_EXIT_HYPERV = 27;
export const KVM_EXIT_X86_RDMSR = 29;
export const KVM_EXIT_X86_WRMSR = 30;
export const KVM_EXIT_DIRTY_RING_FULL = 31;
export const KVM_EXIT_AP_RESET_HOLD = 32;
export const KVM_EXIT_X86_BUS_LOCK = 33;
export const KVM_EXIT_XEN = 34;
export const KVM_EXIT_NOTIFY = 37;

const NAMES: { readonly [reason: number]: string } = {
  [KVM_EXIT_UNKNOWN]: "KVM_EXIT_UNKNOWN",
  [KVM_EXIT_EXCEPTION]: "KVM_EXIT_EXCEPTION",
  [KVM_EXIT_IO]: "KVM_EXIT_IO",
  [KVM_EXIT_HYPERCALL]: "KVM_EXIT_HYPERCALL",
  [KVM_EXIT_DEBUG]: "KVM_EXIT_DEBUG",
  [KVM_EXIT_HLT]: "KVM_EXIT_HLT",
  [KVM_EXIT_MMIO]: "KVM_EXIT_MMIO",
  [KVM_EXIT_IRQ_WINDOW_OPEN]: "KVM_EXIT_IRQ_WINDOW_OPEN",
  [KVM_EXIT_SHUTDOWN]: "KVM_EXIT_SHUTDOWN",
  [KVM_EXIT_FAIL_ENTRY]: "KVM_EXIT_FAIL_ENTRY",
  [KVM_EXIT_INTR]: "KVM_EXIT_INTR",
  [KVM_EXIT_SET_TPR]: "KVM_EXIT_SET_TPR",
  [KVM_EXIT_TPR_ACCESS]: "KVM_EXIT_TPR_ACCESS",
  [KVM_EXIT_NMI]: "KVM_EXIT_NMI",
  [KVM_EXIT_INTERNAL_ERROR]: "KVM_EXIT_INTERNAL_ERROR",
  [KVM_EXIT_SYSTEM_EVENT]: "KVM_EXIT_SYSTEM_EVENT",
  [KVM_EXIT_IOAPIC_EOI]: "KVM_EXIT_IOAPIC_EOI",
  [KVM_EXIT_HYPERV]: "KVM_EXIT_HYPERV",
  [KVM_EXIT_X86_RDMSR]: "KVM_EXIT_X86_RDMSR",
  [KVM_EXIT_X86_WRMSR]: "KVM_EXIT_X86_WRMSR",
  [KVM_EXIT_DIRTY_RING_FULL]: "KVM_EXIT_DIRTY_RING_FULL",
  [KVM_EXIT_AP_RESET_HOLD]: "KVM_EXIT_AP_RESET_HOLD",
  [KVM_EXIT_X86_BUS_LOCK]: "KVM_EXIT_X86_BUS_LOCK",
  [KVM_EXIT_XEN]: "KVM_EXIT_XEN",
  [KVM_EXIT_NOTIFY]: "KVM_EXIT_NOTIFY",
};

/** "KVM_EXIT_IO" for 2; "exit reason 99" for a value not listed. */
export function exitReasonName(reason: number): string {
  return NAMES[reason] ?? `exit reason ${reason}`;
}

/** `kvm_run.io.direction` */
export const KVM_EXIT_IO_IN = 0;
export const KVM_EXIT_IO_OUT = 1;

/** `kvm_run.flags` */
export const KVM_RUN_X86_SMM = 1 << 0;
export const KVM_RUN_X86_BUS_LOCK = 1 << 1;

/** `kvm_run.internal.suberror` */
export const KVM_INTERNAL_ERROR_EMULATION = 1;
export const KVM_INTERNAL_ERROR_SIMUL_EX = 2;
export const KVM_INTERNAL_ERROR_DELIVERY_EV = 3;
export const KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON = 4;
/** `kvm_run.emulation_failure.flags`: insn_size and insn_bytes hold. */
export const KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES = 1 << 0;

/** `kvm_run.system_event.type` */
export const KVM_SYSTEM_EVENT_SHUTDOWN = 1;
export const KVM_SYSTEM_EVENT_RESET = 2;
export const KVM_SYSTEM_EVENT_CRASH = 3;
export const KVM_SYSTEM_EVENT_WAKEUP = 4;
export const KVM_SYSTEM_EVENT_SUSPEND = 5;

/** `kvm_run.msr.reason` */
export const KVM_MSR_EXIT_REASON_INVAL = 1 << 0;
export const KVM_MSR_EXIT_REASON_UNKNOWN = 1 << 1;
export const KVM_MSR_EXIT_REASON_FILTER = 1 << 2;
