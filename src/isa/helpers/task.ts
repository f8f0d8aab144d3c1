// Hardware task switches. [SDM 3A 8.3]
import {
  CPU_cr0,
  CPU_cr3,
  CPU_cr4,
  CPU_dr,
  CPU_gdtrBase,
  CPU_rip,
  CR0_PG,
  CR0_TS,
  CR4_PAE,
  EFLAGS_NT,
  EFLAGS_VM,
  SEGMENTS_cs,
  SEGMENTS_ds,
  SEGMENTS_es,
  SEGMENTS_gs,
  SEGMENTS_ldtr,
  SEGMENTS_ss,
  SEGMENTS_tr,
  SEGMENT_SIZE,
  VECTOR_GP,
  VECTOR_NP,
  VECTOR_TS,
  DR7_L,
} from "./layout.generated.ts";
import {
  attributes_of,
  base_of,
  CONFORMING,
  dpl_of,
  find_descriptor,
  found_at,
  is_code,
  is_null,
  limit_of,
  mark_accessed,
  PRESENT,
  set_null_segment,
  set_segment,
  set_type_bits,
  system_type,
  TYPE_BUSY,
  TYPE_LDT,
  TYPE_TSS16,
} from "./descriptor.ts";
import { trap_in_task } from "./debug.ts";
import { raise, raise_gp, raise_selector, trapped } from "./fault.ts";
import { update_mode } from "./mode.ts";
import { load_pdptrs } from "./pdptr.ts";
import { probe, read_mem, write_mem } from "./mmu.ts";
import { tlb_flush_nonglobal } from "./tlb.ts";
import { ACCESS_SUPERVISOR, ACCESS_WRITE } from "./paging.ts";
import { eflags, gpr, segment_base, segment_limit, segment_selector, set_gpr, set_stack_pointer } from "./registers.ts";
import { check_data, check_stack, set_paragraph } from "./segments.ts";
import { open_current_stack, push, stack_pointer } from "./stack.ts";
import { set_eflags, unpack_flags } from "./system-flags.ts";
import { has_wide_tss } from "./tss.ts";

export const TASK_JMP: i32 = 0;
export const TASK_CALL: i32 = 1;
export const TASK_INT: i32 = 2;
export const TASK_IRET: i32 = 3;

let committed: bool = false;

/** No task switch is under way. */
export function begin_event(): void {
  committed = false;
}

/** Whether the last task switch that trapped did so in the new task: its fault is to be delivered there. */
export function task_committed(): bool {
  return committed;
}

// Where the fields of a TSS are. [SDM 3A figures 8-2, 8-10]
function at_ip(wide: bool): i32 {
  return wide ? 32 : 14;
}
function at_flags(wide: bool): i32 {
  return wide ? 36 : 16;
}
function at_register(wide: bool, register: i32): i32 {
  return wide ? 40 + 4 * register : 18 + 2 * register;
}
function at_segment(wide: bool, segment: i32): i32 {
  return wide ? 72 + 4 * segment : 34 + 2 * segment;
}
function at_ldt(wide: bool): i32 {
  return wide ? 96 : 42;
}

/** Segment registers in a TSS: six, or the first four. */
function segments_in(wide: bool): i32 {
  return wide ? 6 : 4;
}

let tss: u64 = 0;

function put(cpu: i32, offset: i32, width: i32, value: u64): void {
  write_mem(cpu, (tss + (offset as u64)) & 0xffffffff, width, value, ACCESS_SUPERVISOR);
}

function field(cpu: i32, offset: i32, width: i32): u64 {
  return read_mem(cpu, (tss + (offset as u64)) & 0xffffffff, width, ACCESS_SUPERVISOR);
}

