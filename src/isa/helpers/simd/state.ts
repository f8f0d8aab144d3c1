// FXSAVE, FXRSTOR and masked stores.
import {
  CPU_fcs,
  CPU_fcw,
  CPU_fdp,
  CPU_fds,
  CPU_fip,
  CPU_fop,
  CPU_fpr,
  CPU_fsw,
  CPU_ftw,
  CPU_linearMask,
  CPU_mxcsr,
  CPU_scratch,
  CPU_xmm,
  MXCSR_writable,
  SEGMENT_base,
  SEGMENT_check,
} from "../layout.generated.ts";
import { is_watching } from "../debug.ts";
import { raise_gp, trapped } from "../fault.ts";
import { probe, read_mem, translate, write_mem } from "../mmu.ts";
import { ACCESS_READ, ACCESS_WRITE } from "../paging.ts";
import { plainly_writable } from "../physical.ts";
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

/** Bytes of the image that the mode reads and writes. */
function image_length(cpu: i32): i32 {
  return XMM + 16 * xmm_count(cpu);
}

/** The whole range is in one page of memory: its host address, else 0. */
function plain_image(cpu: i32, linear: u64, access: i32): i32 {
  if ((linear & 0xfff) + (IMAGE_SIZE as u64) > 0x1000 || is_watching(cpu)) return 0;
  const host = translate(cpu, linear, access);
  return host && (!(access & ACCESS_WRITE) || plainly_writable(cpu, host)) ? host : 0;
}

/** The image of 512 bytes at a linear address, with 64-bit pointers if `wide`. [SDM 1 10.5.1] */
export function fxsave(cpu: i32, linear: u64, wide: i32): void {
  if (probe(cpu, linear, IMAGE_SIZE, ACCESS_WRITE)) return;
  const image = cpu + CPU_scratch + IMAGE_SIZE;
  fill_image(cpu, image, wide);
  const length = image_length(cpu);
  const host = plain_image(cpu, linear, ACCESS_WRITE);
  if (host) {
    memory.copy(host, image, length);
    return;
  }
  for (let i = 0; i < length; i += 8) {
    write_mem(cpu, linear + (i as u64), 8, load<u64>(image + i), ACCESS_WRITE);
    if (trapped(cpu)) return;
  }
}

function fill_image(cpu: i32, image: i32, wide: i32): void {
  const fsw = load<i32>(cpu + CPU_fsw);
  store<u16>(image, load<u16>(cpu + CPU_fcw));
  store<u16>(image + 2, fsw as u16);
  store<u16>(image + 4, load<u8>(cpu + CPU_ftw) as u16);
  store<u16>(image + 6, load<u16>(cpu + CPU_fop) & 0x7ff);
  store<u64>(image + 8, load<u64>(cpu + CPU_fip));
  store<u64>(image + 16, load<u64>(cpu + CPU_fdp));
  if (!wide) store<u32>(image + 12, load<u16>(cpu + CPU_fcs) as u32);
  if (!wide) store<u32>(image + 20, load<u16>(cpu + CPU_fds) as u32);
  store<u32>(image + 24, load<u32>(cpu + CPU_mxcsr));
  store<u32>(image + 28, MXCSR_writable);
  for (let i = 0; i < 8; i++) {
    const from = cpu + CPU_fpr + 16 * ((top(fsw) + i) & 7);
    store<u64>(image + ST + 16 * i, load<u64>(from));
    store<u64>(image + ST + 16 * i + 8, load<u16>(from + 8) as u64);
  }
  for (let i = 0; i < 16; i++) memory.copy(image + XMM + 16 * i, cpu + CPU_xmm + 32 * i, 16);
}

export function fxrstor(cpu: i32, linear: u64, wide: i32): void {
  if (probe(cpu, linear, IMAGE_SIZE, ACCESS_READ)) return;
  const image = cpu + CPU_scratch + IMAGE_SIZE;
  const length = image_length(cpu);
  const host = plain_image(cpu, linear, ACCESS_READ);
  if (host) memory.copy(image, host, length);
  else {
    for (let i = 0; i < length; i += 8) {
      store<u64>(image + i, read_mem(cpu, linear + (i as u64), 8, ACCESS_READ));
      if (trapped(cpu)) return;
    }
  }
  if (load<i32>(image + 24) & ~MXCSR_writable) {
    raise_gp(cpu);
    return;
  }
  take_image(cpu, image, wide);
}

function take_image(cpu: i32, image: i32, wide: i32): void {
  const fcw = restored_control(load<u16>(image) as i32);
  const fsw = restored_status(load<u16>(image + 2) as i32, fcw);
  store<i32>(cpu + CPU_fcw, fcw);
  store<i32>(cpu + CPU_fsw, fsw);
  store<i32>(cpu + CPU_ftw, load<u8>(image + 4) as i32);
  store<i32>(cpu + CPU_fop, (load<u16>(image + 6) & 0x7ff) as i32);
  store<u64>(cpu + CPU_fip, canonical(wide ? load<u64>(image + 8) : (load<u32>(image + 8) as u64)));
  store<u64>(cpu + CPU_fdp, wide ? load<u64>(image + 16) : (load<u32>(image + 16) as u64));
  store<i32>(cpu + CPU_fcs, wide ? 0 : (load<u16>(image + 12) as i32));
  store<i32>(cpu + CPU_fds, wide ? 0 : (load<u16>(image + 20) as i32));
  store<i32>(cpu + CPU_mxcsr, load<i32>(image + 24));
  for (let i = 0; i < 8; i++) {
    const to = cpu + CPU_fpr + 16 * ((top(fsw) + i) & 7);
    store<u64>(to, load<u64>(image + ST + 16 * i));
    store<u64>(to + 8, load<u16>(image + ST + 16 * i + 8) as u64);
  }
  for (let i = 0; i < xmm_count(cpu); i++) memory.copy(cpu + CPU_xmm + 32 * i, image + XMM + 16 * i, 16);
}

/** FCW as the processor keeps it: reserved bits 7 and 13-15 are 0, bit 6 is 1. */
function restored_control(fcw: i32): i32 {
  return (fcw & 0x1f7f) | 0x40;
}

/** FSW with the summary of exceptions that are not masked: ES and B. */
function restored_status(fsw: i32, fcw: i32): i32 {
  return (fsw & 0x7f7f) | (fsw & ~fcw & 0x3f ? 0x8080 : 0);
}

/** FIP is kept as a linear address: 48 bits, sign-extended. */
function canonical(pointer: u64): u64 {
  return (((pointer << 16) as i64) >> 16) as u64;
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
