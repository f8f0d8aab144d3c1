// Checks of accesses through a segment. [SDM 3A 5.3, 5.5, 5.6]
import { CPU_linearMask, SEGMENTS_fs, SEGMENTS_ss, VECTOR_GP, VECTOR_SS } from "./layout.generated.ts";
import { BIG, CODE, EXPAND_DOWN, PRESENT, READABLE, WRITABLE } from "./descriptor.ts";
import { raise } from "./fault.ts";
import {
  has_paragraphs,
  is_canonical,
  is_code64,
  segment_attributes,
  segment_base,
  segment_limit,
} from "./registers.ts";

/** Raises #GP if an address is not canonical; the result is 0. */
export function check_canonical(cpu: i32, linear: u64): i32 {
  if (!is_canonical(cpu, linear)) raise(cpu, VECTOR_GP, 0);
  return 0;
}

/** Whether `width` bytes at an offset are outside a segment's limit. Nothing is outside of 4 GiB: there the offset wraps. */
export function outside_limit(attributes: i32, limit: u64, offset: u64, width: i32): bool {
  const last = offset + (width as u64) - 1;
  if ((attributes & (CODE | EXPAND_DOWN)) != EXPAND_DOWN) return limit != 0xffffffff && last > limit;
  return offset <= limit || last > (attributes & BIG ? (0xffffffff as u64) : 0xffff);
}

/** Whether the type of a segment forbids an access. */
function forbidden(attributes: i32, write: i32): bool {
  if (!(attributes & PRESENT)) return true;
  if (attributes & CODE) return write != 0 || !(attributes & READABLE);
  return write != 0 && !(attributes & WRITABLE);
}

/** Linear address of an offset in a segment, checked for an access of `width` bytes; look at CPU.trap afterwards. */
export function segment_check(cpu: i32, segment: i32, offset: u64, width: i32, write: i32): u64 {
  const vector = segment == SEGMENTS_ss ? VECTOR_SS : VECTOR_GP;
  const linear = (base_of(cpu, segment) + offset) & load<u64>(cpu + CPU_linearMask);
  if (is_code64(cpu)) {
    if (!is_canonical(cpu, linear)) raise(cpu, vector, 0);
    return linear;
  }
  const attributes = segment_attributes(cpu, segment);
  const failed = !has_paragraphs(cpu) && forbidden(attributes, write);
  if (failed || outside_limit(effective_type(cpu, attributes), segment_limit(cpu, segment), offset, width))
    raise(cpu, vector, 0);
  return linear;
}

/** The base that counts: in 64-bit mode only FS and GS have one. */
function base_of(cpu: i32, segment: i32): u64 {
  return is_code64(cpu) && segment < SEGMENTS_fs ? 0 : segment_base(cpu, segment);
}

/** In real-address and virtual-8086 mode a segment's type has no meaning. */
function effective_type(cpu: i32, attributes: i32): i32 {
  return has_paragraphs(cpu) ? 0 : attributes;
}
