// RDMSR, WRMSR, CPUID, RDTSC, RDTSCP and hypercalls.
import {
  CPU_cr0,
  CPU_cr4,
  CPU_debugctl,
  CPU_efer,
  CPU_exitData,
  CPU_kernelGsBase,
  CPU_lstar,
  CPU_cstar,
  CPU_miscFeatures,
  CPU_pat,
  CPU_pkrs,
  CPU_scratch,
  CPU_sfmask,
  CPU_star,
  CPU_sysenterCs,
  CPU_sysenterEip,
  CPU_sysenterEsp,
  CPU_tscAux,
  CR0_PG,
  CR4_TSD,
  EFER_LMA,
  EFER_LME,
  EFER_NXE,
  EFER_SCE,
  EXIT_msrRead,
  EXIT_msrWrite,
  FEATURE_pks,
  FEATURE_rdpid,
  FEATURE_rdtscp,
  GPR_rax,
  GPR_rbx,
  GPR_rcx,
  GPR_rdx,
  CPU_msrPolicy,
  MISC_FEATURES_CPUID_FAULT,
  MSR_CSTAR,
  MSR_DEBUGCTL,
  MSR_EFER,
  MSR_FMASK,
  MSR_FS_BASE,
  MSR_GS_BASE,
  MSR_KERNEL_GS_BASE,
  MSR_LSTAR,
  MSR_MISC_FEATURES_ENABLES,
  MSR_PAT,
  MSR_PKRS,
  MSR_STAR,
  MSR_SYSENTER_CS,
  MSR_SYSENTER_EIP,
  MSR_SYSENTER_ESP,
  MSR_TSC_AUX,
  SEGMENTS_fs,
  SEGMENTS_gs,
  SEGMENT_base,
  VECTOR_UD,
} from "./layout.generated.ts";
import { raise, raise_gp } from "./fault.ts";
import { cpuid as ask_cpuid, hypercall as call_hypervisor, msr_allowed, msr_read, msr_write, tsc } from "./env.ts";
import { set_pkrs } from "./protection-keys.ts";
import { tlb_flush } from "./tlb.ts";
import { cpl, gpr, has_feature, is_canonical_register, is_code64, set_gpr } from "./registers.ts";
import { exit_for, replay_find } from "./replay.ts";

/** State offset of an MSR's 64 bits, or 0 if it has none. */
function msr_field(cpu: i32, index: i32): i32 {
  switch (index) {
    case MSR_EFER:
      return CPU_efer;
    case MSR_STAR:
      return CPU_star;
    case MSR_LSTAR:
      return CPU_lstar;
    case MSR_CSTAR:
      return CPU_cstar;
    case MSR_FMASK:
      return CPU_sfmask;
    case MSR_FS_BASE:
      return SEGMENTS_fs + SEGMENT_base;
    case MSR_GS_BASE:
      return SEGMENTS_gs + SEGMENT_base;
    case MSR_KERNEL_GS_BASE:
      return CPU_kernelGsBase;
    case MSR_TSC_AUX:
      return has_feature(cpu, FEATURE_rdtscp | FEATURE_rdpid) ? CPU_tscAux : 0;
    case MSR_SYSENTER_CS:
      return CPU_sysenterCs;
    case MSR_SYSENTER_ESP:
      return CPU_sysenterEsp;
    case MSR_SYSENTER_EIP:
      return CPU_sysenterEip;
    case MSR_PAT:
      return CPU_pat;
    case MSR_DEBUGCTL:
      return CPU_debugctl;
    case MSR_MISC_FEATURES_ENABLES:
      return CPU_miscFeatures;
    case MSR_PKRS:
      return has_feature(cpu, FEATURE_pks) ? CPU_pkrs : 0;
    default:
      return 0;
  }
}

/** Writes EDX:EAX. */
function set_pair(cpu: i32, value: u64): void {
  set_gpr(cpu, GPR_rax, value & 0xffffffff);
  set_gpr(cpu, GPR_rdx, value >> 32);
}

