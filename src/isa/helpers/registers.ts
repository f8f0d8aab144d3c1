// Short names for the state that the system helpers look at all the time.
import {
  CPU_cpl,
  CPU_cr0,
  CPU_cr4,
  CPU_efer,
  CPU_eflags,
  CPU_features,
  CPU_gpr,
  CPU_mode,
  CPU_segments,
  CPU_stackMask,
  CR0_PE,
  CR4_LA57,
  EFER_LMA,
  EFLAGS_IOPL,
  EFLAGS_VM,
  FEATURE_la57,
  GPR_rsp,
  MODE_code64,
  MODE_sizeMask,
  SEGMENT_SIZE,
  SEGMENT_attributes,
  SEGMENT_base,
  SEGMENT_limit,
  SEGMENT_selector,
} from "./layout.generated.ts";

export function gpr(cpu: i32, register: i32): u64 {
  return load<u64>(cpu + CPU_gpr + (register << 3));
}

export function set_gpr(cpu: i32, register: i32, value: u64): void {
  store<u64>(cpu + CPU_gpr + (register << 3), value);
}

/** Writes the bits of RSP that the stack's address size covers. */
export function set_stack_pointer(cpu: i32, sp: u64): void {
  const mask = load<u64>(cpu + CPU_stackMask);
  set_gpr(cpu, GPR_rsp, (sp & mask) | (mask == 0xffff ? gpr(cpu, GPR_rsp) & ~mask : 0));
}

export function cpl(cpu: i32): i32 {
  return load<i32>(cpu + CPU_cpl);
}

export function eflags(cpu: i32): i32 {
  return load<i32>(cpu + CPU_eflags);
}

export function iopl(cpu: i32): i32 {
  return (eflags(cpu) & EFLAGS_IOPL) >> 12;
}

export function is_protected(cpu: i32): bool {
  return (load<u64>(cpu + CPU_cr0) & CR0_PE) != 0;
}

/** Whether CPUID shows a feature, by its bit of FEATURE. */
export function has_feature(cpu: i32, feature: i32): bool {
  return (load<i32>(cpu + CPU_features) & feature) != 0;
}

/** Virtual-8086 mode. */
export function is_v86(cpu: i32): bool {
  return is_protected(cpu) && (eflags(cpu) & EFLAGS_VM) != 0;
}

/** Real-address or virtual-8086 mode: segments are paragraphs. */
export function has_paragraphs(cpu: i32): bool {
  return !is_protected(cpu) || (eflags(cpu) & EFLAGS_VM) != 0;
}

/** IA-32e mode: 64-bit or compatibility mode. */
export function is_long(cpu: i32): bool {
  return (load<u64>(cpu + CPU_efer) & EFER_LMA) != 0;
}

/** A linear address in a system table or task state: 64 bits in compatibility mode too. [SDM 3A 3.5.2] */
export function system_linear(cpu: i32, linear: u64): u64 {
  return is_long(cpu) ? linear : linear & 0xffffffff;
}

/** 64-bit mode. */
export function is_code64(cpu: i32): bool {
  return (load<i32>(cpu + CPU_mode) & MODE_sizeMask) == MODE_code64;
}

/** State offset of the segment record that a state offset lies in. */
export function segment_record(at: i32): i32 {
  return CPU_segments + ((at - CPU_segments) & -SEGMENT_SIZE);
}

export function segment_base(cpu: i32, at: i32): u64 {
  return load<u64>(cpu + at + SEGMENT_base);
}

export function segment_limit(cpu: i32, at: i32): u64 {
  return load<u32>(cpu + at + SEGMENT_limit) as u64;
}

export function segment_attributes(cpu: i32, at: i32): i32 {
  return load<i32>(cpu + at + SEGMENT_attributes);
}

export function segment_selector(cpu: i32, at: i32): i32 {
  return load<i32>(cpu + at + SEGMENT_selector);
}

export function set_selector(cpu: i32, at: i32, selector: i32): void {
  store<i32>(cpu + at + SEGMENT_selector, selector & 0xffff);
}

/** Whether a value is sign-extended from its low 64 - `shift` bits. */
function is_extended(value: u64, shift: u64): bool {
  return ((((value as i64) << shift) >> shift) as u64) == value;
}

/** Whether a linear address is canonical: sign-extended from 48 bits, or from 57 with 5-level paging. [SDM 1 3.3.7.1] */
export function is_canonical(cpu: i32, linear: u64): bool {
  return is_extended(linear, 16) || (is_extended(linear, 7) && (load<u64>(cpu + CPU_cr4) & CR4_LA57) != 0);
}

/** The same of an address for a register that is loaded for later: any that the processor can have. [SDM 3A 4.5.2] */
export function is_canonical_register(cpu: i32, linear: u64): bool {
  return is_extended(linear, 16) || (is_extended(linear, 7) && has_feature(cpu, FEATURE_la57));
}