/** Switches to the task of a TSS selector; `rip` is where the old task goes on, `image` its EFLAGS. True: trapped, see task_committed. */
export function task_switch(
  cpu: i32,
  selector: i32,
  reason: i32,
  rip: u64,
  image: i32,
  withError: bool,
  error: i32,
): bool {
  committed = false;
  const descriptor = find_task(cpu, selector, reason);
  if (trapped(cpu)) return true;
  const at = found_at();
  const attributes = attributes_of(descriptor);
  const wide = (system_type(attributes) & 8) != 0;
  const oldSelector = segment_selector(cpu, SEGMENTS_tr);
  if (save_task(cpu, base_of(descriptor), wide, rip, reason == TASK_IRET ? image & ~EFLAGS_NT : image)) return true;
  tss = base_of(descriptor);
  const nested = reason == TASK_CALL || reason == TASK_INT;
  const oldAt = load<u64>(cpu + CPU_gdtrBase) + ((oldSelector & 0xfff8) as u64);
  if (!nested && set_type_bits(cpu, oldAt, TYPE_BUSY, 0)) return true;
  if (reason != TASK_IRET && set_type_bits(cpu, at, 0, TYPE_BUSY)) return true;
  if (nested) put(cpu, 0, 2, oldSelector as u64);
  committed = true;
  set_segment(cpu, SEGMENTS_tr, selector, descriptor | ((TYPE_BUSY as u64) << 40));
  store<u64>(cpu + CPU_cr0, load<u64>(cpu + CPU_cr0) | CR0_TS);
  clear_local_breakpoints(cpu);
  const debug = wide && (field(cpu, 100, 2) & 1) != 0;
  if (load_task(cpu, wide, nested) || check_task(cpu, wide)) return true;
  if (withError && push_error(cpu, wide, error)) return true;
  if (debug) {
    trap_in_task(cpu);
    update_mode(cpu);
  }
  return false;
}

/** L0 to L3 and LE of DR7 hold for one task. [SDM 3B 18.2.4] */
function clear_local_breakpoints(cpu: i32): void {
  store<u64>(cpu + CPU_dr + 56, load<u64>(cpu + CPU_dr + 56) & ~DR7_L);
}

/** The descriptor of the task to enter, checked. Look at CPU.trap afterwards. */
function find_task(cpu: i32, selector: i32, reason: i32): u64 {
  const vector = reason == TASK_IRET ? VECTOR_TS : VECTOR_GP;
  if (selector & 4 || is_null(selector)) {
    raise_selector(cpu, vector, selector);
    return 0;
  }
  const descriptor = find_descriptor(cpu, selector, vector);
  if (trapped(cpu)) return 0;
  const attributes = attributes_of(descriptor);
  const type = system_type(attributes);
  const wanted = reason == TASK_IRET ? TYPE_TSS16 | TYPE_BUSY : TYPE_TSS16;
  if ((type & ~8) != wanted) raise_selector(cpu, vector, selector);
  else if (!(attributes & PRESENT)) raise_selector(cpu, VECTOR_NP, selector);
  else if (limit_of(descriptor) < (type & 8 ? 0x67 : 0x2b)) raise_selector(cpu, VECTOR_TS, selector);
  return descriptor;
}

/** Makes sure that both TSSs are there and saves the old task; true: trapped. */
function save_task(cpu: i32, newBase: u64, newWide: bool, rip: u64, image: i32): bool {
  const wide = has_wide_tss(cpu);
  tss = segment_base(cpu, SEGMENTS_tr);
  if (probe(cpu, newBase, newWide ? 0x68 : 0x2c, ACCESS_SUPERVISOR | ACCESS_WRITE)) return true;
  if (probe(cpu, tss, wide ? 0x68 : 0x2c, ACCESS_SUPERVISOR | ACCESS_WRITE)) return true;
  const width = wide ? 4 : 2;
  put(cpu, at_ip(wide), width, rip);
  put(cpu, at_flags(wide), width, image as u32 as u64);
  for (let register = 0; register < 8; register++) put(cpu, at_register(wide, register), width, gpr(cpu, register));
  for (let n = 0; n < segments_in(wide); n++) {
    put(cpu, at_segment(wide, n), 2, segment_selector(cpu, SEGMENTS_es + n * SEGMENT_SIZE) as u64);
  }
  return trapped(cpu);
}

/** Loads the registers of the new task, segment registers as bare selectors; true: trapped. */
function load_task(cpu: i32, wide: bool, nested: bool): bool {
  const width = wide ? 4 : 2;
  const cr3 = wide ? field(cpu, 28, 4) : 0;
  const image = (field(cpu, at_flags(wide), width) as i32) | (nested ? EFLAGS_NT : 0);
  const ldt = field(cpu, at_ldt(wide), 2) as i32;
  store<u64>(cpu + CPU_rip, field(cpu, at_ip(wide), width));
  for (let register = 0; register < 8; register++) {
    const high: u64 = wide ? 0 : 0xffff0000;
    set_gpr(cpu, register, field(cpu, at_register(wide, register), width) | high);
  }
  const level = image & EFLAGS_VM ? 3 : (field(cpu, at_segment(wide, 1), 2) as i32) & 3;
  for (let n = 0; n < 6; n++) {
    const selector = n < segments_in(wide) ? (field(cpu, at_segment(wide, n), 2) as i32) : 0;
    set_null_segment(cpu, SEGMENTS_es + n * SEGMENT_SIZE, selector, level);
  }
  set_eflags(cpu, image);
  unpack_flags(cpu);
  if (wide) load_cr3(cpu, cr3);
  return load_task_ldt(cpu, ldt);
}

