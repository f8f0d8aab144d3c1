/** Structs of a vCPU's state, x86. [linux/kvm.h, asm/kvm.h] */
import { array, bytes, flexible, type StructView, struct } from "../../base/struct-layout.ts";

/** KVM_GET_REGS, KVM_SET_REGS */
export const kvm_regs = struct("kvm_regs", 144, {
  rax: "u64",
  rbx: "u64",
  rcx: "u64",
  rdx: "u64",
  rsi: "u64",
  rdi: "u64",
  rsp: "u64",
  rbp: "u64",
  r8: "u64",
  r9: "u64",
  r10: "u64",
  r11: "u64",
  r12: "u64",
  r13: "u64",
  r14: "u64",
  r15: "u64",
  rip: "u64",
  rflags: "u64",
});

/** A segment register with its hidden part; `limit` is in bytes whatever `g` says. */
export const kvm_segment = struct("kvm_segment", 24, {
  base: "u64",
  limit: "u32",
  selector: "u16",
  type: "u8",
  present: "u8",
  dpl: "u8",
  db: "u8",
  s: "u8",
  l: "u8",
  g: "u8",
  avl: "u8",
  unusable: "u8",
  padding: "u8",
});

/** GDTR or IDTR. */
export const kvm_dtable = struct("kvm_dtable", 16, { base: "u64", limit: "u16", padding: array("u16", 3) });

const segmentsAndControl = {
  cs: kvm_segment,
  ds: kvm_segment,
  es: kvm_segment,
  fs: kvm_segment,
  gs: kvm_segment,
  ss: kvm_segment,
  tr: kvm_segment,
  ldt: kvm_segment,
  gdt: kvm_dtable,
  idt: kvm_dtable,
  cr0: "u64",
  cr2: "u64",
  cr3: "u64",
  cr4: "u64",
  cr8: "u64",
  efer: "u64",
  apic_base: "u64",
} as const;

/** KVM_GET_SREGS, KVM_SET_SREGS */
export const kvm_sregs = struct("kvm_sregs", 312, { ...segmentsAndControl, interrupt_bitmap: array("u64", 4) });

export const KVM_SREGS2_FLAGS_PDPTRS_VALID = 1;

/** KVM_GET_SREGS2, KVM_SET_SREGS2 */
export const kvm_sregs2 = struct("kvm_sregs2", 320, {
  ...segmentsAndControl,
  flags: "u64",
  pdptrs: array("u64", 4),
});

/** KVM_GET_FPU, KVM_SET_FPU. `fpr`: 8 registers of 16 bytes, `xmm`: 16 of 16; `ftwx` is in FXSAVE's format. */
export const kvm_fpu = struct("kvm_fpu", 416, {
  fpr: bytes(128),
  fcw: "u16",
  fsw: "u16",
  ftwx: "u8",
  pad1: "u8",
  last_opcode: "u16",
  last_ip: "u64",
  last_dp: "u64",
  xmm: bytes(256),
  mxcsr: "u32",
  pad2: "u32",
});

/** KVM_GET_XSAVE, KVM_SET_XSAVE: an XSAVE area in standard format. */
export const kvm_xsave = struct("kvm_xsave", 4096, { region: array("u32", 1024), extra: flexible("u32") });

export const KVM_MAX_XCRS = 16;

export const kvm_xcr = struct("kvm_xcr", 16, { xcr: "u32", reserved: "u32", value: "u64" });

/** KVM_GET_XCRS, KVM_SET_XCRS */
export const kvm_xcrs = struct("kvm_xcrs", 392, {
  nr_xcrs: "u32",
  flags: "u32",
  xcrs: array(kvm_xcr, KVM_MAX_XCRS),
  padding: array("u64", 16),
});

/** KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS */
export const kvm_debugregs = struct("kvm_debugregs", 128, {
  db: array("u64", 4),
  dr6: "u64",
  dr7: "u64",
  flags: "u64",
  reserved: array("u64", 9),
});

export const kvm_msr_entry = struct("kvm_msr_entry", 16, { index: "u32", reserved: "u32", data: "u64" });

/** KVM_GET_MSRS, KVM_SET_MSRS */
export const kvm_msrs = struct("kvm_msrs", 8, { nmsrs: "u32", pad: "u32", entries: flexible(kvm_msr_entry) });

/** KVM_GET_MSR_INDEX_LIST */
export const kvm_msr_list = struct("kvm_msr_list", 4, { nmsrs: "u32", indices: flexible("u32") });

/** `index` (ECX) matters for this function. */
export const KVM_CPUID_FLAG_SIGNIFCANT_INDEX = 1 << 0;
export const KVM_CPUID_FLAG_STATEFUL_FUNC = 1 << 1;
export const KVM_CPUID_FLAG_STATE_READ_NEXT = 1 << 2;

export const kvm_cpuid_entry2 = struct("kvm_cpuid_entry2", 40, {
  function: "u32",
  index: "u32",
  flags: "u32",
  eax: "u32",
  ebx: "u32",
  ecx: "u32",
  edx: "u32",
  padding: array("u32", 3),
});

/** KVM_SET_CPUID2, KVM_GET_CPUID2, KVM_GET_SUPPORTED_CPUID */
export const kvm_cpuid2 = struct("kvm_cpuid2", 8, {
  nent: "u32",
  padding: "u32",
  entries: flexible(kvm_cpuid_entry2),
});

export const KVM_APIC_REG_SIZE = 0x400;