function pair(cpu: i32): u64 {
  return (gpr(cpu, GPR_rdx) << 32) | (gpr(cpu, GPR_rax) & 0xffffffff);
}

/** RDMSR [SDM 2B RDMSR] */
export function rdmsr(cpu: i32): void {
  const index = gpr(cpu, GPR_rcx) as i32;
  const field = msr_field(cpu, index);
  if (cpl(cpu)) raise_gp(cpu);
  else if (load<i32>(cpu + CPU_msrPolicy) && !is_allowed(cpu, EXIT_msrRead, index)) return;
  else if (field) set_pair(cpu, load<u64>(cpu + field));
  else if (read_foreign(cpu, index)) set_pair(cpu, load<u64>(cpu + CPU_exitData));
}

function msr_address(index: i32): u64 {
  return index as u32 as u64;
}

/** In the size of a replay entry: user space refused the access. */
const REFUSED: i32 = 1;

/** Whether the access is the processor's to do; false: user space did it, refused it or is asked. CPU.exitData has the value. */
function is_allowed(cpu: i32, kind: i32, index: i32): bool {
  const address = msr_address(index);
  if (replay_find(cpu, kind, address, 8)) {
    if (kind == EXIT_msrRead) set_pair(cpu, load<u64>(cpu + CPU_exitData));
    return false;
  }
  const status = replay_find(cpu, kind, address, REFUSED) ? 1 : msr_allowed(cpu, index, kind == EXIT_msrWrite ? 1 : 0);
  if (status == 1) raise_gp(cpu);
  if (status == 2) exit_for(cpu, kind, address, 8);
  return status == 0;
}

/** An MSR that is not in the state, into CPU.exitData; false: trapped. */
function read_foreign(cpu: i32, index: i32): bool {
  if (replay_find(cpu, EXIT_msrRead, msr_address(index), 8)) return true;
  const status = msr_read(cpu, index);
  if (status == 1) raise_gp(cpu);
  if (status == 2) exit_for(cpu, EXIT_msrRead, msr_address(index), 8);
  return status == 0;
}

/** WRMSR [SDM 2D WRMSR] */
export function wrmsr(cpu: i32): void {
  const index = gpr(cpu, GPR_rcx) as i32;
  const value = pair(cpu);
  const field = msr_field(cpu, index);
  if (cpl(cpu)) {
    raise_gp(cpu);
    return;
  }
  store<u64>(cpu + CPU_exitData, value);
  if (load<i32>(cpu + CPU_msrPolicy) && !is_allowed(cpu, EXIT_msrWrite, index)) return;
  if (index == MSR_EFER) write_efer(cpu, value);
  else if (!field) write_foreign(cpu, index, value);
  else if (!is_msr_possible(cpu, index, value)) raise_gp(cpu);
  else if (index == MSR_PKRS) set_pkrs(cpu, value as u32);
  else store<u64>(cpu + field, value);
}

function write_foreign(cpu: i32, index: i32, value: u64): void {
  if (replay_find(cpu, EXIT_msrWrite, msr_address(index), 8)) return;
  store<u64>(cpu + CPU_exitData, value);
  const status = msr_write(cpu, index);
  if (status == 1) raise_gp(cpu);
  if (status == 2) exit_for(cpu, EXIT_msrWrite, msr_address(index), 8);
}

/** Whether a state MSR can hold a value. [SDM 4 2.1, 3A 12.12.2] */
function is_msr_possible(cpu: i32, index: i32, value: u64): bool {
  switch (index) {
    case MSR_LSTAR:
    case MSR_CSTAR:
    case MSR_FS_BASE:
    case MSR_GS_BASE:
    case MSR_KERNEL_GS_BASE:
    case MSR_SYSENTER_ESP:
    case MSR_SYSENTER_EIP:
      return is_canonical_register(cpu, value);
    case MSR_FMASK:
    case MSR_TSC_AUX:
    case MSR_DEBUGCTL:
    case MSR_PKRS:
      return value >> 32 == 0;
    case MSR_PAT:
      return is_pat(value);
    case MSR_MISC_FEATURES_ENABLES:
      return !(value & ~(MISC_FEATURES_CPUID_FAULT as u64));
    default:
      return true;
  }
}

