// Interrupt, trap and task gates: from a gate to the first instruction of its handler. [SDM 3A 6.12, 6.14]
import {
  CPU_rip,
  GPR_rsp,
  SEGMENTS_cs,
  SEGMENTS_ds,
  SEGMENTS_es,
  SEGMENTS_fs,
  SEGMENTS_gs,
  SEGMENTS_ss,
  SEGMENT_SIZE,
  VECTOR_GP,
  VECTOR_NP,
} from "./layout.generated.ts";
import {
  attributes_of,
  BIG,
  CONFORMING,
  dpl_of,
  find_descriptor,
  found_at,
  is_code,
  is_null,
  limit_of,
  LONG,
  mark_accessed,
  PRESENT,
  set_null_segment,
  set_segment,
  TYPE_INTERRUPT_GATE,
  TYPE_INTERRUPT_GATE16,
  TYPE_TASK_GATE,
  TYPE_TRAP_GATE,
} from "./descriptor.ts";
import { raise_gp, raise_selector, trapped } from "./fault.ts";
import { cpl, gpr, is_canonical, is_v86, segment_selector, set_gpr, set_stack_pointer } from "./registers.ts";
import { open_current_stack, open_long_stack, push, reserve, stack_pointer } from "./stack.ts";
import { clear_for_handler } from "./system-flags.ts";
import { TASK_INT, task_switch } from "./task.ts";
import { inner_descriptor, inner_selector, open_inner_stack, open_long_inner_stack } from "./tss.ts";

/** The handler's code segment, checked. */
let code: u64 = 0;
let codeAt: u64 = 0;
/** The handler's privilege level. */
let level: i32 = 0;

/** Finds and checks the handler's code segment; true: trapped. */
function find_code(cpu: i32, selector: i32): bool {
  if (is_null(selector)) return raise_gp(cpu);
  code = find_descriptor(cpu, selector, VECTOR_GP);
  codeAt = found_at();
  if (trapped(cpu)) return true;
  const attributes = attributes_of(code);
  if (!is_code(attributes) || dpl_of(attributes) > cpl(cpu)) return raise_selector(cpu, VECTOR_GP, selector);
  if (!(attributes & PRESENT)) return raise_selector(cpu, VECTOR_NP, selector);
  level = attributes & CONFORMING ? cpl(cpu) : dpl_of(attributes);
  return false;
}

function selector_in(gate: u64): i32 {
  return ((gate >> 16) as i32) & 0xffff;
}

function type_of(gate: u64): i32 {
  return ((gate >> 40) as i32) & 15;
}

/** Through a gate of 64-bit mode; true: trapped. */
export function long_gate(cpu: i32, gate: u64, high: u64, rip: u64, image: i32, withError: bool, error: i32): bool {
  const selector = selector_in(gate);
  if (find_code(cpu, selector)) return true;
  if ((attributes_of(code) & (LONG | BIG)) != LONG) return raise_selector(cpu, VECTOR_GP, selector);
  const target = (gate & 0xffff) | ((gate >> 32) & 0xffff0000) | (high << 32);
  if (!is_canonical(cpu, target)) return raise_gp(cpu);
  const ist = ((gate >> 32) as i32) & 7;
  const inner = level < cpl(cpu);
  if ((inner || ist) && open_long_inner_stack(cpu, level, ist)) return true;
  open_long_stack((inner || ist ? stack_pointer() : gpr(cpu, GPR_rsp)) & ~15, level);
  if (reserve(cpu, withError ? 48 : 40) || mark_accessed(cpu, codeAt, code)) return true;
  if (push(cpu, segment_selector(cpu, SEGMENTS_ss) as u64, 8) || push(cpu, gpr(cpu, GPR_rsp), 8)) return true;
  if (push_return(cpu, rip, image, 8) || (withError && push(cpu, error as u64, 8))) return true;
  if (inner) set_null_segment(cpu, SEGMENTS_ss, level, level);
  set_gpr(cpu, GPR_rsp, stack_pointer());
  enter(cpu, selector, target, type_of(gate) == TYPE_INTERRUPT_GATE);
  return false;
}

