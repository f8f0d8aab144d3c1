// The state save area of system management mode: an image of it in CPU.scratch, in the processor's format. [SDM 3C 31.4.1; AMD APM 2 10.2.3]
import {
  CPU_scratch,
  CPU_smbase,
  FEATURE_lm,
  SAVE32_DS,
  SAVE32_EAX,
  SAVE32_ES,
  SAVE32_LDTR,
  SAVE32_SEGMENT_ATTRIBUTES,
  SAVE32_SEGMENT_BASE,
  SAVE32_SEGMENT_BYTES,
  SAVE32_SEGMENT_LIMIT,
  SAVE32_SELECTORS,
  SAVE32_TR,
  SAVE64_ES,
  SAVE64_LDTR,
  SAVE64_R15,
  SAVE64_SEGMENT_ATTRIBUTES,
  SAVE64_SEGMENT_BASE,
  SAVE64_SEGMENT_BYTES,
  SAVE64_SEGMENT_LIMIT,
  SAVE64_SEGMENT_SELECTOR,
  SAVE64_TR,
  SEGMENTS_es,
  SEGMENTS_ldtr,
  SEGMENTS_tr,
  SEGMENT_SIZE,
  SEGMENT_attributes,
  SEGMENT_base,
  SEGMENT_limit,
  SMM_ENTRY,
  SMM_SAVE_BYTES,
  SMM_SAVE_FIRST,
} from "./layout.generated.ts";
import { ATTRIBUTES } from "./descriptor.ts";
import { after_write, found_read_only, phys_to_host } from "./physical.ts";
import {
  gpr,
  has_feature,
  segment_attributes,
  segment_base,
  segment_selector,
  set_gpr,
  set_selector,
} from "./registers.ts";

/** Behind what CPUID uses of CPU.scratch. */
const IMAGE: i32 = CPU_scratch + 512;

/** Whether the processor has long mode, which decides the format. */
export function is_wide(cpu: i32): bool {
  return has_feature(cpu, FEATURE_lm);
}

/** Address of a field of the image by its offset in the manual. */
export function image_at(cpu: i32, offset: i32): i32 {
  return cpu + IMAGE + offset - SMM_SAVE_FIRST;
}

export function clear_image(cpu: i32): void {
  memory.fill(cpu + IMAGE, 0, SMM_SAVE_BYTES);
}

/** A field as wide as the format's registers, by its offset in either format. */
export function saved(cpu: i32, wide: i32, narrow: i32): u64 {
  return is_wide(cpu) ? load<u64>(image_at(cpu, wide)) : (load<u32>(image_at(cpu, narrow)) as u64);
}

export function save(cpu: i32, wide: i32, narrow: i32, value: u64): void {
  if (is_wide(cpu)) store<u64>(image_at(cpu, wide), value);
  else store<u32>(image_at(cpu, narrow), value as u32);
}

// General registers

export function save_general(cpu: i32): void {
  for (let n = 0; n < (is_wide(cpu) ? 16 : 8); n++) {
    save(cpu, SAVE64_R15 + 8 * (15 - n), SAVE32_EAX + 4 * n, gpr(cpu, n));
  }
}

export function load_general(cpu: i32): void {
  for (let n = 0; n < (is_wide(cpu) ? 16 : 8); n++) {
    set_gpr(cpu, n, saved(cpu, SAVE64_R15 + 8 * (15 - n), SAVE32_EAX + 4 * n));
  }
}

// Segment registers, in the order of their records

/** Offset of a segment in the wide format. */
function wide_segment(at: i32): i32 {
  if (at == SEGMENTS_ldtr) return SAVE64_LDTR;
  if (at == SEGMENTS_tr) return SAVE64_TR;
  return SAVE64_ES + ((at - SEGMENTS_es) / SEGMENT_SIZE) * SAVE64_SEGMENT_BYTES;
}

/** Offset of a segment in the narrow format. */
function narrow_segment(at: i32): i32 {
  const n = (at - SEGMENTS_es) / SEGMENT_SIZE;
  if (at == SEGMENTS_ldtr) return SAVE32_LDTR;
  if (at == SEGMENTS_tr) return SAVE32_TR;
  return n < 3 ? SAVE32_ES + n * SAVE32_SEGMENT_BYTES : SAVE32_DS + (n - 3) * SAVE32_SEGMENT_BYTES;
}

function narrow_selector(at: i32): i32 {
  return SAVE32_SELECTORS + 4 * ((at - SEGMENTS_es) / SEGMENT_SIZE);
}

