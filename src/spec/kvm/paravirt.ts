/** KVM's interface to its guests. [Documentation/virt/kvm/x86/cpuid.rst, msr.rst] */
import { array, type StructView, struct } from "../../base/struct-layout.ts";

export const KVM_CPUID_SIGNATURE = 0x4000_0000;
export const KVM_CPUID_FEATURES = 0x4000_0001;
/** "KVMKVMKVM\0\0\0" as EBX, ECX, EDX. */
export const KVM_SIGNATURE = [0x4b4d564b, 0x564b4d56, 0x0000004d] as const;

/** Bits of KVM_CPUID_FEATURES' EAX. */
export const KVM_FEATURE = {
  CLOCKSOURCE: 1 << 0,
  NOP_IO_DELAY: 1 << 1,
  CLOCKSOURCE2: 1 << 3,
  PV_EOI: 1 << 6,
  PV_UNHALT: 1 << 7,
  PV_SEND_IPI: 1 << 11,
  CLOCKSOURCE_STABLE: 1 << 24,
} as const;

export const KVM_MSR = {
  WALL_CLOCK: 0x11,
  SYSTEM_TIME: 0x12,
  WALL_CLOCK_NEW: 0x4b56_4d00,
  SYSTEM_TIME_NEW: 0x4b56_4d01,
  PV_EOI_EN: 0x4b56_4d04,
} as const;

/** The low bit of an MSR that names an address. */
export const KVM_MSR_ENABLED = 1;

/** Hypercalls by their number in RAX. [Documentation/virt/kvm/x86/hypercalls.rst] */
export const KVM_HC = { VAPIC_POLL_IRQ: 1, KICK_CPU: 5, CLOCK_PAIRING: 9, SEND_IPI: 10 } as const;

/** Errors of hypercalls; RAX is their negative. [linux/kvm_para.h] */
export const KVM_HC_ERROR = { EPERM: 1, EFAULT: 14, EINVAL: 22, EOPNOTSUPP: 95, ENOSYS: 1000 } as const;

/** The clock that KVM_HC_CLOCK_PAIRING pairs with the TSC. */
export const KVM_CLOCK_PAIRING_WALLCLOCK = 0;
export const kvm_clock_pairing = struct("kvm_clock_pairing", 64, {
  sec: "s64",
  nsec: "s64",
  tsc: "u64",
  flags: "u32",
  pad: array("u32", 9),
});

/** Time of one vCPU: system time in ns is system_time + ((tsc - tsc_timestamp) << tsc_shift) * tsc_to_system_mul >> 32. */
export const pvclock_vcpu_time_info = struct("pvclock_vcpu_time_info", 32, {
  version: "u32",
  pad0: "u32",
  tsc_timestamp: "u64",
  system_time: "u64",
  tsc_to_system_mul: "u32",
  tsc_shift: "s8",
  flags: "u8",
  pad: array("u8", 2),
});
export type PvclockVcpuTimeInfo = StructView<typeof pvclock_vcpu_time_info>;

/** The clocks of all vCPUs agree. */
export const PVCLOCK_TSC_STABLE_BIT = 1;

/** Wall-clock time at which system time was 0. */
export const pvclock_wall_clock = struct("pvclock_wall_clock", 12, { version: "u32", sec: "u32", nsec: "u32" });
