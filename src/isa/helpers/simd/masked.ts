// Accesses to the elements of a vector that a mask chooses, exempt from alignment checks, and VZEROALL and VZEROUPPER.
import {
  CPU_linearMask,
  CPU_scratch,
  CPU_xmm,
  GATHER_bytes,
  GATHER_countMask,
  GATHER_countShift,
  GATHER_indexShift,
  GATHER_scaleShift,
  SEGMENT_base,
  SEGMENT_check,
} from "../layout.generated.ts";
import { trapped } from "../fault.ts";
import { probe, read_mem, write_mem } from "../mmu.ts";
import { ACCESS_ANYWHERE, ACCESS_READ, ACCESS_WRITE } from "../paging.ts";
import { segment_check } from "../segment-check.ts";
import { vector_count } from "../xsave/legacy.ts";

/** Stores the bytes whose mask byte has its top bit set at an offset in a segment. [SDM 2B MASKMOVDQU] */
export function mask_move(cpu: i32, segment: i32, offset: u64, low: u64, high: u64, maskLow: u64, maskHigh: u64): void {
  for (let write = 0; write < 2; write++) {
    for (let i = 0; i < 16; i++) {
      const shift = ((i & 7) << 3) as u64;
      const mask = i < 8 ? maskLow : maskHigh;
      if (!((mask >> (shift + 7)) & 1)) continue;
      const linear = linear_of(cpu, segment, offset + (i as u64), 1, 1);
      if (trapped(cpu)) return;
      const byte = ((i < 8 ? low : high) >> shift) & 0xff;
      if (write) write_mem(cpu, linear, 1, byte, 0);
      else probe(cpu, linear, 1, ACCESS_WRITE);
      if (trapped(cpu)) return;
    }
  }
}

/** Linear address of an element; look at CPU.trap afterwards. */
function linear_of(cpu: i32, segment: i32, offset: u64, size: i32, write: i32): u64 {
  if (load<i32>(cpu + segment + SEGMENT_check)) return segment_check(cpu, segment, offset, size, write);
  return (load<u64>(cpu + segment + SEGMENT_base) + offset) & load<u64>(cpu + CPU_linearMask);
}

/** Whether the element at a byte of a mask (address) has its top bit set. */
function chosen(mask: i32, at: i32, size: i32): bool {
  return load<i8>(mask + at + size - 1) < 0;
}

function element(at: i32, size: i32): u64 {
  return size == 8 ? load<u64>(at) : (load<u32>(at) as u64);
}

function set_element(at: i32, size: i32, value: u64): void {
  if (size == 8) store<u64>(at, value);
  else store<u32>(at, value as u32);
}

/** Gathers the chosen elements in CPU.scratch, zeros elsewhere. `mask`: state offset; `shape`: bytes of an element, and of all from bit 8. [SDM 2C VMASKMOV] */
export function mask_load(cpu: i32, segment: i32, offset: u64, addresses: u64, mask: i32, shape: i32): void {
  const size = shape & 0xff;
  const bytes = shape >> 8;
  for (let at = 0; at < bytes; at += size) {
    let value: u64 = 0;
    if (chosen(cpu + mask, at, size)) {
      const linear = linear_of(cpu, segment, (offset + (at as u64)) & addresses, size, 0);
      if (trapped(cpu)) return;
      value = read_mem(cpu, linear, size, ACCESS_READ | ACCESS_ANYWHERE);
      if (trapped(cpu)) return;
    }
    set_element(cpu + CPU_scratch + at, size, value);
  }
}

/** Stores the chosen elements of the register at a state offset. */
export function mask_store(
  cpu: i32,
  segment: i32,
  offset: u64,
  addresses: u64,
  mask: i32,
  data: i32,
  shape: i32,
): void {
  const size = shape & 0xff;
  const bytes = shape >> 8;
  for (let write = 0; write < 2; write++) {
    for (let at = 0; at < bytes; at += size) {
      if (!chosen(cpu + mask, at, size)) continue;
      const linear = linear_of(cpu, segment, (offset + (at as u64)) & addresses, size, 1);
      if (trapped(cpu)) return;
      if (write) write_mem(cpu, linear, size, element(cpu + data + at, size), ACCESS_ANYWHERE);
      else probe(cpu, linear, size, ACCESS_WRITE | ACCESS_ANYWHERE);
      if (trapped(cpu)) return;
    }
  }
}

const VECTOR_BYTES: i32 = 32;
const ZERO: v128 = i64x2(0, 0);

/**
 * Reads the chosen elements, each at the offset plus its index times a power of two. What is read goes to the
 * destination, and what is done out of the mask, so that the instruction goes on where it was when it is entered again. The
 * rest of the mask stays until then, as on AMD's processors. [SDM 2C VGATHERDPS]
 */
export function gather_elements(
  cpu: i32,
  segment: i32,
  offset: u64,
  addresses: u64,
  to: i32,
  index: i32,
  mask: i32,
  shape: i32,
): void {
  const size = shape & GATHER_bytes;
  const indexSize = (shape >> GATHER_indexShift) & GATHER_bytes;
  const count = (shape >> GATHER_countShift) & GATHER_countMask;
  const scale = (shape >> GATHER_scaleShift) as u64;
  for (let i = 0; i < count; i++) {
    if (chosen(cpu + mask, i * size, size)) {
      const at = cpu + index + i * indexSize;
      const distance = indexSize == 8 ? load<i64>(at) : (load<i32>(at) as i64);
      const linear = linear_of(cpu, segment, (offset + ((distance as u64) << scale)) & addresses, size, 0);
      if (trapped(cpu)) return;
      const value = read_mem(cpu, linear, size, ACCESS_READ | ACCESS_ANYWHERE);
      if (trapped(cpu)) return;
      set_element(cpu + to + i * size, size, value);
    }
    set_element(cpu + mask + i * size, size, 0);
  }
  for (let at = count * size; at < VECTOR_BYTES; at += 8) store<u64>(cpu + to + at, 0);
  v128.store(cpu + mask, ZERO);
  v128.store(cpu + mask + 16, ZERO);
}

/** Clears the vector registers that the mode has from a byte on: 0 all, 16 the upper halves. [SDM 2C VZEROALL, VZEROUPPER] */
export function clear_vectors(cpu: i32, from: i32): void {
  const end = cpu + CPU_xmm + VECTOR_BYTES * vector_count(cpu);
  for (let at = cpu + CPU_xmm; at < end; at += VECTOR_BYTES) {
    v128.store(at + 16, ZERO);
    if (from == 0) v128.store(at, ZERO);
  }
}
