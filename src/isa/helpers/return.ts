// Far RET and IRET. [SDM 2B RET, 2A IRET]
import {
  CPU_eflags,
  CPU_nmiMasked,
  CPU_resumeRip,
  CPU_rip,
  EFLAGS_NT,
  EFLAGS_RF,
  EFLAGS_VIF,
  EFLAGS_VIP,
  EFLAGS_VM,
  GPR_rsp,
  SEGMENTS_cs,
  SEGMENTS_ds,
  SEGMENTS_es,
  SEGMENTS_gs,
  SEGMENTS_ss,
  SEGMENTS_tr,
  SEGMENT_SIZE,
  SEGMENT_base,
  VECTOR_GP,
  VECTOR_NP,
  VECTOR_TS,
} from "./layout.generated.ts";
import { keep_resume_flag } from "./debug.ts";
import {
  attributes_of,
  BIG,
  CODE,
  CONFORMING,
  dpl_of,
  find_descriptor,
  found_at,
  is_code,
  is_null,
  LONG,
  mark_accessed,
  PRESENT,
  set_null_segment,
  set_segment,
} from "./descriptor.ts";
import { deliver, is_in_new_task } from "./exceptions.ts";
import { check_target } from "./far.ts";
import { raise_gp, raise_selector, trapped } from "./fault.ts";
import { read_mem } from "./mmu.ts";
import { update_mode } from "./mode.ts";
import { ACCESS_SUPERVISOR } from "./paging.ts";
import {
  cpl,
  eflags,
  has_paragraphs,
  is_code64,
  is_long,
  is_protected,
  is_v86,
  segment_attributes,
  segment_base,
  segment_selector,
  segment_limit,
  set_gpr,
  set_stack_pointer,
} from "./registers.ts";
import { check_stack, set_paragraph } from "./segments.ts";
import { open_current_stack, pop, skip, stack_pointer } from "./stack.ts";
import { popped_flags, set_eflags } from "./system-flags.ts";
import { check_virtual_flags, is_virtual, is_virtual_pending, with_virtual_flag } from "./virtual-flags.ts";
import { TASK_IRET, task_switch } from "./task.ts";

/** The code and stack segment that the return leads to, checked. */
let code: u64 = 0;
let codeAt: u64 = 0;
let stack: u64 = 0;
let stackAt: u64 = 0;

/** RET far with an operand size, releasing `bytes` of parameters. Writes CPU.rip. */
export function far_return(cpu: i32, bits: i32, bytes: i32): void {
  const width = bits / 8;
  open_current_stack(cpu);
  const rip = pop(cpu, width);
  const selector = pop(cpu, width) as i32 & 0xffff;
  if (trapped(cpu)) return;
  if (has_paragraphs(cpu)) {
    skip(bytes);
    return_to_paragraph(cpu, rip, selector);
    return;
  }
  if (find_code(cpu, selector) || check_target(cpu, code, rip)) return;
  skip(bytes);
  if ((selector & 3) == cpl(cpu)) return_same(cpu, rip, selector);
  else return_outer(cpu, rip, selector, width, bytes);
}

function return_to_paragraph(cpu: i32, rip: u64, selector: i32): bool {
  if (rip > segment_limit(cpu, SEGMENTS_cs)) return raise_gp(cpu);
  set_stack_pointer(cpu, stack_pointer());
  set_paragraph(cpu, SEGMENTS_cs, selector);
  store<u64>(cpu + CPU_rip, rip);
  update_mode(cpu);
  return false;
}

/** Finds and checks the code segment to return to; true: trapped. */
function find_code(cpu: i32, selector: i32): bool {
  if (is_null(selector)) return raise_gp(cpu);
  code = find_descriptor(cpu, selector, VECTOR_GP);
  codeAt = found_at();
  if (trapped(cpu)) return true;
  const attributes = attributes_of(code);
  const level = selector & 3;
  const dpl = dpl_of(attributes);
  const reachable = level >= cpl(cpu) && (attributes & CONFORMING ? dpl <= level : dpl == level);
  const impossible = is_long(cpu) && (attributes & (LONG | BIG)) == (LONG | BIG);
  if (!is_code(attributes) || !reachable || impossible) return raise_selector(cpu, VECTOR_GP, selector);
  return attributes & PRESENT ? false : raise_selector(cpu, VECTOR_NP, selector);
}

