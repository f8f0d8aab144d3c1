// Loading of segment registers and the descriptor tables' registers. [SDM 2B MOV, 3A 5.6, 5.7]
import {
  CPU_inhibit,
  INHIBIT_movSs,
  SEGMENTS_cs,
  SEGMENTS_gs,
  SEGMENTS_ldtr,
  SEGMENTS_ss,
  SEGMENTS_tr,
  SEGMENT_attributes,
  SEGMENT_base,
  SEGMENT_limit,
  VECTOR_GP,
  VECTOR_NP,
  VECTOR_SS,
  VECTOR_UD,
} from "./layout.generated.ts";
import { pass_step } from "./debug.ts";
import {
  ACCESSED,
  attributes_of,
  CODE,
  CONFORMING,
  dpl_of,
  find_descriptor,
  found_at,
  is_null,
  is_writable_data,
  mark_accessed,
  ORDINARY,
  PRESENT,
  READABLE,
  second_half,
  set_null_segment,
  set_segment,
  set_type_bits,
  system_type,
  TYPE_BUSY,
  TYPE_LDT,
  TYPE_TSS,
  TYPE_TSS16,
  WRITABLE,
} from "./descriptor.ts";
import { raise, raise_gp, raise_selector, trapped } from "./fault.ts";
import { update_check, update_mode } from "./mode.ts";
import {
  cpl,
  has_paragraphs,
  is_canonical_register,
  is_code64,
  is_long,
  is_v86,
  segment_attributes,
  segment_record,
  segment_selector,
  set_selector,
} from "./registers.ts";

const PARAGRAPH_ATTRIBUTES: i32 = PRESENT | ORDINARY | WRITABLE | ACCESSED;

/** Sets a segment register as real-address and virtual-8086 mode do; real mode keeps limit and size. */
export function set_paragraph(cpu: i32, at: i32, selector: i32): void {
  set_selector(cpu, at, selector);
  store<u64>(cpu + at + SEGMENT_base, ((selector & 0xffff) as u64) << 4);
  if (is_v86(cpu)) {
    store<u32>(cpu + at + SEGMENT_limit, 0xffff);
    store<i32>(cpu + at + SEGMENT_attributes, PARAGRAPH_ATTRIBUTES | (3 << 13));
    return;
  }
  const size = segment_attributes(cpu, at) & 0x00f00000;
  const code = at == SEGMENTS_cs ? CODE : 0;
  store<i32>(cpu + at + SEGMENT_attributes, size | code | PARAGRAPH_ATTRIBUTES);
}

/** The selector in a segment register. */
export function selector_of(cpu: i32, at: i32): i32 {
  return segment_selector(cpu, segment_record(at));
}

/** MOV, POP, LxS: loads ES, SS, DS, FS or GS; #UD for CS and numbers that are no segment register. */
export function load_segment(cpu: i32, segment: i32, selector: i32): void {
  const at = segment_record(segment);
  if (at == SEGMENTS_cs || at > SEGMENTS_gs) raise(cpu, VECTOR_UD, 0);
  else if (has_paragraphs(cpu)) load_paragraph(cpu, at, selector);
  else if (at == SEGMENTS_ss) load_stack_segment(cpu, selector & 0xffff);
  else load_data_segment(cpu, at, selector & 0xffff);
}

function load_paragraph(cpu: i32, at: i32, selector: i32): void {
  set_paragraph(cpu, at, selector);
  update_check(cpu, at);
}

function load_data_segment(cpu: i32, at: i32, selector: i32): void {
  if (is_null(selector)) {
    set_null_segment(cpu, at, selector, 0);
    update_check(cpu, at);
    return;
  }
  const descriptor = find_descriptor(cpu, selector, VECTOR_GP);
  if (trapped(cpu) || check_data(cpu, selector, attributes_of(descriptor), VECTOR_GP)) return;
  if (mark_accessed(cpu, found_at(), descriptor)) return;
  set_segment(cpu, at, selector, descriptor);
  update_check(cpu, at);
}

/** Raises what is wrong with a data or readable code segment; true: trapped. */
export function check_data(cpu: i32, selector: i32, attributes: i32, vector: i32): bool {
  const unreadable = (attributes & (CODE | READABLE)) == CODE;
  if (!(attributes & ORDINARY) || unreadable) return raise_selector(cpu, vector, selector);
  const dpl = dpl_of(attributes);
  const conforming = (attributes & (CODE | CONFORMING)) == (CODE | CONFORMING);
  if (!conforming && ((selector & 3) > dpl || cpl(cpu) > dpl)) return raise_selector(cpu, vector, selector);
  return attributes & PRESENT ? false : raise_selector(cpu, VECTOR_NP, selector);
}