function save_segment(cpu: i32, at: i32): void {
  const limit = load<u32>(cpu + at + SEGMENT_limit);
  if (is_wide(cpu)) {
    const to = image_at(cpu, wide_segment(at));
    store<u16>(to + SAVE64_SEGMENT_SELECTOR, segment_selector(cpu, at) as u16);
    store<u16>(to + SAVE64_SEGMENT_ATTRIBUTES, (segment_attributes(cpu, at) >> 8) as u16);
    store<u32>(to + SAVE64_SEGMENT_LIMIT, limit);
    store<u64>(to + SAVE64_SEGMENT_BASE, segment_base(cpu, at));
    return;
  }
  const to = image_at(cpu, narrow_segment(at));
  store<i32>(image_at(cpu, narrow_selector(at)), segment_selector(cpu, at));
  store<i32>(to + SAVE32_SEGMENT_ATTRIBUTES, segment_attributes(cpu, at));
  store<u32>(to + SAVE32_SEGMENT_LIMIT, limit);
  store<u32>(to + SAVE32_SEGMENT_BASE, segment_base(cpu, at) as u32);
}

/** The attributes of a saved segment. */
export function saved_attributes(cpu: i32, at: i32): i32 {
  const raw = is_wide(cpu)
    ? (load<u16>(image_at(cpu, wide_segment(at)) + SAVE64_SEGMENT_ATTRIBUTES) as i32) << 8
    : load<i32>(image_at(cpu, narrow_segment(at)) + SAVE32_SEGMENT_ATTRIBUTES);
  return raw & ATTRIBUTES;
}

function load_segment(cpu: i32, at: i32): void {
  const wide = is_wide(cpu);
  const from = image_at(cpu, wide ? wide_segment(at) : narrow_segment(at));
  set_selector(cpu, at, load<u16>(wide ? from + SAVE64_SEGMENT_SELECTOR : image_at(cpu, narrow_selector(at))) as i32);
  store<i32>(cpu + at + SEGMENT_attributes, saved_attributes(cpu, at));
  store<u32>(cpu + at + SEGMENT_limit, load<u32>(from + (wide ? SAVE64_SEGMENT_LIMIT : SAVE32_SEGMENT_LIMIT)));
  const base = wide ? load<u64>(from + SAVE64_SEGMENT_BASE) : (load<u32>(from + SAVE32_SEGMENT_BASE) as u64);
  store<u64>(cpu + at + SEGMENT_base, base);
}

export function save_segments(cpu: i32): void {
  for (let at = SEGMENTS_es; at <= SEGMENTS_tr; at += SEGMENT_SIZE) save_segment(cpu, at);
}

export function load_segments(cpu: i32): void {
  for (let at = SEGMENTS_es; at <= SEGMENTS_tr; at += SEGMENT_SIZE) load_segment(cpu, at);
}

// Descriptor tables: base and limit of a segment

export function save_table(cpu: i32, wide: i32, narrow: i32, base: u64, limit: u32): void {
  save(cpu, wide + SAVE64_SEGMENT_BASE, narrow + SAVE32_SEGMENT_BASE, base);
  const to = is_wide(cpu) ? wide + SAVE64_SEGMENT_LIMIT : narrow + SAVE32_SEGMENT_LIMIT;
  store<u32>(image_at(cpu, to), limit);
}

export function load_table_register(cpu: i32, wide: i32, narrow: i32, base: i32, limit: i32): void {
  store<u64>(cpu + base, saved(cpu, wide + SAVE64_SEGMENT_BASE, narrow + SAVE32_SEGMENT_BASE));
  const from = is_wide(cpu) ? wide + SAVE64_SEGMENT_LIMIT : narrow + SAVE32_SEGMENT_LIMIT;
  store<u32>(cpu + limit, load<u32>(image_at(cpu, from)) & 0xffff);
}

// Memory. SMBASE need not be aligned: the area may be on two pages

function area(cpu: i32): u64 {
  return load<u64>(cpu + CPU_smbase) + ((SMM_ENTRY + SMM_SAVE_FIRST) as u64);
}

/** Bytes of the area on its first page. */
function first_part(cpu: i32): i32 {
  return min<i32>(SMM_SAVE_BYTES, 0x1000 - ((area(cpu) as i32) & 0xfff));
}

/** Host address of a part of the area, or 0 where no memory is that can be accessed so. */
function find_part(cpu: i32, from: i32, write: bool): i32 {
  const host = phys_to_host(cpu, area(cpu) + (from as u64));
  return write && host && found_read_only() ? 0 : host;
}

/** Copies one part of the image to the area or back; false: there is no memory. */
function copy_part(cpu: i32, from: i32, bytes: i32, write: bool): bool {
  if (!bytes) return true;
  const host = find_part(cpu, from, write);
  if (!host) return false;
  const image = cpu + IMAGE + from;
  memory.copy(write ? host : image, write ? image : host, bytes);
  if (write) after_write(cpu, host);
  return true;
}

function copy(cpu: i32, write: bool): bool {
  const first = first_part(cpu);
  return copy_part(cpu, 0, first, write) && copy_part(cpu, first, SMM_SAVE_BYTES - first, write);
}

/** Writes the image to the save area; false: it is not in memory that can be written. */
export function image_to_memory(cpu: i32): bool {
  return copy(cpu, true);
}

/** Reads the image from the save area; false: it is not in memory. */
export function memory_to_image(cpu: i32): bool {
  return copy(cpu, false);
}