/** KVM_GET_LAPIC, KVM_SET_LAPIC: the xAPIC register page, a 32-bit register every 16 bytes. [SDM 3A 11.4.1] */
export const kvm_lapic_state = struct("kvm_lapic_state", 1024, { regs: bytes(KVM_APIC_REG_SIZE) });

export const KVM_VCPUEVENT_VALID_NMI_PENDING = 0x01;
export const KVM_VCPUEVENT_VALID_SIPI_VECTOR = 0x02;
export const KVM_VCPUEVENT_VALID_SHADOW = 0x04;
export const KVM_VCPUEVENT_VALID_SMM = 0x08;
export const KVM_VCPUEVENT_VALID_PAYLOAD = 0x10;
export const KVM_VCPUEVENT_VALID_TRIPLE_FAULT = 0x20;

export const KVM_X86_SHADOW_INT_MOV_SS = 0x01;
export const KVM_X86_SHADOW_INT_STI = 0x02;

/** KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS */
export const kvm_vcpu_events = struct("kvm_vcpu_events", 64, {
  exception: struct("exception", 8, {
    injected: "u8",
    nr: "u8",
    has_error_code: "u8",
    pending: "u8",
    error_code: "u32",
  }),
  interrupt: struct("interrupt", 4, { injected: "u8", nr: "u8", soft: "u8", shadow: "u8" }),
  nmi: struct("nmi", 4, { injected: "u8", pending: "u8", masked: "u8", pad: "u8" }),
  sipi_vector: "u32",
  flags: "u32",
  smi: struct("smi", 4, { smm: "u8", pending: "u8", smm_inside_nmi: "u8", latched_init: "u8" }),
  triple_fault: struct("triple_fault", 1, { pending: "u8" }),
  reserved: bytes(26),
  exception_has_payload: "u8",
  exception_payload: "u64",
});

/** The x86 values of `kvm_mp_state.mp_state`. */
export const KVM_MP_STATE_RUNNABLE = 0;
export const KVM_MP_STATE_UNINITIALIZED = 1;
export const KVM_MP_STATE_INIT_RECEIVED = 2;
export const KVM_MP_STATE_HALTED = 3;
export const KVM_MP_STATE_SIPI_RECEIVED = 4;
export const KVM_MP_STATE_AP_RESET_HOLD = 9;

/** KVM_GET_MP_STATE, KVM_SET_MP_STATE */
export const kvm_mp_state = struct("kvm_mp_state", 4, { mp_state: "u32" });

/** KVM_INTERRUPT: `irq` is the vector. */
export const kvm_interrupt = struct("kvm_interrupt", 4, { irq: "u32" });

/** KVM_TRANSLATE */
export const kvm_translation = struct("kvm_translation", 24, {
  linear_address: "u64",
  physical_address: "u64",
  valid: "u8",
  writeable: "u8",
  usermode: "u8",
  pad: bytes(5),
});

export const KVM_GUESTDBG_ENABLE = 0x00000001;
export const KVM_GUESTDBG_SINGLESTEP = 0x00000002;
export const KVM_GUESTDBG_USE_SW_BP = 0x00010000;
export const KVM_GUESTDBG_USE_HW_BP = 0x00020000;
export const KVM_GUESTDBG_INJECT_DB = 0x00040000;
export const KVM_GUESTDBG_INJECT_BP = 0x00080000;
export const KVM_GUESTDBG_BLOCKIRQ = 0x00100000;

export const kvm_guest_debug_arch = struct("kvm_guest_debug_arch", 64, { debugreg: array("u64", 8) });

/** KVM_SET_GUEST_DEBUG */
export const kvm_guest_debug = struct("kvm_guest_debug", 72, {
  control: "u32",
  pad: "u32",
  arch: kvm_guest_debug_arch,
});

/** KVM_GET_NESTED_STATE, KVM_SET_NESTED_STATE: `hdr` and `data` are those of VMX (format 0) or SVM (format 1). */
export const kvm_nested_state = struct("kvm_nested_state", 128, {
  flags: "u16",
  format: "u16",
  size: "u32",
  hdr: bytes(120),
  data: flexible("u8"),
});

export type KvmNestedState = StructView<typeof kvm_nested_state>;
export type KvmRegs = StructView<typeof kvm_regs>;
export type KvmSegment = StructView<typeof kvm_segment>;
export type KvmDtable = StructView<typeof kvm_dtable>;
export type KvmSregs = StructView<typeof kvm_sregs>;
export type KvmSregs2 = StructView<typeof kvm_sregs2>;
export type KvmFpu = StructView<typeof kvm_fpu>;
export type KvmXsave = StructView<typeof kvm_xsave>;
export type KvmXcrs = StructView<typeof kvm_xcrs>;
export type KvmDebugregs = StructView<typeof kvm_debugregs>;
export type KvmMsrEntry = StructView<typeof kvm_msr_entry>;
export type KvmMsrs = StructView<typeof kvm_msrs>;
export type KvmMsrList = StructView<typeof kvm_msr_list>;
export type KvmCpuidEntry2 = StructView<typeof kvm_cpuid_entry2>;
export type KvmCpuid2 = StructView<typeof kvm_cpuid2>;
export type KvmLapicState = StructView<typeof kvm_lapic_state>;
export type KvmVcpuEvents = StructView<typeof kvm_vcpu_events>;
export type KvmMpState = StructView<typeof kvm_mp_state>;
export type KvmInterrupt = StructView<typeof kvm_interrupt>;
export type KvmTranslation = StructView<typeof kvm_translation>;
export type KvmGuestDebug = StructView<typeof kvm_guest_debug>;
