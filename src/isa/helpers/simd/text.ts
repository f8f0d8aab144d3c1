// PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM and PCLMULQDQ.
import { CPU_scratch } from "../layout.generated.ts";

// Offsets of the operands in CPU.scratch.
const FIRST: i32 = 32;
const SECOND: i32 = 48;

/** Explicit lengths: bit 8 beside the immediate. */
const EXPLICIT: i32 = 0x100;
const ALL: i32 = 0xffff;

/** An element of `size` bytes, extended as the immediate says. */
function element(at: i32, control: i32, i: i32): i32 {
  if (control & 1) return control & 2 ? (load<i16>(at + 2 * i) as i32) : (load<u16>(at + 2 * i) as i32);
  return control & 2 ? (load<i8>(at + i) as i32) : (load<u8>(at + i) as i32);
}

/** Number of valid elements: |given| cut to the vector, or those before the first 0. */
function length_of(at: i32, control: i32, given: i64): i32 {
  const limit = control & 1 ? 8 : 16;
  if (control & EXPLICIT) {
    const size = (given < 0 ? 0 - given : given) as u64;
    return size < (limit as u64) ? (size as i32) : limit;
  }
  let n = 0;
  while (n < limit && element(at, control, n)) n++;
  return n;
}

/** Whether the element is one of the first operand's. */
function in_set(x: i32, count: i32, control: i32, value: i32): bool {
  for (let i = 0; i < count; i++) if (element(x, control, i) == value) return true;
  return false;
}

/** Whether the element is in one of the ranges that the first operand gives by pairs. */
function in_range(x: i32, count: i32, control: i32, value: i32): bool {
  for (let i = 0; i + 1 < count; i += 2) {
    if (element(x, control, i) <= value && value <= element(x, control, i + 1)) return true;
  }
  return false;
}

/** Whether the first operand stands in the second at element j. */
function stands_at(x: i32, xCount: i32, y: i32, yCount: i32, control: i32, j: i32): bool {
  const limit = control & 1 ? 8 : 16;
  for (let i = 0; i < xCount && i + j < limit; i++) {
    if (i + j >= yCount || element(x, control, i) != element(y, control, i + j)) return false;
  }
  return true;
}

/** Equal each: two elements past the ends are equal, one is not. */
function equal_each(x: i32, xCount: i32, y: i32, yCount: i32, control: i32, j: i32): bool {
  if (j >= xCount || j >= yCount) return j >= xCount && j >= yCount;
  return element(x, control, j) == element(y, control, j);
}

function bit_of(x: i32, xCount: i32, y: i32, yCount: i32, control: i32, j: i32): bool {
  const operation = (control >> 2) & 3;
  if (operation == 3) return stands_at(x, xCount, y, yCount, control, j);
  if (operation == 2) return equal_each(x, xCount, y, yCount, control, j);
  if (j >= yCount) return false;
  const value = element(y, control, j);
  return operation == 0 ? in_set(x, xCount, control, value) : in_range(x, xCount, control, value);
}

/** The polarity: bit 4 inverts, bit 5 only within the second operand. */
function polarity(bits: i32, yCount: i32, control: i32): i32 {
  const limit = control & 1 ? 0xff : ALL;
  if (!(control & 0x10)) return bits;
  return (control & 0x20 ? bits ^ ((1 << yCount) - 1) : ~bits) & limit;
}

/** IntRes2 in bits 0-15, the index in bits 16-23, EFLAGS from bit 32. [SDM 2B 4.1] */
export function compare_strings(
  cpu: i32,
  control: i32,
  xLow: u64,
  xHigh: u64,
  yLow: u64,
  yHigh: u64,
  xGiven: i64,
  yGiven: i64,
): u64 {
  const x = cpu + CPU_scratch + FIRST;
  const y = cpu + CPU_scratch + SECOND;
  store<u64>(x, xLow);
  store<u64>(x + 8, xHigh);
  store<u64>(y, yLow);
  store<u64>(y + 8, yHigh);
  const limit = control & 1 ? 8 : 16;
  const xCount = length_of(x, control, xGiven);
  const yCount = length_of(y, control, yGiven);
  let bits = 0;
  for (let j = 0; j < limit; j++) if (bit_of(x, xCount, y, yCount, control, j)) bits |= 1 << j;
  bits = polarity(bits, yCount, control);
  const first = bits ? (control & 0x40 ? 31 - clz(bits) : ctz(bits)) : limit;
  const flags = (bits ? 1 : 0) | (yCount < limit ? 0x40 : 0) | (xCount < limit ? 0x80 : 0) | (bits & 1 ? 0x800 : 0);
  return (bits as u64) | ((first as u64) << 16) | ((flags as u64) << 32);
}

/** The low half of the product without carries; the high half is in CPU.scratch. */
export function carryless_multiply(cpu: i32, a: u64, b: u64): u64 {
  let low: u64 = 0;
  let high: u64 = 0;
  for (let i: u64 = 0; i < 64; i++) {
    const mask: u64 = 0 - ((b >> i) & 1);
    low ^= (a << i) & mask;
    high ^= ((a >> 1) >> (63 - i)) & mask;
  }
  store<u64>(cpu + CPU_scratch, high);
  return low;
}
