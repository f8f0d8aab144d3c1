// Delivery of exceptions and interrupts. [SDM 3A 6]
import {
  CPU_cr2,
  CPU_debugctl,
  CPU_dr,
  CPU_eflags,
  CPU_faultAddress,
  CPU_faultError,
  CPU_faultVector,
  CPU_guestDebug,
  CPU_idtrBase,
  CPU_idtrLimit,
  CPU_monitorArmed,
  CPU_notCanonical,
  CPU_rip,
  CPU_trap,
  DEBUGCTL_BTF,
  DEBUGCTL_LBR,
  DEBUGCTL_TR,
  DR6_BD,
  DR7_GD,
  EFLAGS_RF,
  GUEST_DEBUG_hardwareBreakpoints,
  GUEST_DEBUG_singleStep,
  GUEST_DEBUG_softwareBreakpoints,
  SEGMENTS_cs,
  TRAP_debug,
  TRAP_exception,
  TRAP_none,
  TRAP_shutdown,
  VECTOR_BP,
  VECTOR_DB,
  VECTOR_DE,
  VECTOR_DF,
  VECTOR_GP,
  VECTOR_MC,
  VECTOR_NP,
  VECTOR_PF,
  VECTOR_SS,
  VECTOR_TS,
} from "./layout.generated.ts";
import { forget_pending, is_resumed, keep_hits } from "./debug.ts";
import { dpl_of } from "./descriptor.ts";
import { uses_stack } from "./env.ts";
import { raise, raise_gp, set_external, trapped } from "./fault.ts";
import { legacy_gate, long_gate } from "./gate.ts";
import { read_mem } from "./mmu.ts";
import { ACCESS_SUPERVISOR } from "./paging.ts";
import { cpl, eflags, is_long, is_protected, is_v86, segment_selector, set_stack_pointer } from "./registers.ts";
import { set_paragraph } from "./segments.ts";
import { open_current_stack, push, reserve, stack_pointer } from "./stack.ts";
import { clear_for_real_handler } from "./system-flags.ts";
import { begin_event, task_committed } from "./task.ts";
import { is_redirected, is_virtual, redirect } from "./virtual-flags.ts";

/** What is delivered: decides about DPL checks, error code and EXT. */
const KIND_EXCEPTION: i32 = 0;
const KIND_EXTERNAL: i32 = 1;
/** The kinds of software_interrupt. */
export const KIND_INT: i32 = 2;
export const KIND_INT3: i32 = 3;
export const KIND_INT1: i32 = 4;

/** Bit per vector that has an error code. [SDM 3A 6.13] */
const WITH_ERROR: i32 = 0x0022_7d00;

function has_error(vector: i32): bool {
  return vector < 32 && ((WITH_ERROR >> vector) & 1) != 0;
}

/** Contributory exceptions. [SDM 3A 6.15, table 6-4] */
function is_contributory(vector: i32): bool {
  return vector == VECTOR_DE || (vector >= VECTOR_TS && vector <= VECTOR_GP);
}

/** The exception to deliver when `second` arose while `first` was delivered; -1 for shutdown. [SDM 3A table 6-5] */
function combine(first: i32, second: i32): i32 {
  const bad = is_contributory(second) || second == VECTOR_PF;
  if (first == VECTOR_DF && bad) return -1;
  const double = first == VECTOR_PF ? bad : is_contributory(first) && is_contributory(second);
  return double ? VECTOR_DF : second;
}

/** Effects of an exception before its handler is looked for. */
function note(cpu: i32, vector: i32): void {
  if (vector == VECTOR_PF) store<u64>(cpu + CPU_cr2, load<u64>(cpu + CPU_faultAddress));
  if (vector != VECTOR_DB) return;
  const bits = load<u64>(cpu + CPU_faultAddress);
  const rest = load<u64>(cpu + CPU_dr + 48) & ~(bits ? (15 as u64) : 0);
  store<u64>(cpu + CPU_dr + 48, rest | bits);
  store<u64>(cpu + CPU_dr + 56, load<u64>(cpu + CPU_dr + 56) & ~DR7_GD);
  const control = load<u64>(cpu + CPU_debugctl);
  store<u64>(cpu + CPU_debugctl, control & ~(DEBUGCTL_LBR | DEBUGCTL_BTF | DEBUGCTL_TR));
}

/**
 * Delivers the exception in CPU.faultVector, faultError and faultAddress at CPU.rip. CPU.trap is none afterwards;
 * shutdown after a triple fault; or exit when the handler's stack is in device memory: complete it and call again.
 */
