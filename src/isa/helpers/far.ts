// Far JMP and CALL. [SDM 2A CALL, JMP; 3A 5.8]
import {
  CPU_eflags,
  CPU_rip,
  EFLAGS_RF,
  GPR_rsp,
  SEGMENTS_cs,
  SEGMENTS_ss,
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
  second_half,
  set_null_segment,
  set_segment,
  system_type,
  TYPE_CALL_GATE,
  TYPE_CALL_GATE16,
  TYPE_TASK_GATE,
  TYPE_TSS,
  TYPE_TSS16,
} from "./descriptor.ts";
import { deliver, is_in_new_task } from "./exceptions.ts";
import { raise_gp, raise_selector, trapped } from "./fault.ts";
import { update_mode } from "./mode.ts";
import {
  cpl,
  eflags,
  gpr,
  has_paragraphs,
  is_canonical,
  is_long,
  segment_limit,
  segment_selector,
  set_stack_pointer,
} from "./registers.ts";
import { set_paragraph } from "./segments.ts";
import { open_current_stack, pop, push, reserve, skip, stack_pointer } from "./stack.ts";
import { TASK_CALL, TASK_JMP, task_switch } from "./task.ts";
import { inner_descriptor, inner_selector, open_inner_stack, open_long_inner_stack } from "./tss.ts";

/** The transfer under way: a CALL has a return address. */
let isCall: bool = false;
let returnRip: u64 = 0;
let bits: i32 = 0;

/** JMP ptr16:16/32 and m16:16/32/64. Writes CPU.rip; `image` is all of EFLAGS. */
export function far_jump(cpu: i32, selector: i32, offset: u64, size: i32, next: u64, image: i32): void {
  isCall = false;
  transfer(cpu, selector & 0xffff, offset, size, next, image);
}

/** CALL likewise: `next` is the return address. */
export function far_call(cpu: i32, selector: i32, offset: u64, size: i32, next: u64, image: i32): void {
  isCall = true;
  transfer(cpu, selector & 0xffff, offset, size, next, image);
}

function transfer(cpu: i32, selector: i32, offset: u64, size: i32, next: u64, image: i32): void {
  store<i32>(cpu + CPU_eflags, image);
  returnRip = next;
  bits = size;
  if (has_paragraphs(cpu)) to_paragraph(cpu, selector, offset);
  else to_selector(cpu, selector, offset);
}

/** Pushes CS and the return address of a CALL on the open stack; true: trapped. */
function push_return(cpu: i32, width: i32): bool {
  if (!isCall) return false;
  return push(cpu, segment_selector(cpu, SEGMENTS_cs) as u64, width) || push(cpu, returnRip, width);
}

/** The same on the current stack. */
function push_current(cpu: i32, width: i32): bool {
  open_current_stack(cpu);
  return isCall && (reserve(cpu, 2 * width) || push_return(cpu, width));
}

function to_paragraph(cpu: i32, selector: i32, offset: u64): void {
  if (offset > segment_limit(cpu, SEGMENTS_cs)) {
    raise_gp(cpu);
    return;
  }
  if (push_current(cpu, bits / 8)) return;
  set_stack_pointer(cpu, stack_pointer());
  set_paragraph(cpu, SEGMENTS_cs, selector);
  store<u64>(cpu + CPU_rip, offset);
  update_mode(cpu);
}

function to_selector(cpu: i32, selector: i32, offset: u64): void {
  if (is_null(selector)) {
    raise_gp(cpu);
    return;
  }
  const descriptor = find_descriptor(cpu, selector, VECTOR_GP);
  if (trapped(cpu)) return;
  const attributes = attributes_of(descriptor);
  if (is_code(attributes)) to_code(cpu, selector, descriptor, offset);
  else to_system(cpu, selector, descriptor);
}

/** True: trapped; whether the code segment may be entered without a gate. */
function check_direct(cpu: i32, selector: i32, attributes: i32): bool {
  const dpl = dpl_of(attributes);
  const level = cpl(cpu);
  const allowed = attributes & CONFORMING ? dpl <= level : (selector & 3) <= level && dpl == level;
  return check_code(cpu, selector, attributes, allowed);
}

function check_code(cpu: i32, selector: i32, attributes: i32, allowed: bool): bool {
  const impossible = is_long(cpu) && (attributes & (LONG | BIG)) == (LONG | BIG);
  if (!allowed || impossible) return raise_selector(cpu, VECTOR_GP, selector);
  return attributes & PRESENT ? false : raise_selector(cpu, VECTOR_NP, selector);
}

/** Raises #GP if an offset is not in a code segment; true: trapped. */
export function check_target(cpu: i32, descriptor: u64, offset: u64): bool {
  const long = is_long(cpu) && (attributes_of(descriptor) & LONG) != 0;
  const inside = long ? is_canonical(cpu, offset) : offset <= (limit_of(descriptor) as u64);
  return inside ? false : raise_gp(cpu);
}

function to_code(cpu: i32, selector: i32, descriptor: u64, offset: u64): void {
  const at = found_at();
  if (check_direct(cpu, selector, attributes_of(descriptor)) || check_target(cpu, descriptor, offset)) return;
  if (mark_accessed(cpu, at, descriptor) || push_current(cpu, bits / 8)) return;
  set_stack_pointer(cpu, stack_pointer());
  enter(cpu, selector, cpl(cpu), descriptor, offset);
}

