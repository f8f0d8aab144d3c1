// String instructions. Every element or run of elements is committed (rSI, rDI, rCX) before the next one, so that a fault or
// an exit in the middle leaves exact state. [SDM 2B REP/REPE/REPZ/REPNE/REPNZ]
import {
  CPU_eflags,
  CPU_linearMask,
  CPU_mode,
  CPU_replayCount,
  CPU_replayCursor,
  CPU_scratch,
  EFLAGS_DF,
  GPR_rax,
  GPR_rcx,
  GPR_rdi,
  GPR_rsi,
  MODE_single,
  SEGMENTS_es,
  SEGMENTS_flat,
  SEGMENT_base,
  SEGMENT_check,
} from "./layout.generated.ts";
import { pause_repetition } from "./debug.ts";
import { trapped } from "./fault.ts";
import { is_target_read_only, read_mem, translate, write_mem } from "./mmu.ts";
import { is_alignment_checked } from "./tlb.ts";
import { ACCESS_READ, ACCESS_WRITE } from "./paging.ts";
import { after_write, plainly_writable } from "./physical.ts";
import { gpr, is_code64, set_gpr } from "./registers.ts";
import { segment_check } from "./segment-check.ts";

/** What one call may do: single elements cost 1, runs of elements RUN_COST. */
const BUDGET: i32 = 4096;
const RUN_COST: i32 = 128;

const REPNE: i32 = 2;

/** Elements that one call may look at; one under single-stepping. */
function budget(cpu: i32, repeat: i32): i32 {
  return !repeat || load<i32>(cpu + CPU_mode) & MODE_single ? 1 : BUDGET;
}

function backward(cpu: i32): bool {
  return (load<i32>(cpu + CPU_eflags) & EFLAGS_DF) != 0;
}

/** Segment of the destination: ES, flat in 64-bit mode. */
function destination_segment(cpu: i32): i32 {
  return is_code64(cpu) ? SEGMENTS_flat : SEGMENTS_es;
}

function linear_of(cpu: i32, segment: i32, offset: u64, width: i32, write: i32): u64 {
  if (load<i32>(cpu + segment + SEGMENT_check)) return segment_check(cpu, segment, offset, width, write);
  return (load<u64>(cpu + segment + SEGMENT_base) + offset) & load<u64>(cpu + CPU_linearMask);
}

/** Writes a register of the address size: ECX and so on clear the upper half. */
function set_masked(cpu: i32, register: i32, value: u64, mask: u64): void {
  const kept = mask == 0xffff ? gpr(cpu, register) & ~mask : 0;
  set_gpr(cpu, register, kept | (value & mask));
}

/** Moves an index register over `count` elements in the direction of DF. */
function advance(cpu: i32, register: i32, count: i32, width: i32, mask: u64): void {
  const bytes = (count * width) as u64;
  set_masked(cpu, register, backward(cpu) ? gpr(cpu, register) - bytes : gpr(cpu, register) + bytes, mask);
}

/** Counts elements as done: what user space completed for them is used up. */
function commit(cpu: i32, count: i32, mask: u64, repeat: i32): void {
  store<i32>(cpu + CPU_replayCount, 0);
  store<i32>(cpu + CPU_replayCursor, 0);
  if (repeat) set_masked(cpu, GPR_rcx, gpr(cpu, GPR_rcx) - (count as u64), mask);
}

/** Elements from an offset up to the end of its page or of the address size, at most `limit`. */
function elements(linear: u64, offset: u64, width: i32, mask: u64, limit: u64): i32 {
  let bytes = 0x1000 - (linear & 0xfff);
  if (mask - offset < bytes) bytes = mask - offset;
  const count = bytes / (width as u64);
  return min(count, limit) as i32;
}

/** Runs are possible through a segment whose accesses cannot fail, upward. */
function can_run(cpu: i32, segment: i32, repeat: i32): bool {
  const checked = load<i32>(cpu + segment + SEGMENT_check) || is_alignment_checked(cpu);
  return repeat != 0 && !checked && !backward(cpu);
}