function return_same(cpu: i32, rip: u64, selector: i32): bool {
  if (mark_accessed(cpu, codeAt, code)) return true;
  set_stack_pointer(cpu, stack_pointer());
  set_segment(cpu, SEGMENTS_cs, selector, code);
  store<u64>(cpu + CPU_rip, rip);
  update_mode(cpu);
  return false;
}

function return_outer(cpu: i32, rip: u64, selector: i32, width: i32, bytes: i32): bool {
  const sp = pop(cpu, width);
  const stackSelector = pop(cpu, width) as i32 & 0xffff;
  if (trapped(cpu) || find_stack(cpu, stackSelector, selector & 3)) return true;
  if (mark_accessed(cpu, codeAt, code)) return true;
  enter_outer(cpu, rip, selector, sp + (bytes as u64), stackSelector);
  return false;
}

/** Finds and checks the stack segment to return to with a level; true: trapped. */
function find_stack(cpu: i32, selector: i32, level: i32): bool {
  stack = 0;
  if (is_null(selector)) {
    const long = is_long(cpu) && (attributes_of(code) & LONG) != 0;
    return long && level != 3 && selector == level ? false : raise_gp(cpu);
  }
  stack = find_descriptor(cpu, selector, VECTOR_GP);
  stackAt = found_at();
  if (trapped(cpu) || check_stack(cpu, selector, attributes_of(stack), level, VECTOR_GP)) return true;
  return mark_accessed(cpu, stackAt, stack);
}

function set_stack_segment(cpu: i32, selector: i32, level: i32): void {
  if (is_null(selector)) set_null_segment(cpu, SEGMENTS_ss, selector, level);
  else set_segment(cpu, SEGMENTS_ss, selector, stack);
}

function enter_outer(cpu: i32, rip: u64, selector: i32, sp: u64, stackSelector: i32): void {
  const old = cpl(cpu);
  const level = selector & 3;
  set_segment(cpu, SEGMENTS_cs, selector, code);
  set_stack_segment(cpu, stackSelector, level);
  store<u64>(cpu + CPU_rip, rip);
  if (level != old) drop_inner_segments(cpu, level);
  update_mode(cpu);
  set_stack_pointer(cpu, sp);
}

/** The selectors of data segments that the outer level may not use, and null ones of any RPL, become 0; a base stays. [SDM 2A IRET] */
function drop_inner_segments(cpu: i32, level: i32): void {
  for (let at = SEGMENTS_es; at <= SEGMENTS_gs; at += SEGMENT_SIZE) {
    const attributes = segment_attributes(cpu, at);
    const conforming = (attributes & (CODE | CONFORMING)) == (CODE | CONFORMING);
    const inner = attributes & PRESENT && !conforming && dpl_of(attributes) < level;
    const isNull = is_null(segment_selector(cpu, at));
    if (!(inner || isNull) || at == SEGMENTS_cs || at == SEGMENTS_ss) continue;
    const base = segment_base(cpu, at);
    set_null_segment(cpu, at, 0, 0);
    store<u64>(cpu + at + SEGMENT_base, base);
  }
}