function load_cr3(cpu: i32, cr3: u64): void {
  if (!(load<u64>(cpu + CPU_cr0) & CR0_PG)) return;
  store<u64>(cpu + CPU_cr3, cr3);
  if (load<u64>(cpu + CPU_cr4) & CR4_PAE) load_pdptrs(cpu, cr3);
  tlb_flush_nonglobal(cpu);
}

function load_task_ldt(cpu: i32, selector: i32): bool {
  set_null_segment(cpu, SEGMENTS_ldtr, selector, 0);
  if (is_null(selector)) return false;
  if (selector & 4) return raise_selector(cpu, VECTOR_TS, selector);
  const descriptor = find_descriptor(cpu, selector, VECTOR_TS);
  if (trapped(cpu)) return true;
  const attributes = attributes_of(descriptor);
  if (system_type(attributes) != TYPE_LDT || !(attributes & PRESENT)) return raise_selector(cpu, VECTOR_TS, selector);
  set_segment(cpu, SEGMENTS_ldtr, selector, descriptor);
  return false;
}

/** Loads the new task's segments from its selectors; true: trapped. */
function check_task(cpu: i32, wide: bool): bool {
  if (eflags(cpu) & EFLAGS_VM) {
    for (let at = SEGMENTS_es; at <= SEGMENTS_gs; at += SEGMENT_SIZE) set_paragraph(cpu, at, segment_selector(cpu, at));
    set_eflags(cpu, eflags(cpu));
    return false;
  }
  const level = segment_selector(cpu, SEGMENTS_cs) & 3;
  if (load_task_code(cpu, level) || load_task_stack(cpu, level)) return true;
  set_eflags(cpu, eflags(cpu));
  if (load_task_data(cpu, SEGMENTS_es)) return true;
  for (let at = SEGMENTS_ds; at <= SEGMENTS_gs; at += SEGMENT_SIZE) if (load_task_data(cpu, at)) return true;
  set_eflags(cpu, eflags(cpu));
  return load<u64>(cpu + CPU_rip) > segment_limit(cpu, SEGMENTS_cs) ? raise_gp(cpu) : false;
}

function load_task_code(cpu: i32, level: i32): bool {
  const selector = segment_selector(cpu, SEGMENTS_cs);
  if (is_null(selector)) return raise(cpu, VECTOR_TS, 0);
  const descriptor = find_descriptor(cpu, selector, VECTOR_TS);
  if (trapped(cpu)) return true;
  const attributes = attributes_of(descriptor);
  const dpl = dpl_of(attributes);
  const reachable = attributes & CONFORMING ? dpl <= level : dpl == level;
  if (!is_code(attributes) || !reachable) return raise_selector(cpu, VECTOR_TS, selector);
  if (!(attributes & PRESENT)) return raise_selector(cpu, VECTOR_NP, selector);
  if (mark_accessed(cpu, found_at(), descriptor)) return true;
  set_segment(cpu, SEGMENTS_cs, selector, descriptor);
  return false;
}

function load_task_stack(cpu: i32, level: i32): bool {
  const selector = segment_selector(cpu, SEGMENTS_ss);
  if (is_null(selector)) return raise(cpu, VECTOR_TS, 0);
  const descriptor = find_descriptor(cpu, selector, VECTOR_TS);
  if (trapped(cpu) || check_stack(cpu, selector, attributes_of(descriptor), level, VECTOR_TS)) return true;
  if (mark_accessed(cpu, found_at(), descriptor)) return true;
  set_segment(cpu, SEGMENTS_ss, selector, descriptor);
  return false;
}

function load_task_data(cpu: i32, at: i32): bool {
  const selector = segment_selector(cpu, at);
  if (is_null(selector)) return false;
  const descriptor = find_descriptor(cpu, selector, VECTOR_TS);
  if (trapped(cpu) || check_data(cpu, selector, attributes_of(descriptor), VECTOR_TS)) return true;
  if (mark_accessed(cpu, found_at(), descriptor)) return true;
  set_segment(cpu, at, selector, descriptor);
  return false;
}

/** The error code of the exception that switched tasks goes on the new task's stack; true: trapped. */
function push_error(cpu: i32, wide: bool, error: i32): bool {
  open_current_stack(cpu);
  if (push(cpu, error as u64, wide ? 4 : 2)) return true;
  set_stack_pointer(cpu, stack_pointer());
  return false;
}
