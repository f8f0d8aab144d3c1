// Debug exceptions: single-stepping and breakpoints. While any is possible CPU.mode has MODE.single: every instruction is then
// a block of its own that find_block looks up, and its boundaries are here. [SDM 3B 18.2, 18.3]
import {
  CPU_cr4,
  CPU_debugPending,
  CPU_debugctl,
  CPU_dr,
  CPU_eflags,
  CPU_faultAddress,
  CPU_guestDebug,
  CPU_hostDr,
  CPU_inhibit,
  CPU_inhibitRip,
  CPU_resumeRip,
  CPU_rip,
  CPU_stepRip,
  CR4_DE,
  DEBUGCTL_BTF,
  DR6_BS,
  DR6_BT,
  EFLAGS_RF,
  EFLAGS_TF,
  FEATURE_amd,
  GUEST_DEBUG_hardwareBreakpoints,
  GUEST_DEBUG_singleStep,
  INHIBIT_movSs,
  VECTOR_DB,
} from "./layout.generated.ts";
import { raise } from "./fault.ts";
import { has_feature } from "./registers.ts";

/** Bits of CPU.debugPending: B0 to B3, BS and BT as in DR6, and that RF ends with the instruction. */
const HITS: i32 = 15;
const STEP: i32 = DR6_BS as i32;
const TASK: i32 = DR6_BT as i32;
const RESUMED: i32 = EFLAGS_RF;

/** Sets of values of an R/W field of DR7. [SDM 3B 18.2.4] */
const EXECUTE: i32 = 1 << 0;
const WRITE: i32 = (1 << 1) | (1 << 3);
const PORT: i32 = 1 << 2;
const READ: i32 = 1 << 3;
const DATA: i32 = WRITE | READ;

/** The debug registers that count: the guest's, or those of who debugs it from outside. */
function registers(cpu: i32): i32 {
  return cpu + (load<i32>(cpu + CPU_guestDebug) & GUEST_DEBUG_hardwareBreakpoints ? CPU_hostDr : CPU_dr);
}

/** Whether DR7 enables any breakpoint. */
export function is_watching(cpu: i32): bool {
  return load<u8>(registers(cpu) + 56) != 0;
}

function is_stepping(cpu: i32): bool {
  return (
    (load<i32>(cpu + CPU_eflags) & EFLAGS_TF) != 0 || (load<i32>(cpu + CPU_guestDebug) & GUEST_DEBUG_singleStep) != 0
  );
}

/** Whether a debug exception may come between any two instructions. */
export function is_single(cpu: i32): bool {
  return is_stepping(cpu) || load<i32>(cpu + CPU_debugPending) != 0 || is_watching(cpu);
}

/** Bytes of a breakpoint by its LEN field. [SDM 3B 18.2.4] */
function length_of(field: i32): u64 {
  return field == 2 ? 8 : ((field + 1) as u64);
}

/** B0 to B3 of the enabled breakpoints of some kinds that `width` bytes at an address touch. */
function hits(cpu: i32, address: u64, width: i32, kinds: i32): i32 {
  const from = registers(cpu);
  const control = load<u32>(from + 56);
  let found = 0;
  for (let n = 0; n < 4; n++) {
    const field = (control >> (16 + 4 * n)) & 15;
    if (!((control >> (2 * n)) & 3) || !((kinds >> (field & 3)) & 1)) continue;
    const length = length_of(field >> 2);
    const start = load<u64>(from + 8 * n) & ~(length - 1);
    if (address - start < length || start - address < (width as u64)) found |= 1 << n;
  }
  return found;
}

/** Whether a page has a data breakpoint: its accesses all go the slow way, which notes them. */
export function is_page_watched(cpu: i32, page: u64): bool {
  return is_watching(cpu) && hits(cpu, page, 0x1000, DATA) != 0;
}

function add_pending(cpu: i32, bits: i32): void {
  store<i32>(cpu + CPU_debugPending, load<i32>(cpu + CPU_debugPending) | bits);
}

/** Looks for data breakpoints on an access. */
export function note_access(cpu: i32, linear: u64, width: i32, write: bool): void {
  if (is_watching(cpu)) add_pending(cpu, hits(cpu, linear, width, write ? WRITE : READ));
}

/** Looks for I/O breakpoints on a port access. */
export function note_port(cpu: i32, port: i32, size: i32): void {
  if (is_watching(cpu) && load<u64>(cpu + CPU_cr4) & CR4_DE) add_pending(cpu, hits(cpu, port as u64, size, PORT));
}

/** What the instruction did so far is done again or never was: exits and exceptions. */
export function forget_pending(cpu: i32): void {
  store<i32>(cpu + CPU_debugPending, 0);
}