export function movs(cpu: i32, width: i32, source: i32, mask: u64, repeat: i32): i32 {
  const destination = destination_segment(cpu);
  let left = budget(cpu, repeat);
  const runs = left > 1 && can_run(cpu, source, repeat) && can_run(cpu, destination, repeat);
  while (left > 0) {
    if (repeat && !(gpr(cpu, GPR_rcx) & mask)) return 1;
    const from = linear_of(cpu, source, gpr(cpu, GPR_rsi) & mask, width, 0);
    const to = linear_of(cpu, destination, gpr(cpu, GPR_rdi) & mask, width, 1);
    if (trapped(cpu)) return 0;
    let count = runs ? copy_run(cpu, from, to, width, mask) : 0;
    if (trapped(cpu)) return 0;
    left -= count ? RUN_COST : 1;
    if (!count) {
      if (!copy_one(cpu, from, to, width)) return 0;
      count = 1;
    }
    advance(cpu, GPR_rsi, count, width, mask);
    advance(cpu, GPR_rdi, count, width, mask);
    commit(cpu, count, mask, repeat);
  }
  return done(cpu, mask, repeat);
}

/** Whether nothing is left to do; else the instruction is entered again. */
function done(cpu: i32, mask: u64, repeat: i32): i32 {
  if (!repeat || !(gpr(cpu, GPR_rcx) & mask)) return 1;
  pause_repetition(cpu);
  return 0;
}

/** Copies one element; false: trapped. */
function copy_one(cpu: i32, from: u64, to: u64, width: i32): bool {
  const value = read_mem(cpu, from, width, ACCESS_READ);
  if (trapped(cpu)) return false;
  write_mem(cpu, to, width, value, 0);
  return !trapped(cpu);
}

/** Copies elements within a page of plain memory on both sides: how many; 0 when that is not possible (or trapped). */
function copy_run(cpu: i32, from: u64, to: u64, width: i32, mask: u64): i32 {
  let count = elements(from, gpr(cpu, GPR_rsi) & mask, width, mask, gpr(cpu, GPR_rcx) & mask);
  count = elements(to, gpr(cpu, GPR_rdi) & mask, width, mask, count as u64);
  if (count < 2) return 0;
  const source = translate(cpu, from, ACCESS_READ);
  if (!source) return 0;
  const destination = writable_host(cpu, to);
  if (!destination) return 0;
  copy_upward(source, destination, count, width);
  after_write(cpu, destination);
  return count;
}

/** Host address of plain memory that may be written without notice, or 0. */
function writable_host(cpu: i32, linear: u64): i32 {
  const host = translate(cpu, linear, ACCESS_WRITE);
  return host && !is_target_read_only() && plainly_writable(cpu, host) ? host : 0;
}

/** Copies element by element from low to high addresses; a destination just above the source repeats it. */
function copy_upward(source: i32, destination: i32, count: i32, width: i32): void {
  const bytes = count * width;
  if (((destination - source) as u32) >= (bytes as u32)) {
    memory.copy(destination, source, bytes);
    return;
  }
  for (let at = 0; at < bytes; at += width) store_element(destination + at, load_element(source + at, width), width);
}

function load_element(host: i32, width: i32): u64 {
  if (width == 8) return load<u64>(host);
  if (width == 4) return load<u32>(host) as u64;
  return width == 2 ? (load<u16>(host) as u64) : (load<u8>(host) as u64);
}

function store_element(host: i32, value: u64, width: i32): void {
  if (width == 8) store<u64>(host, value);
  else if (width == 4) store<u32>(host, value as u32);
  else if (width == 2) store<u16>(host, value as u16);
  else store<u8>(host, value as u8);
}

export function stos(cpu: i32, width: i32, source: i32, mask: u64, repeat: i32): i32 {
  const segment = destination_segment(cpu);
  let left = budget(cpu, repeat);
  const runs = left > 1 && can_run(cpu, segment, repeat);
  const value = gpr(cpu, GPR_rax);
  while (left > 0) {
    if (repeat && !(gpr(cpu, GPR_rcx) & mask)) return 1;
    const to = linear_of(cpu, segment, gpr(cpu, GPR_rdi) & mask, width, 1);
    if (trapped(cpu)) return 0;
    let count = runs ? fill_run(cpu, to, value, width, mask) : 0;
    left -= count ? RUN_COST : 1;
    if (!count) {
      if (!trapped(cpu)) write_mem(cpu, to, width, value, 0);
      if (trapped(cpu)) return 0;
      count = 1;
    }
    advance(cpu, GPR_rdi, count, width, mask);
    commit(cpu, count, mask, repeat);
  }
  return done(cpu, mask, repeat);
}

