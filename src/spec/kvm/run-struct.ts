/** The page shared with a running vCPU, x86. [linux/kvm.h] */
import { array, at, bytes, type StructView, struct } from "../../base/struct-layout.ts";
import { kvm_regs, kvm_sregs, kvm_vcpu_events } from "./vcpu-struct.ts";

export const kvm_debug_exit_arch = struct("kvm_debug_exit_arch", 32, {
  exception: "u32",
  pad: "u32",
  pc: "u64",
  dr6: "u64",
  dr7: "u64",
});

/** Register classes of `kvm_valid_regs` and `kvm_dirty_regs`. */
export const KVM_SYNC_X86_REGS = 1 << 0;
export const KVM_SYNC_X86_SREGS = 1 << 1;
export const KVM_SYNC_X86_EVENTS = 1 << 2;

export const kvm_sync_regs = struct("kvm_sync_regs", 520, {
  regs: kvm_regs,
  sregs: kvm_sregs,
  events: kvm_vcpu_events,
});

/** Where the union of exit records lies in kvm_run, and its size. */
export const KVM_RUN_EXIT_OFFSET = 32;
const EXIT = KVM_RUN_EXIT_OFFSET;
const SYNC_REGS_SIZE_BYTES = 2048;

/** Bit of `flags`: the vCPU is in system management mode. */
export const KVM_RUN_X86_SMM = 1 << 0;

/** What KVM_RUN reads and fills; which of the exit records at offset 32 holds is said by `exit_reason`. */
export const kvm_run = struct("kvm_run", 2352, {
  request_interrupt_window: "u8",
  immediate_exit: "u8",
  padding1: bytes(6),
  exit_reason: "u32",
  ready_for_interrupt_injection: "u8",
  if_flag: "u8",
  flags: "u16",
  cr8: "u64",
  apic_base: "u64",

  hw: at(EXIT, struct("hw", 8, { hardware_exit_reason: "u64" })),
  fail_entry: at(EXIT, struct("fail_entry", 16, { hardware_entry_failure_reason: "u64", cpu: "u32" })),
  ex: at(EXIT, struct("ex", 8, { exception: "u32", error_code: "u32" })),
  io: at(EXIT, struct("io", 16, { direction: "u8", size: "u8", port: "u16", count: "u32", data_offset: "u64" })),
  debug: at(EXIT, struct("debug", 32, { arch: kvm_debug_exit_arch })),
  mmio: at(EXIT, struct("mmio", 24, { phys_addr: "u64", data: bytes(8), len: "u32", is_write: "u8" })),
  hypercall: at(
    EXIT,
    struct("hypercall", 72, { nr: "u64", args: array("u64", 6), ret: "u64", longmode: "u32", pad: "u32" }),
  ),
  tpr_access: at(EXIT, struct("tpr_access", 16, { rip: "u64", is_write: "u32", pad: "u32" })),
  internal: at(EXIT, struct("internal", 136, { suberror: "u32", ndata: "u32", data: array("u64", 16) })),
  emulation_failure: at(
    EXIT,
    struct("emulation_failure", 32, {
      suberror: "u32",
      ndata: "u32",
      flags: "u64",
      insn_size: "u8",
      insn_bytes: bytes(15),
    }),
  ),
  system_event: at(
    EXIT,
    struct("system_event", 136, { type: "u32", ndata: "u32", flags: "u64", data: at(8, array("u64", 16)) }),
  ),
  eoi: at(EXIT, struct("eoi", 1, { vector: "u8" })),
  msr: at(EXIT, struct("msr", 24, { error: "u8", pad: bytes(7), reason: "u32", index: "u32", data: "u64" })),
  notify: at(EXIT, struct("notify", 4, { flags: "u32" })),

  kvm_valid_regs: at(EXIT + 256, "u64"),
  kvm_dirty_regs: "u64",
  s: struct("s", SYNC_REGS_SIZE_BYTES, { regs: kvm_sync_regs, padding: at(0, bytes(SYNC_REGS_SIZE_BYTES)) }),
});

export type KvmRun = StructView<typeof kvm_run>;

/** Pages of the mapping: kvm_run, the data of port I/O, the coalesced MMIO ring. [asm/kvm.h] */
export const KVM_PIO_PAGE_OFFSET = 1;
export const KVM_COALESCED_MMIO_PAGE_OFFSET = 2;
/** What KVM_GET_VCPU_MMAP_SIZE answers for these three pages. */
export const KVM_VCPU_MMAP_SIZE = 3 * 4096;