export function deliver(cpu: i32): void {
  store<i32>(cpu + CPU_trap, TRAP_none);
  const vector = load<i32>(cpu + CPU_faultVector);
  const error = load<i32>(cpu + CPU_faultError);
  note(cpu, vector);
  finish(cpu, vector, error, event(cpu, vector, KIND_EXCEPTION, error, load<u64>(cpu + CPU_rip)));
}

/** Whether an exception is for who debugs the guest from outside. */
function is_for_debugger(cpu: i32, vector: i32): bool {
  const control = load<i32>(cpu + CPU_guestDebug);
  if (vector == VECTOR_BP) return (control & GUEST_DEBUG_softwareBreakpoints) != 0;
  return vector == VECTOR_DB && (control & (GUEST_DEBUG_singleStep | GUEST_DEBUG_hardwareBreakpoints)) != 0;
}

/**
 * In 64-bit mode an access to the stack at an address that is not canonical raises #SS instead of #GP. Accesses do not know
 * whether they are one: the instruction at rip tells. [SDM 3A 6.15, interrupt 12]
 */
export function name_stack_fault(cpu: i32): void {
  if (!load<u64>(cpu + CPU_notCanonical)) return;
  if (load<i32>(cpu + CPU_faultVector) == VECTOR_GP && uses_stack(cpu)) store<i32>(cpu + CPU_faultVector, VECTOR_SS);
  store<u64>(cpu + CPU_notCanonical, 0);
}

/** Delivers the exception that an instruction raised, as deliver; CPU.trap is debug afterwards if it is not for the guest. */
export function deliver_raised(cpu: i32): void {
  name_stack_fault(cpu);
  if (!is_for_debugger(cpu, load<i32>(cpu + CPU_faultVector))) deliver(cpu);
  else store<i32>(cpu + CPU_trap, TRAP_debug);
}

/** Delivers an external interrupt (or NMI: vector 2) at CPU.rip; afterwards as deliver. Clears no interrupt request. */
export function interrupt(cpu: i32, vector: i32): void {
  store<i32>(cpu + CPU_trap, TRAP_none);
  if (!event(cpu, vector, KIND_EXTERNAL, 0, load<u64>(cpu + CPU_rip))) return;
  // faults in the delivery of an interrupt are delivered in its place
  if (load<i32>(cpu + CPU_trap) == TRAP_exception) deliver(cpu);
}

/** Goes on after a delivery that trapped, until one exception is delivered. */
function finish(cpu: i32, vector: i32, error: i32, failed: bool): void {
  let first = vector;
  let code = error;
  while (failed && load<i32>(cpu + CPU_trap) == TRAP_exception) {
    const second = load<i32>(cpu + CPU_faultVector);
    note(cpu, second);
    first = combine(first, second);
    if (first < 0) {
      store<i32>(cpu + CPU_trap, TRAP_shutdown);
      return;
    }
    code = first == VECTOR_DF ? 0 : load<i32>(cpu + CPU_faultError);
    store<i32>(cpu + CPU_trap, TRAP_none);
    failed = event(cpu, first, KIND_EXCEPTION, code, load<u64>(cpu + CPU_rip));
  }
  store<i32>(cpu + CPU_faultVector, first);
  store<i32>(cpu + CPU_faultError, code);
}

/**
 * INT n (kind 2), INT3 and INTO (3), INT1 (4): `next` is the rip after the instruction, `image` all of EFLAGS.
 * Writes CPU.rip. [SDM 2A INT]
 */
export function software_interrupt(cpu: i32, vector: i32, kind: i32, next: u64, image: i32): void {
  store<i32>(cpu + CPU_eflags, image);
  const redirected = kind == KIND_INT && is_v86(cpu) && is_redirected(cpu, vector);
  if (trapped(cpu)) return;
  if (redirected) redirect(cpu, vector, next);
  else if (kind == KIND_INT && is_virtual(cpu)) raise_gp(cpu);
  else if (kind != KIND_INT && is_for_debugger(cpu, vector)) raise_trap(cpu, vector);
  else if (event(cpu, vector, kind, 0, next) && is_in_new_task(cpu)) deliver(cpu);
}

/** Whether a task switch trapped by an exception that is the new task's. */
export function is_in_new_task(cpu: i32): bool {
  return task_committed() && load<i32>(cpu + CPU_trap) == TRAP_exception;
}