/** IRET with an operand size; `next` is the rip after it, `image` all of EFLAGS. Writes CPU.rip and CPU.eflags. */
export function iret(cpu: i32, bits: i32, next: u64, image: i32): void {
  store<i32>(cpu + CPU_eflags, image);
  store<i32>(cpu + CPU_nmiMasked, 0);
  keep_resume_flag(cpu);
  if (is_protected(cpu) && !is_v86(cpu) && image & EFLAGS_NT) {
    return_from_task(cpu, next);
    return;
  }
  const width = bits / 8;
  if (is_virtual(cpu)) check_virtual_flags(cpu, 0, bits);
  if (trapped(cpu)) return;
  open_current_stack(cpu);
  const rip = pop(cpu, width);
  const selector = pop(cpu, width) as i32 & 0xffff;
  const flags = pop(cpu, width) as i32;
  if (!trapped(cpu) && is_virtual(cpu)) check_virtual_flags(cpu, flags, bits);
  if (trapped(cpu)) return;
  if (has_paragraphs(cpu)) iret_to_paragraph(cpu, rip, selector, flags, bits);
  else if (bits == 32 && flags & EFLAGS_VM && cpl(cpu) == 0 && !is_long(cpu)) iret_to_v86(cpu, rip, selector, flags);
  else iret_protected(cpu, rip, selector, flags, bits);
  store<u64>(cpu + CPU_resumeRip, load<u64>(cpu + CPU_rip));
}

function iret_to_paragraph(cpu: i32, rip: u64, selector: i32, flags: i32, bits: i32): void {
  const old = eflags(cpu);
  if (return_to_paragraph(cpu, rip, selector)) return;
  // virtual-8086 mode with IOPL 3 changes IF, but not IOPL
  const now = popped_flags(old, flags, bits, is_v86(cpu) ? 3 : 0);
  set_eflags(cpu, is_virtual(cpu) ? with_virtual_flag(now, flags) : now);
}

function iret_protected(cpu: i32, rip: u64, selector: i32, flags: i32, bits: i32): void {
  const old = cpl(cpu);
  const oldFlags = eflags(cpu);
  if (find_code(cpu, selector) || check_target(cpu, code, rip)) return;
  const outer = (selector & 3) != old || is_code64(cpu);
  const failed = outer ? return_outer(cpu, rip, selector, bits / 8, 0) : return_same(cpu, rip, selector);
  if (failed) return;
  const virtual = old == 0 && bits != 16 ? EFLAGS_VIF | EFLAGS_VIP : 0;
  set_eflags(cpu, (popped_flags(oldFlags, flags, bits, old) & ~virtual) | (flags & virtual));
}

/** From level 0 back to virtual-8086 mode. */
function iret_to_v86(cpu: i32, rip: u64, selector: i32, flags: i32): void {
  const sp = pop(cpu, 4);
  const stackSelector = pop(cpu, 4) as i32;
  const es = pop(cpu, 4) as i32;
  const ds = pop(cpu, 4) as i32;
  const fs = pop(cpu, 4) as i32;
  const gs = pop(cpu, 4) as i32;
  if (trapped(cpu)) return;
  if (rip > 0xffff) {
    raise_gp(cpu);
    return;
  }
  store<i32>(cpu + CPU_eflags, flags | EFLAGS_VM);
  set_paragraph(cpu, SEGMENTS_cs, selector);
  set_paragraph(cpu, SEGMENTS_ss, stackSelector);
  set_paragraph(cpu, SEGMENTS_es, es);
  set_paragraph(cpu, SEGMENTS_ds, ds);
  set_paragraph(cpu, SEGMENTS_ds + SEGMENT_SIZE, fs);
  set_paragraph(cpu, SEGMENTS_gs, gs);
  store<u64>(cpu + CPU_rip, rip);
  set_gpr(cpu, GPR_rsp, sp);
  set_eflags(cpu, flags);
  if (is_virtual_pending(cpu) && raise_gp(cpu)) deliver(cpu);
}

/** IRET of a nested task: switches to the task that the current TSS links to. */
function return_from_task(cpu: i32, next: u64): void {
  if (is_long(cpu)) {
    raise_gp(cpu);
    return;
  }
  const link = read_mem(cpu, segment_base(cpu, SEGMENTS_tr), 2, ACCESS_SUPERVISOR) as i32;
  if (trapped(cpu)) return;
  if (link & 4 || is_null(link)) {
    raise_selector(cpu, VECTOR_TS, link);
    return;
  }
  if (!task_switch(cpu, link, TASK_IRET, next, eflags(cpu) & ~EFLAGS_RF, false, 0)) return;
  if (is_in_new_task(cpu)) deliver(cpu);
}