/** Pushes flags, CS and the return address; true: trapped. */
function push_return(cpu: i32, rip: u64, image: i32, width: i32): bool {
  if (push(cpu, image as u32 as u64, width)) return true;
  return push(cpu, segment_selector(cpu, SEGMENTS_cs) as u64, width) || push(cpu, rip, width);
}

function enter(cpu: i32, selector: i32, target: u64, maskInterrupts: bool): void {
  set_segment(cpu, SEGMENTS_cs, (selector & 0xfffc) | level, code);
  store<u64>(cpu + CPU_rip, target);
  clear_for_handler(cpu, maskInterrupts);
}

/** Through a gate of legacy protected mode; true: trapped. */
export function legacy_gate(cpu: i32, gate: u64, rip: u64, image: i32, withError: bool, error: i32): bool {
  const selector = selector_in(gate);
  const type = type_of(gate);
  if (type == TYPE_TASK_GATE) return task_switch(cpu, selector, TASK_INT, rip, image, withError, error);
  if (find_code(cpu, selector)) return true;
  const wide = type == TYPE_INTERRUPT_GATE || type == TYPE_TRAP_GATE;
  const target = wide ? (gate & 0xffff) | ((gate >> 32) & 0xffff0000) : gate & 0xffff;
  const inner = level < cpl(cpu);
  const v86 = is_v86(cpu);
  if (v86 && level != 0) return raise_selector(cpu, VECTOR_GP, selector);
  if (target > (limit_of(code) as u64)) return raise_gp(cpu);
  const width = wide ? 4 : 2;
  if (push_frame(cpu, rip, image, width, withError, error)) return true;
  if (mark_accessed(cpu, codeAt, code)) return true;
  const sp = stack_pointer();
  if (inner) set_segment(cpu, SEGMENTS_ss, inner_selector(), inner_descriptor());
  if (v86) clear_data_segments(cpu);
  const interrupts = type == TYPE_INTERRUPT_GATE || type == TYPE_INTERRUPT_GATE16;
  enter(cpu, selector, target, interrupts);
  set_stack_pointer(cpu, sp);
  return false;
}

/** Opens the handler's stack and pushes its frame; true: trapped. */
function push_frame(cpu: i32, rip: u64, image: i32, width: i32, withError: bool, error: i32): bool {
  const inner = level < cpl(cpu);
  const v86 = is_v86(cpu);
  if (!inner) open_current_stack(cpu);
  else if (open_inner_stack(cpu, level)) return true;
  const items = (v86 ? 9 : inner ? 5 : 3) + (withError ? 1 : 0);
  if (reserve(cpu, items * width)) return true;
  if (v86 && push_v86_segments(cpu, width)) return true;
  if (inner && push_stack(cpu, width)) return true;
  return push_return(cpu, rip, image, width) || (withError && push(cpu, error as u64, width));
}

function push_stack(cpu: i32, width: i32): bool {
  return push(cpu, segment_selector(cpu, SEGMENTS_ss) as u64, width) || push(cpu, gpr(cpu, GPR_rsp), width);
}

/** GS, FS, DS and ES, which leave virtual-8086 mode on the stack. [SDM 3A 21.3.1.1] */
function push_v86_segments(cpu: i32, width: i32): bool {
  if (push(cpu, segment_selector(cpu, SEGMENTS_gs) as u64, width)) return true;
  if (push(cpu, segment_selector(cpu, SEGMENTS_fs) as u64, width)) return true;
  if (push(cpu, segment_selector(cpu, SEGMENTS_ds) as u64, width)) return true;
  return push(cpu, segment_selector(cpu, SEGMENTS_es) as u64, width);
}

function clear_data_segments(cpu: i32): void {
  set_null_segment(cpu, SEGMENTS_es, 0, 0);
  for (let at = SEGMENTS_ds; at <= SEGMENTS_gs; at += SEGMENT_SIZE) set_null_segment(cpu, at, 0, 0);
}
