// Port input and output. [SDM 1 19]
import {
  CPU_budget,
  CPU_exitData,
  CPU_mode,
  CPU_replayCount,
  CPU_replayCursor,
  EXIT_ioIn,
  EXIT_ioOut,
  GPR_rcx,
  GPR_rdi,
  GPR_rdx,
  GPR_rsi,
  EFLAGS_DF,
  MODE_single,
  SEGMENTS_es,
  SEGMENTS_tr,
} from "./layout.generated.ts";
import { note_port, pause_repetition } from "./debug.ts";
import { raise_gp, trapped } from "./fault.ts";
import { io_in as ask_in, io_out as ask_out } from "./env.ts";
import { probe, read_mem, write_mem } from "./mmu.ts";
import { ACCESS_READ, ACCESS_SUPERVISOR, ACCESS_WRITE } from "./paging.ts";
import {
  cpl,
  eflags,
  gpr,
  iopl,
  system_linear,
  is_protected,
  is_v86,
  segment_base,
  segment_limit,
  set_gpr,
} from "./registers.ts";
import { exit_for, replay_find } from "./replay.ts";
import { segment_check } from "./segment-check.ts";
import { has_wide_tss } from "./tss.ts";

/** Iterations of REP INS and REP OUTS before other events are looked at. */
const ITERATIONS: i32 = 1024;

/** Raises #GP if the I/O permission bit map forbids `size` ports; true: trapped. [SDM 1 19.5.2] */
function refuse_io(cpu: i32, port: i32, size: i32): bool {
  if (!is_protected(cpu) || (!is_v86(cpu) && cpl(cpu) <= iopl(cpu))) return false;
  const limit = segment_limit(cpu, SEGMENTS_tr);
  if (!has_wide_tss(cpu) || limit < 103) return raise_gp(cpu);
  const map = read_tss(cpu, 102);
  const offset = map + ((port >> 3) as u64);
  if (trapped(cpu)) return true;
  if (offset + 1 > limit) return raise_gp(cpu);
  const bits = (read_tss(cpu, offset) as i32) >> (port & 7);
  if (trapped(cpu)) return true;
  return bits & ((1 << size) - 1) ? raise_gp(cpu) : false;
}

function read_tss(cpu: i32, offset: u64): u64 {
  const linear = segment_base(cpu, SEGMENTS_tr) + offset;
  return read_mem(cpu, system_linear(cpu, linear), 2, ACCESS_SUPERVISOR);
}

/** IN: the value of 1, 2 or 4 bytes; look at CPU.trap afterwards. */
export function io_in(cpu: i32, port: i32, size: i32): i32 {
  if (refuse_io(cpu, port, size)) return 0;
  note_port(cpu, port, size);
  if (!replay_find(cpu, EXIT_ioIn, port as u64, size) && ask_in(cpu, port, size)) {
    exit_for(cpu, EXIT_ioIn, port as u64, size);
    return 0;
  }
  const value = load<i32>(cpu + CPU_exitData);
  return size == 4 ? value : value & ((1 << (8 * size)) - 1);
}

/** OUT of 1, 2 or 4 bytes. */
export function io_out(cpu: i32, port: i32, size: i32, value: i32): void {
  if (refuse_io(cpu, port, size)) return;
  note_port(cpu, port, size);
  if (replay_find(cpu, EXIT_ioOut, port as u64, size) || !ask_out(cpu, port, size, value)) return;
  store<u64>(cpu + CPU_exitData, value as u32 as u64);
  exit_for(cpu, EXIT_ioOut, port as u64, size);
}

/** Writes the bits of an index register or counter that the address size covers. */
function set_masked(cpu: i32, register: i32, value: u64, mask: u64): void {
  const keep = mask == 0xffff ? ~mask : 0;
  set_gpr(cpu, register, (value & mask) | (gpr(cpu, register) & keep));
}

/** Moves an index register by one element. */
function advance(cpu: i32, register: i32, size: i32, mask: u64): void {
  const step = (eflags(cpu) & EFLAGS_DF ? -size : size) as i64;
  set_masked(cpu, register, gpr(cpu, register) + (step as u64), mask);
  // what this element replayed is spent: the next one has the same port
  store<i32>(cpu + CPU_replayCount, 0);
  store<i32>(cpu + CPU_replayCursor, 0);
}

function port_of(cpu: i32): i32 {
  return (gpr(cpu, GPR_rdx) as i32) & 0xffff;
}

/** One element of INS to ES:rDI; true: trapped. */
function ins_once(cpu: i32, size: i32, mask: u64): bool {
  const linear = segment_check(cpu, SEGMENTS_es, gpr(cpu, GPR_rdi) & mask, size, 1);
  if (trapped(cpu) || probe(cpu, linear, size, ACCESS_WRITE)) return true;
  const value = io_in(cpu, port_of(cpu), size);
  if (trapped(cpu)) return true;
  write_mem(cpu, linear, size, value as u32 as u64, ACCESS_WRITE);
  if (trapped(cpu)) return true;
  advance(cpu, GPR_rdi, size, mask);
  return false;
}

/** One element of OUTS from rSI in a segment; true: trapped. */
function outs_once(cpu: i32, segment: i32, size: i32, mask: u64): bool {
  const linear = segment_check(cpu, segment, gpr(cpu, GPR_rsi) & mask, size, 0);
  if (trapped(cpu)) return true;
  const value = read_mem(cpu, linear, size, ACCESS_READ) as i32;
  if (trapped(cpu)) return true;
  io_out(cpu, port_of(cpu), size, value);
  if (trapped(cpu)) return true;
  advance(cpu, GPR_rsi, size, mask);
  return false;
}

/** Counts one iteration; 1: it was the last. */
function count_down(cpu: i32, mask: u64): i32 {
  const left = (gpr(cpu, GPR_rcx) - 1) & mask;
  set_masked(cpu, GPR_rcx, left, mask);
  return left ? 0 : 1;
}

/** Iterations that one call may do; one under single-stepping. */
function iterations(cpu: i32): i32 {
  return load<i32>(cpu + CPU_mode) & MODE_single ? 1 : ITERATIONS;
}

/** INS, with `repeat` REP; the port is checked before memory, even for a count of 0: 1 when done, 0 to enter the instruction again. */
export function ins(cpu: i32, size: i32, mask: u64, repeat: i32): i32 {
  if (refuse_io(cpu, port_of(cpu), size)) return 0;
  if (!repeat) return ins_once(cpu, size, mask) ? 0 : 1;
  if (!(gpr(cpu, GPR_rcx) & mask)) return 1;
  for (let n = 0; n < iterations(cpu) && load<i32>(cpu + CPU_budget) >= 0; n++) {
    if (ins_once(cpu, size, mask)) return 0;
    if (count_down(cpu, mask)) return 1;
  }
  pause_repetition(cpu);
  return 0;
}

/** OUTS from a segment (its state offset), likewise. */
export function outs(cpu: i32, segment: i32, size: i32, mask: u64, repeat: i32): i32 {
  if (refuse_io(cpu, port_of(cpu), size)) return 0;
  if (!repeat) return outs_once(cpu, segment, size, mask) ? 0 : 1;
  if (!(gpr(cpu, GPR_rcx) & mask)) return 1;
  for (let n = 0; n < iterations(cpu) && load<i32>(cpu + CPU_budget) >= 0; n++) {
    if (outs_once(cpu, segment, size, mask)) return 0;
    if (count_down(cpu, mask)) return 1;
  }
  pause_repetition(cpu);
  return 0;
}