/** Memory types 0, 1 and 4 to 7 in each of the eight entries. */
function is_pat(value: u64): bool {
  for (let n = 0; n < 8; n++) {
    const type = (value >> ((8 * n) as u64)) & 0xff;
    if (type > 7 || type == 2 || type == 3) return false;
  }
  return true;
}

/** LME cannot change while paging is on; LMA is the processor's. [SDM 4 2.1] */
function write_efer(cpu: i32, value: u64): void {
  const old = load<u64>(cpu + CPU_efer);
  const changed = old ^ value;
  const paging = load<u64>(cpu + CPU_cr0) & CR0_PG;
  const bits = efer_bits(cpu);
  if (value & ~(bits | EFER_LMA) || (paging && changed & EFER_LME)) {
    raise_gp(cpu);
    return;
  }
  store<u64>(cpu + CPU_efer, (value & bits) | (old & EFER_LMA));
  if (changed & EFER_NXE) tlb_flush(cpu);
}

/** The EFER bits of this processor, as its CPUID says. [SDM 2A CPUID leaf 80000001H] */
export function efer_bits(cpu: i32): u64 {
  ask_cpuid(cpu, 0x80000001, 0);
  const edx = load<u32>(cpu + CPU_scratch + 12);
  let bits: u64 = edx & (1 << 11) ? EFER_SCE : 0;
  if (edx & (1 << 20)) bits |= EFER_NXE;
  return edx & (1 << 29) ? bits | EFER_LME : bits;
}

/** CPUID; IA32_MISC_FEATURES_ENABLES can keep it for level 0. [SDM 2A CPUID, SDM 4 2.1] */
export function cpuid(cpu: i32): void {
  if (cpl(cpu) && load<i32>(cpu + CPU_miscFeatures) & MISC_FEATURES_CPUID_FAULT) {
    raise_gp(cpu);
    return;
  }
  ask_cpuid(cpu, gpr(cpu, GPR_rax) as i32, gpr(cpu, GPR_rcx) as i32);
  set_gpr(cpu, GPR_rax, load<u32>(cpu + CPU_scratch) as u64);
  set_gpr(cpu, GPR_rbx, load<u32>(cpu + CPU_scratch + 4) as u64);
  set_gpr(cpu, GPR_rcx, load<u32>(cpu + CPU_scratch + 8) as u64);
  set_gpr(cpu, GPR_rdx, load<u32>(cpu + CPU_scratch + 12) as u64);
}

/** RDTSC, or (with 1) RDTSCP, which also gives TSC_AUX in ECX. */
export function rdtsc(cpu: i32, withAux: i32): void {
  if (withAux && !has_feature(cpu, FEATURE_rdtscp)) {
    raise(cpu, VECTOR_UD, 0);
    return;
  }
  if (cpl(cpu) && load<u64>(cpu + CPU_cr4) & CR4_TSD) {
    raise_gp(cpu);
    return;
  }
  tsc(cpu);
  set_pair(cpu, load<u64>(cpu + CPU_exitData));
  if (withAux) set_gpr(cpu, GPR_rcx, load<u64>(cpu + CPU_tscAux) & 0xffffffff);
}

/** -KVM_EPERM. [linux/kvm_para.h] */
const NOT_PERMITTED: i32 = -1;

/** VMCALL and VMMCALL: a call of the hypervisor, for level 0; its result in RAX, which is EAX outside 64-bit mode. */
export function hypercall(cpu: i32): void {
  const result = cpl(cpu) ? NOT_PERMITTED : call_hypervisor(cpu);
  set_gpr(cpu, GPR_rax, is_code64(cpu) ? (result as i64 as u64) : (result as u32 as u64));
}
