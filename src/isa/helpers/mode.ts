// What follows from the mode registers and is kept beside them: update it after every change of CS, SS, CR0, CR4,
// EFER, XCR0 or the system flags.
import {
  CPU_avxTrap,
  CPU_codeLimit,
  CPU_cpl,
  CPU_cr0,
  CPU_cr4,
  CPU_linearMask,
  CPU_mode,
  CPU_sseTrap,
  CPU_stackMask,
  CPU_vexTrap,
  CPU_x87Trap,
  CPU_xcr0,
  CR0_EM,
  CR0_TS,
  CR4_OSFXSR,
  CR4_OSXSAVE,
  MODE_code16,
  MODE_code32,
  MODE_code64,
  MODE_single,
  MODE_user,
  SEGMENTS_cs,
  SEGMENTS_es,
  SEGMENTS_gs,
  SEGMENTS_ss,
  SEGMENT_SIZE,
  SEGMENT_attributes,
  SEGMENT_check,
  SEGMENT_limit,
  VECTOR_NM,
  VECTOR_UD,
  XCR0_AVX,
  XCR0_SSE,
} from "./layout.generated.ts";
import { is_single } from "./debug.ts";
import { BIG, dpl_of, is_writable_data, EXPAND_DOWN, LONG, PRESENT } from "./descriptor.ts";
import { jump_cache_flush, jump_key_update } from "./jump-cache.ts";
import { tlb_select } from "./tlb.ts";
import { has_paragraphs, is_long, is_protected, is_v86, segment_attributes } from "./registers.ts";

/** Recomputes everything that depends on the mode. */
export function update_mode(cpu: i32): void {
  const code = segment_attributes(cpu, SEGMENTS_cs);
  const long = is_long(cpu) && (code & LONG) != 0;
  const level = current_level(cpu);
  store<i32>(cpu + CPU_cpl, level);
  let mode = long ? MODE_code64 : code & BIG ? MODE_code32 : MODE_code16;
  if (level == 3) mode |= MODE_user;
  if (is_single(cpu)) mode |= MODE_single;
  store<i32>(cpu + CPU_mode, mode);
  jump_key_update(cpu);
  store<u64>(cpu + CPU_linearMask, long ? -1 : 0xffffffff);
  store<u64>(cpu + CPU_stackMask, stack_mask(cpu, long));
  update_code_limit(cpu, long ? 0xffffffff : load<u32>(cpu + SEGMENTS_cs + SEGMENT_limit));
  update_checks(cpu, long);
  update_unit_traps(cpu);
  tlb_select(cpu);
}

/** What is in the jump cache was found to be within the limit of CS. */
function update_code_limit(cpu: i32, limit: u32): void {
  if (load<u32>(cpu + CPU_codeLimit) == limit) return;
  store<u32>(cpu + CPU_codeLimit, limit);
  jump_cache_flush(cpu);
}

/** The CPL is the DPL of SS. [SDM 3A 5.5] */
function current_level(cpu: i32): i32 {
  if (!is_protected(cpu)) return 0;
  return is_v86(cpu) ? 3 : dpl_of(segment_attributes(cpu, SEGMENTS_ss));
}

function stack_mask(cpu: i32, long: bool): u64 {
  if (long) return -1;
  return segment_attributes(cpu, SEGMENTS_ss) & BIG ? 0xffffffff : 0xffff;
}

function update_checks(cpu: i32, long: bool): void {
  for (let at = SEGMENTS_es; at <= SEGMENTS_gs; at += SEGMENT_SIZE) {
    store<i32>(cpu + at + SEGMENT_check, !long && can_fail(cpu, at) ? 1 : 0);
  }
}

/** Recomputes the check word of one data segment. */
export function update_check(cpu: i32, at: i32): void {
  const long = load<u64>(cpu + CPU_linearMask) == -1;
  store<i32>(cpu + at + SEGMENT_check, !long && can_fail(cpu, at) ? 1 : 0);
}

/** Whether some access through the segment fails. */
function can_fail(cpu: i32, at: i32): bool {
  if (load<u32>(cpu + at + SEGMENT_limit) != 0xffffffff) return true;
  if (has_paragraphs(cpu)) return false;
  const attributes = segment_attributes(cpu, at);
  return !(attributes & PRESENT) || !is_writable_data(attributes) || (attributes & EXPAND_DOWN) != 0;
}

/** Recomputes which exception x87, SSE and AVX instructions raise. [SDM 3A 2.5, 13.1] */
export function update_unit_traps(cpu: i32): void {
  const cr0 = load<u64>(cpu + CPU_cr0);
  const cr4 = load<u64>(cpu + CPU_cr4);
  const switched = cr0 & CR0_TS ? VECTOR_NM : 0;
  store<i32>(cpu + CPU_x87Trap, cr0 & CR0_EM ? VECTOR_NM : switched);
  store<i32>(cpu + CPU_sseTrap, cr0 & CR0_EM || !(cr4 & CR4_OSFXSR) ? VECTOR_UD : switched);
  store<i32>(cpu + CPU_vexTrap, has_paragraphs(cpu) ? VECTOR_UD : 0);
  store<i32>(cpu + CPU_avxTrap, avx_enabled(cpu, cr4) ? switched : VECTOR_UD);
}

function avx_enabled(cpu: i32, cr4: u64): bool {
  const states = XCR0_SSE | XCR0_AVX;
  if (has_paragraphs(cpu) || !(cr4 & CR4_OSXSAVE)) return false;
  return (load<u64>(cpu + CPU_xcr0) & states) == states;
}