/** An instruction that begins under the shadow of MOV SS enters a handler: data breakpoints of MOV SS are raised there. */
export function keep_hits(cpu: i32): void {
  store<i32>(cpu + CPU_debugPending, load<i32>(cpu + CPU_debugPending) & HITS);
}

/** The T bit of a task that was entered. */
export function trap_in_task(cpu: i32): void {
  add_pending(cpu, TASK);
}

/** RF was loaded for the next instruction. */
export function keep_resume_flag(cpu: i32): void {
  store<i32>(cpu + CPU_debugPending, load<i32>(cpu + CPU_debugPending) & ~RESUMED);
}

/** Whether RF is set for the instruction at rip. */
export function is_resumed(cpu: i32): bool {
  return (load<i32>(cpu + CPU_eflags) & EFLAGS_RF) != 0 && load<u64>(cpu + CPU_resumeRip) == load<u64>(cpu + CPU_rip);
}

/** A repeated instruction is not done: RF is set when something comes between its iterations. [SDM 3B 18.3.1.1] */
export function pause_repetition(cpu: i32): void {
  keep_resume_flag(cpu);
  store<i32>(cpu + CPU_eflags, load<i32>(cpu + CPU_eflags) | EFLAGS_RF);
}

/** DR7 was written: that instruction is done, and RF with it. */
export function end_resume_flag(cpu: i32): void {
  keep_resume_flag(cpu);
  store<i32>(cpu + CPU_eflags, load<i32>(cpu + CPU_eflags) & ~EFLAGS_RF);
}

/** SYSCALL and SYSRET trap by the TF that they leave. */
export function step_by_flags(cpu: i32, image: i32): void {
  store<i32>(cpu + CPU_eflags, image);
  keep_stepping(cpu, is_stepping(cpu));
}

/** MOV SS and POP SS are never stopped at. [SDM 3A 6.8.3] */
export function pass_step(cpu: i32): void {
  keep_stepping(cpu, false);
}

function keep_stepping(cpu: i32, on: bool): void {
  const rest = load<i32>(cpu + CPU_debugPending) & ~STEP;
  store<i32>(cpu + CPU_debugPending, on ? rest | STEP : rest);
}

function is_after_mov_ss(cpu: i32): bool {
  return (
    (load<i32>(cpu + CPU_inhibit) & INHIBIT_movSs) != 0 && load<u64>(cpu + CPU_inhibitRip) == load<u64>(cpu + CPU_rip)
  );
}

/** Whether the shadow of MOV SS hides the breakpoints of the instruction at rip, which it does not on AMD's processors. */
function is_suppressed(cpu: i32): bool {
  return !has_feature(cpu, FEATURE_amd) && is_after_mov_ss(cpu);
}

function raise_debug(cpu: i32, bits: i32): bool {
  store<i32>(cpu + CPU_debugPending, 0);
  store<u64>(cpu + CPU_faultAddress, bits as u64);
  return raise(cpu, VECTOR_DB, 0);
}

/** Whether the instruction that is done counts as a step: under BTF of the guest's own stepping only if it branched. [SDM 3B 18.4.3] */
function is_step(cpu: i32): bool {
  if (!(load<u64>(cpu + CPU_debugctl) & DEBUGCTL_BTF) || load<i32>(cpu + CPU_guestDebug) & GUEST_DEBUG_singleStep)
    return true;
  const rip = load<u64>(cpu + CPU_rip);
  return rip != load<u64>(cpu + CPU_stepRip) && !is_resumed(cpu);
}

/** Raises the debug trap of the instruction that is done; true: trapped. */
export function debug_trap(cpu: i32): bool {
  const pending = load<i32>(cpu + CPU_debugPending);
  if (pending & RESUMED) end_resume_flag(cpu);
  if (pending & STEP && !is_step(cpu)) keep_stepping(cpu, false);
  const bits = load<i32>(cpu + CPU_debugPending) & (HITS | STEP | TASK);
  return bits && !is_after_mov_ss(cpu) ? raise_debug(cpu, bits) : false;
}

/**
 * Between two instructions, the second at a linear address: raises the trap of the first, or the fault of a breakpoint on the
 * second, which MOV SS suppresses; true: trapped. [SDM 3A 6.8.3]
 */
export function debug_boundary(cpu: i32, linear: u64): bool {
  if (debug_trap(cpu)) return true;
  const resume = is_resumed(cpu);
  const watching = is_watching(cpu);
  const found = watching && !resume && !is_suppressed(cpu) ? hits(cpu, linear, 1, EXECUTE) : 0;
  if (found) return raise_debug(cpu, found | (load<i32>(cpu + CPU_debugPending) & HITS));
  if (is_stepping(cpu)) add_pending(cpu, STEP);
  if (watching && resume) add_pending(cpu, RESUMED);
  return false;
}