/** Raises what is wrong with a stack segment for a privilege level; true: trapped. */
export function check_stack(cpu: i32, selector: i32, attributes: i32, level: i32, vector: i32): bool {
  const wrong = (selector & 3) != level || !is_writable_data(attributes) || dpl_of(attributes) != level;
  if (wrong) return raise_selector(cpu, vector, selector);
  return attributes & PRESENT ? false : raise_selector(cpu, VECTOR_SS, selector);
}

function load_stack_segment(cpu: i32, selector: i32): void {
  const level = cpl(cpu);
  if (is_null(selector)) {
    if (!is_code64(cpu) || level == 3 || selector != level) raise_gp(cpu);
    else set_null_segment(cpu, SEGMENTS_ss, selector, level);
    return;
  }
  const descriptor = find_descriptor(cpu, selector, VECTOR_GP);
  if (trapped(cpu) || check_stack(cpu, selector, attributes_of(descriptor), level, VECTOR_GP)) return;
  if (mark_accessed(cpu, found_at(), descriptor)) return;
  set_segment(cpu, SEGMENTS_ss, selector, descriptor);
  update_mode(cpu);
}

/** MOV SS and POP SS hold interrupts and debug traps off for one instruction. [SDM 3A 6.8.3] */
export function inhibit_if_ss(cpu: i32, segment: i32): void {
  const inhibit = segment_record(segment) == SEGMENTS_ss ? INHIBIT_movSs : 0;
  store<i32>(cpu + CPU_inhibit, inhibit);
  if (inhibit) pass_step(cpu);
}

/** LLDT, LTR, STR, SLDT... exist in protected mode only, and some at CPL 0 only; true: trapped. */
function refuse_system(cpu: i32): bool {
  if (has_paragraphs(cpu)) return raise(cpu, VECTOR_UD, 0);
  return cpl(cpu) ? raise_gp(cpu) : false;
}

/** Sets the high half of a system segment's base in IA-32e mode. */
function set_high_base(cpu: i32, at: i32, high: u64): void {
  const low = load<u64>(cpu + at + SEGMENT_base) & 0xffffffff;
  store<u64>(cpu + at + SEGMENT_base, low | (high << 32));
}

/** The high half of a system descriptor in IA-32e mode, 0 elsewhere; #GP for a base that is not canonical. */
function high_base(cpu: i32, selector: i32, descriptor: u64): u64 {
  if (!is_long(cpu)) return 0;
  const high = second_half(cpu, selector, VECTOR_GP);
  const base = (high << 32) | ((descriptor >> 32) & 0xff000000);
  // the type field of the upper half is 0 [SDM 3A 8.2.3]
  const wrong = high & 0x1f0000000000 || !is_canonical_register(cpu, base);
  if (!trapped(cpu) && wrong) raise_selector(cpu, VECTOR_GP, selector);
  return high & 0xffffffff;
}

/** LLDT [SDM 2A LLDT] */
export function lldt(cpu: i32, selector: i32): void {
  if (refuse_system(cpu)) return;
  if (is_null(selector)) {
    set_null_segment(cpu, SEGMENTS_ldtr, selector, 0);
    return;
  }
  load_system(cpu, SEGMENTS_ldtr, selector);
}

/** LTR [SDM 2A LTR] */
export function ltr(cpu: i32, selector: i32): void {
  if (refuse_system(cpu)) return;
  if (is_null(selector)) raise_gp(cpu);
  else load_system(cpu, SEGMENTS_tr, selector);
}

function fits_system(cpu: i32, at: i32, type: i32): bool {
  if (at == SEGMENTS_ldtr) return type == TYPE_LDT;
  return type == TYPE_TSS || (type == TYPE_TSS16 && !is_long(cpu));
}

function load_system(cpu: i32, at: i32, selector: i32): void {
  if (selector & 4) {
    raise_selector(cpu, VECTOR_GP, selector);
    return;
  }
  const descriptor = find_descriptor(cpu, selector, VECTOR_GP);
  if (trapped(cpu)) return;
  const attributes = attributes_of(descriptor);
  const task = at == SEGMENTS_tr;
  if (!fits_system(cpu, at, system_type(attributes))) raise_selector(cpu, VECTOR_GP, selector);
  else if (!(attributes & PRESENT)) raise_selector(cpu, VECTOR_NP, selector);
  if (trapped(cpu)) return;
  const high = high_base(cpu, selector, descriptor);
  if (trapped(cpu) || (task && set_type_bits(cpu, found_at(), 0, TYPE_BUSY))) return;
  set_segment(cpu, at, selector, task ? descriptor | ((TYPE_BUSY as u64) << 40) : descriptor);
  set_high_base(cpu, at, high);
}