function fill_run(cpu: i32, to: u64, value: u64, width: i32, mask: u64): i32 {
  const count = elements(to, gpr(cpu, GPR_rdi) & mask, width, mask, gpr(cpu, GPR_rcx) & mask);
  if (count < 2) return 0;
  const host = writable_host(cpu, to);
  if (!host) return 0;
  const bytes = count * width;
  if (width == 1 || !(value << (64 - (width << 3)))) memory.fill(host, value as u8, bytes);
  else for (let at = 0; at < bytes; at += width) store_element(host + at, value, width);
  after_write(cpu, host);
  return count;
}

export function lods(cpu: i32, width: i32, source: i32, mask: u64, repeat: i32): i32 {
  for (let left = budget(cpu, repeat); left > 0; left--) {
    if (repeat && !(gpr(cpu, GPR_rcx) & mask)) return 1;
    const value = read_at(cpu, source, GPR_rsi, width, mask);
    if (trapped(cpu)) return 0;
    set_accumulator(cpu, value, width);
    advance(cpu, GPR_rsi, 1, width, mask);
    commit(cpu, 1, mask, repeat);
  }
  return done(cpu, mask, repeat);
}

/** Reads the element an index register points at; look at CPU.trap afterwards. */
function read_at(cpu: i32, segment: i32, register: i32, width: i32, mask: u64): u64 {
  const linear = linear_of(cpu, segment, gpr(cpu, register) & mask, width, 0);
  return trapped(cpu) ? 0 : read_mem(cpu, linear, width, ACCESS_READ);
}

function set_accumulator(cpu: i32, value: u64, width: i32): void {
  if (width >= 4) set_gpr(cpu, GPR_rax, value);
  else if (width == 2) set_gpr(cpu, GPR_rax, (gpr(cpu, GPR_rax) & ~(0xffff as u64)) | value);
  else set_gpr(cpu, GPR_rax, (gpr(cpu, GPR_rax) & ~(0xff as u64)) | value);
}

/** Notes the operands of a comparison for the flags; true: REPE or REPNE ends with it. */
function compared(cpu: i32, left: u64, right: u64, repeat: i32): bool {
  store<u64>(cpu + CPU_scratch, left);
  store<u64>(cpu + CPU_scratch, right, 8);
  store<i32>(cpu + CPU_scratch, 1, 16);
  return (left == right) == (repeat == REPNE);
}

/** CMPS, repeated while equal (REPE) or different (REPNE); 1: done, 0: to be continued. Operands compared last are in CPU.scratch. */
export function cmps(cpu: i32, width: i32, source: i32, mask: u64, repeat: i32): i32 {
  const destination = destination_segment(cpu);
  store<i32>(cpu + CPU_scratch, 0, 16);
  for (let left = budget(cpu, repeat); left > 0; left--) {
    if (repeat && !(gpr(cpu, GPR_rcx) & mask)) return 1;
    const first = read_at(cpu, source, GPR_rsi, width, mask);
    const second = trapped(cpu) ? 0 : read_at(cpu, destination, GPR_rdi, width, mask);
    if (trapped(cpu)) return 0;
    advance(cpu, GPR_rsi, 1, width, mask);
    advance(cpu, GPR_rdi, 1, width, mask);
    commit(cpu, 1, mask, repeat);
    if (compared(cpu, first, second, repeat)) return 1;
  }
  return done(cpu, mask, repeat);
}

/** SCAS: as CMPS, of the accumulator and ES:rDI. */
export function scas(cpu: i32, width: i32, source: i32, mask: u64, repeat: i32): i32 {
  const destination = destination_segment(cpu);
  const accumulator = gpr(cpu, GPR_rax) & ((-1 as u64) >> (64 - (width << 3)));
  store<i32>(cpu + CPU_scratch, 0, 16);
  for (let left = budget(cpu, repeat); left > 0; left--) {
    if (repeat && !(gpr(cpu, GPR_rcx) & mask)) return 1;
    const value = read_at(cpu, destination, GPR_rdi, width, mask);
    if (trapped(cpu)) return 0;
    advance(cpu, GPR_rdi, 1, width, mask);
    commit(cpu, 1, mask, repeat);
    if (compared(cpu, accumulator, value, repeat)) return 1;
  }
  return done(cpu, mask, repeat);
}