function enter(cpu: i32, selector: i32, level: i32, descriptor: u64, rip: u64): void {
  set_segment(cpu, SEGMENTS_cs, (selector & 0xfffc) | level, descriptor);
  store<u64>(cpu + CPU_rip, rip);
  update_mode(cpu);
}

function to_system(cpu: i32, selector: i32, descriptor: u64): void {
  const attributes = attributes_of(descriptor);
  const type = system_type(attributes);
  const dpl = dpl_of(attributes);
  const long = is_long(cpu);
  const callGate = type == TYPE_CALL_GATE || (type == TYPE_CALL_GATE16 && !long);
  const task = !long && (type == TYPE_TASK_GATE || type == TYPE_TSS || type == TYPE_TSS16);
  if ((!callGate && !task) || dpl < cpl(cpu) || dpl < (selector & 3)) raise_selector(cpu, VECTOR_GP, selector);
  else if (!(attributes & PRESENT)) raise_selector(cpu, VECTOR_NP, selector);
  else if (callGate) to_gate(cpu, selector, descriptor);
  else to_task(cpu, type == TYPE_TASK_GATE ? gate_selector(descriptor) : selector);
}

function gate_selector(gate: u64): i32 {
  return ((gate >> 16) as i32) & 0xffff;
}

function to_task(cpu: i32, selector: i32): void {
  const image = eflags(cpu) & ~EFLAGS_RF;
  if (!task_switch(cpu, selector, isCall ? TASK_CALL : TASK_JMP, returnRip, image, false, 0)) return;
  if (is_in_new_task(cpu)) deliver(cpu);
}

/** The offset in a call gate; the second half of a 64-bit gate is read. Look at CPU.trap afterwards. */
function gate_offset(cpu: i32, selector: i32, gate: u64): u64 {
  const low = gate & 0xffff;
  if (system_type(attributes_of(gate)) == TYPE_CALL_GATE16) return low;
  const middle = (gate >> 32) & 0xffff0000;
  if (!is_long(cpu)) return low | middle;
  const high = second_half(cpu, selector, VECTOR_GP);
  if (!trapped(cpu) && high & 0x1f0000000000) raise_selector(cpu, VECTOR_GP, selector);
  return low | middle | (high << 32);
}

function to_gate(cpu: i32, gateSelector: i32, gate: u64): void {
  const offset = gate_offset(cpu, gateSelector, gate);
  if (trapped(cpu)) return;
  const selector = gate_selector(gate);
  if (is_null(selector)) {
    raise_gp(cpu);
    return;
  }
  const code = find_descriptor(cpu, selector, VECTOR_GP);
  const at = found_at();
  if (trapped(cpu) || check_gate_code(cpu, selector, attributes_of(code))) return;
  if (check_target(cpu, code, offset) || mark_accessed(cpu, at, code)) return;
  const width = is_long(cpu) ? 8 : system_type(attributes_of(gate)) == TYPE_CALL_GATE ? 4 : 2;
  const dpl = dpl_of(attributes_of(code));
  if (isCall && !(attributes_of(code) & CONFORMING) && dpl < cpl(cpu)) {
    if (!push_inner(cpu, dpl, width, ((gate >> 32) as i32) & 31)) enter_inner(cpu, selector, dpl, code, offset);
    return;
  }
  if (push_current(cpu, width)) return;
  set_stack_pointer(cpu, stack_pointer());
  enter(cpu, selector, cpl(cpu), code, offset);
}

/** Raises what is wrong with the code segment that a call gate names; true: trapped. */
function check_gate_code(cpu: i32, selector: i32, attributes: i32): bool {
  const dpl = dpl_of(attributes);
  const level = cpl(cpu);
  const reachable = isCall || attributes & CONFORMING ? dpl <= level : dpl == level;
  const fits = !is_long(cpu) || (attributes & (LONG | BIG)) == LONG;
  return check_code(cpu, selector, attributes, is_code(attributes) && reachable && fits);
}

/** Pushes the frame of a call to an inner level on its stack: SS:SP, parameters, CS:IP; true: trapped. */
function push_inner(cpu: i32, level: i32, width: i32, parameters: i32): bool {
  const long = is_long(cpu);
  const count = long ? 0 : parameters;
  if (long ? open_long_inner_stack(cpu, level, 0) : open_inner_stack(cpu, level)) return true;
  if (reserve(cpu, (4 + count) * width)) return true;
  const sp = gpr(cpu, GPR_rsp);
  if (push(cpu, segment_selector(cpu, SEGMENTS_ss) as u64, width) || push(cpu, sp, width)) return true;
  for (let n = count - 1; n >= 0; n--) if (push_parameter(cpu, level, n, width)) return true;
  return push_return(cpu, width);
}

/** Copies the n-th parameter from the current stack to the inner one, which then has n more to come. */
function push_parameter(cpu: i32, level: i32, n: i32, width: i32): bool {
  const inner = stack_pointer();
  open_current_stack(cpu);
  skip(n * width);
  const value = pop(cpu, width);
  if (trapped(cpu)) return true;
  if (open_inner_stack(cpu, level)) return true;
  skip((inner - stack_pointer()) as i32);
  return push(cpu, value, width);
}

function enter_inner(cpu: i32, selector: i32, level: i32, code: u64, rip: u64): void {
  const sp = stack_pointer();
  if (is_long(cpu)) set_null_segment(cpu, SEGMENTS_ss, level, level);
  else set_segment(cpu, SEGMENTS_ss, inner_selector(), inner_descriptor());
  enter(cpu, selector, level, code, rip);
  set_stack_pointer(cpu, sp);
}
