// FXSAVE, FXRSTOR and masked stores.
import {
  CPU_fcs, CPU_fcw, CPU_fdp, CPU_fds, CPU_fip, CPU_fop, CPU_fpr, CPU_fsw, CPU_ftw, CPU_linearMask, CPU_mxcsr, CPU_xmm, MXCSR_writable,
  SEGMENT_base, SEGMENT_check,
} from "../layout.generated.ts";
import { raise_gp, trapped } from "../fault.ts";
import { probe, read_mem, write_mem } from "../mmu.ts";
import { ACCESS_READ, ACCESS_WRITE } from "../paging.ts";
import { is_code64 } from "../registers.ts";
import { segment_check } from "../segment-check.ts";

const IMAGE_SIZE: i32 = 512;
const ST: i32 = 32;
const XMM: i32 = 160;

function top(fsw: i32): i32 {
  return (fsw >> 11) & 7;
}

/** XMM registers that the mode has. */
function xmm_count(cpu: i32): i32 {
  return is_code64(cpu) ? 16 : 8;
}

/** The image of 512 bytes at a linear address, with 64-bit pointers if `wide`. [SDM 1 10.5.1] */
export function fxsave(cpu: i32, linear: u64, wide: i32): void {
  if (probe(cpu, linear, IMAGE_SIZE, ACCESS_WRITE)) return;
  const fsw = load<i32>(cpu + CPU_fsw);
  write_mem(cpu, linear, 2, load<u16>(cpu + CPU_fcw) as u64, 0);
  write_mem(cpu, linear + 2, 2, (fsw & 0xffff) as u64, 0);
  write_mem(cpu, linear + 4, 2, load<u8>(cpu + CPU_ftw) as u64, 0);
  write_mem(cpu, linear + 6, 2, (load<u16>(cpu + CPU_fop) & 0x7ff) as u64, 0);
  save_pointer(cpu, linear + 8, load<u64>(cpu + CPU_fip), load<u16>(cpu + CPU_fcs), wide);
  save_pointer(cpu, linear + 16, load<u64>(cpu + CPU_fdp), load<u16>(cpu + CPU_fds), wide);
  write_mem(cpu, linear + 24, 4, load<u32>(cpu + CPU_mxcsr) as u64, 0);
  write_mem(cpu, linear + 28, 4, MXCSR_writable as u64, 0);
  for (let i = 0; i < 8; i++) {
    const from = cpu + CPU_fpr + 16 * ((top(fsw) + i) & 7);
    const to = linear + ((ST + 16 * i) as u64);
    write_mem(cpu, to, 8, load<u64>(from), 0);
    write_mem(cpu, to + 8, 8, load<u16>(from + 8) as u64, 0);
  }
  for (let i = 0; i < 2 * xmm_count(cpu); i++) write_mem(cpu, linear + ((XMM + 8 * i) as u64), 8, load<u64>(xmm_half(cpu, i)), 0);
}

/** Where the i-th quadword of the xmm registers is. */
function xmm_half(cpu: i32, i: i32): i32 {
  return cpu + CPU_xmm + 32 * (i >> 1) + 8 * (i & 1);
}

function save_pointer(cpu: i32, linear: u64, pointer: u64, selector: i32, wide: i32): void {
  write_mem(cpu, linear, 8, wide ? pointer : (pointer & 0xffffffff) | ((selector as u64) << 32), 0);
}

export function fxrstor(cpu: i32, linear: u64, wide: i32): void {
  if (probe(cpu, linear, IMAGE_SIZE, ACCESS_READ)) return;
  const mxcsr = read_mem(cpu, linear + 24, 4, ACCESS_READ) as i32;
  if (trapped(cpu)) return;
  if (mxcsr & ~MXCSR_writable) {
    raise_gp(cpu);
    return;
  }
  const fsw = read_mem(cpu, linear + 2, 2, ACCESS_READ) as i32;
  store<i32>(cpu + CPU_fcw, restored_control(read_mem(cpu, linear, 2, ACCESS_READ) as i32));
  store<i32>(cpu + CPU_fsw, fsw);
  store<i32>(cpu + CPU_ftw, read_mem(cpu, linear + 4, 1, ACCESS_READ) as i32);
  store<i32>(cpu + CPU_fop, (read_mem(cpu, linear + 6, 2, ACCESS_READ) as i32) & 0x7ff);
  restore_pointer(cpu, linear + 8, CPU_fip, CPU_fcs, wide);
  restore_pointer(cpu, linear + 16, CPU_fdp, CPU_fds, wide);
  store<i32>(cpu + CPU_mxcsr, mxcsr);
  for (let i = 0; i < 8; i++) {
    const to = cpu + CPU_fpr + 16 * ((top(fsw) + i) & 7);
    const from = linear + ((ST + 16 * i) as u64);
    store<u64>(to, read_mem(cpu, from, 8, ACCESS_READ));
    store<u64>(to + 8, read_mem(cpu, from + 8, 2, ACCESS_READ));
  }
  for (let i = 0; i < 2 * xmm_count(cpu); i++) {
    store<u64>(xmm_half(cpu, i), read_mem(cpu, linear + ((XMM + 8 * i) as u64), 8, ACCESS_READ));
  }
}

/** FCW as the processor keeps it: reserved bits 7 and 13-15 are 0, bit 6 is 1. */
function restored_control(fcw: i32): i32 {
  return (fcw & 0x1f7f) | 0x40;
}

function restore_pointer(cpu: i32, linear: u64, pointer: i32, selector: i32, wide: i32): void {
  const value = read_mem(cpu, linear, 8, ACCESS_READ);
  store<u64>(cpu + pointer, wide ? value : value & 0xffffffff);
  store<i32>(cpu + selector, wide ? 0 : ((value >> 32) as i32) & 0xffff);
}

/** Stores the bytes whose mask byte has its top bit set at an offset in a segment. [SDM 2B MASKMOVDQU] */
export function mask_move(cpu: i32, segment: i32, offset: u64, low: u64, high: u64, maskLow: u64, maskHigh: u64): void {
  for (let write = 0; write < 2; write++) {
    for (let i = 0; i < 16; i++) {
      const shift = ((i & 7) << 3) as u64;
      const mask = i < 8 ? maskLow : maskHigh;
      if (!((mask >> (shift + 7)) & 1)) continue;
      const linear = linear_of(cpu, segment, offset + (i as u64));
      if (trapped(cpu)) return;
      const byte = ((i < 8 ? low : high) >> shift) & 0xff;
      if (write) write_mem(cpu, linear, 1, byte, 0);
      else probe(cpu, linear, 1, ACCESS_WRITE);
      if (trapped(cpu)) return;
    }
  }
}

function linear_of(cpu: i32, segment: i32, offset: u64): u64 {
  if (load<i32>(cpu + segment + SEGMENT_check)) return segment_check(cpu, segment, offset, 1, 1);
  return (load<u64>(cpu + segment + SEGMENT_base) + offset) & load<u64>(cpu + CPU_linearMask);
}