/** INT3 or INT1, without a cause in DR6. */
function raise_trap(cpu: i32, vector: i32): void {
  store<u64>(cpu + CPU_faultAddress, 0);
  raise(cpu, vector, 0);
}

/** Delivers one event; true: trapped, and nothing changed. */
function event(cpu: i32, vector: i32, kind: i32, error: i32, rip: u64): bool {
  if (kind == KIND_INT || kind == KIND_INT3) keep_hits(cpu);
  else forget_pending(cpu);
  begin_event();
  store<i32>(cpu + CPU_monitorArmed, 0);
  set_external(kind != KIND_INT && kind != KIND_INT3);
  const failed = is_protected(cpu) ? protected_event(cpu, vector, kind, error, rip) : real_event(cpu, vector, rip);
  set_external(false);
  return failed;
}

/** Real-address mode: through the interrupt vector table. [SDM 3A 21.1.4] */
function real_event(cpu: i32, vector: i32, rip: u64): bool {
  const at = vector * 4;
  if (at + 3 > load<i32>(cpu + CPU_idtrLimit)) return raise_gp(cpu);
  const entry = read_mem(cpu, load<u64>(cpu + CPU_idtrBase) + (at as u64), 4, ACCESS_SUPERVISOR);
  if (trapped(cpu)) return true;
  open_current_stack(cpu);
  if (reserve(cpu, 6)) return true;
  if (push(cpu, eflags(cpu) as u64, 2)) return true;
  if (push(cpu, segment_selector(cpu, SEGMENTS_cs) as u64, 2) || push(cpu, rip, 2)) return true;
  set_stack_pointer(cpu, stack_pointer());
  set_paragraph(cpu, SEGMENTS_cs, (entry >> 16) as i32);
  store<u64>(cpu + CPU_rip, entry & 0xffff);
  clear_for_real_handler(cpu);
  return false;
}

/** Whether an exception is a fault, and not one by an instruction breakpoint. */
function is_plain_fault(cpu: i32, vector: i32): bool {
  if (vector == VECTOR_DB) return (load<u64>(cpu + CPU_faultAddress) & DR6_BD) != 0;
  return vector != VECTOR_DF && vector != VECTOR_MC;
}

/**
 * The RFLAGS image for the handler: faults show RF, so that IRET does not break on the same instruction again; after traps and
 * with interrupts it is what it was, INT n has ended it. [SDM 3B 18.3.1.1]
 */
function saved_flags(cpu: i32, vector: i32, kind: i32): i32 {
  const fault = kind == KIND_EXCEPTION && is_plain_fault(cpu, vector);
  const between = kind == KIND_EXCEPTION || kind == KIND_EXTERNAL;
  return fault || (between && is_resumed(cpu)) ? eflags(cpu) | EFLAGS_RF : eflags(cpu) & ~EFLAGS_RF;
}

/** Error codes that name an IDT entry. [SDM 3A 6.13] */
function raise_idt(cpu: i32, fault: i32, vector: i32): bool {
  return raise(cpu, fault, vector * 8 + 2);
}

function protected_event(cpu: i32, vector: i32, kind: i32, error: i32, rip: u64): bool {
  const long = is_long(cpu);
  const at = long ? vector * 16 : vector * 8;
  if (at + (long ? 15 : 7) > load<i32>(cpu + CPU_idtrLimit)) return raise_idt(cpu, VECTOR_GP, vector);
  const linear = load<u64>(cpu + CPU_idtrBase) + (at as u64);
  const gate = read_mem(cpu, linear, 8, ACCESS_SUPERVISOR);
  if (trapped(cpu)) return true;
  const type = ((gate >> 40) as i32) & 0x1f;
  const interruptGate = type == 14 || type == 15;
  if (!interruptGate && (long || (type != 5 && type != 6 && type != 7))) return raise_idt(cpu, VECTOR_GP, vector);
  if ((kind == KIND_INT || kind == KIND_INT3) && dpl_of((gate >> 32) as i32) < cpl(cpu))
    return raise_idt(cpu, VECTOR_GP, vector);
  if (!((gate >> 47) & 1)) return raise_idt(cpu, VECTOR_NP, vector);
  const withError = kind == KIND_EXCEPTION && has_error(vector);
  const image = saved_flags(cpu, vector, kind);
  if (!long) return legacy_gate(cpu, gate, rip, image, withError, error);
  const high = read_mem(cpu, linear + 8, 8, ACCESS_SUPERVISOR);
  return trapped(cpu) || long_gate(cpu, gate, high, rip, image, withError, error);
}
