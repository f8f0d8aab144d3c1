// Segment and gate descriptors, as values and in their tables. [SDM 3A 3.4.5, 3.5]
import {
  CPU_gdtrBase,
  CPU_gdtrLimit,
  SEGMENTS_cs,
  SEGMENTS_ldtr,
  SEGMENT_attributes,
  SEGMENT_base,
  SEGMENT_limit,
} from "./layout.generated.ts";
import { raise_selector, trapped } from "./fault.ts";
import { read_mem, write_mem } from "./mmu.ts";
import { ACCESS_SUPERVISOR } from "./paging.ts";
import { is_long, segment_attributes, segment_base, segment_limit, set_selector, system_linear } from "./registers.ts";

/** Bits of a segment's attributes: the descriptor's second dword masked with ATTRIBUTES. */
export const ATTRIBUTES: i32 = 0x00f0ff00;
export const ACCESSED: i32 = 0x100;
export const WRITABLE: i32 = 0x200;
export const READABLE: i32 = 0x200;
export const EXPAND_DOWN: i32 = 0x400;
export const CONFORMING: i32 = 0x400;
export const CODE: i32 = 0x800;
/** Not a system segment. */
export const ORDINARY: i32 = 0x1000;
export const PRESENT: i32 = 0x8000;
export const LONG: i32 = 0x200000;
export const BIG: i32 = 0x400000;
const GRANULARITY: i32 = 0x800000;

/** System descriptor types. [SDM 3A 3.5, table 3-2] */
export const TYPE_TSS16: i32 = 1;
export const TYPE_LDT: i32 = 2;
export const TYPE_CALL_GATE16: i32 = 4;
export const TYPE_TASK_GATE: i32 = 5;
export const TYPE_INTERRUPT_GATE16: i32 = 6;
export const TYPE_TRAP_GATE16: i32 = 7;
export const TYPE_TSS: i32 = 9;
export const TYPE_CALL_GATE: i32 = 12;
export const TYPE_INTERRUPT_GATE: i32 = 14;
export const TYPE_TRAP_GATE: i32 = 15;
/** Bit of a TSS descriptor's type. */
export const TYPE_BUSY: i32 = 2;

export function attributes_of(descriptor: u64): i32 {
  return ((descriptor >> 32) as i32) & ATTRIBUTES;
}

export function base_of(descriptor: u64): u64 {
  return ((descriptor >> 16) & 0xffffff) | ((descriptor >> 32) & 0xff000000);
}

/** The limit in bytes. */
export function limit_of(descriptor: u64): u32 {
  const limit = ((descriptor & 0xffff) | ((descriptor >> 32) & 0xf0000)) as u32;
  return attributes_of(descriptor) & GRANULARITY ? (limit << 12) | 0xfff : limit;
}

export function dpl_of(attributes: i32): i32 {
  return (attributes >> 13) & 3;
}

/** The type of a system descriptor, or -1 for code and data. */
export function system_type(attributes: i32): i32 {
  return attributes & ORDINARY ? -1 : (attributes >> 8) & 15;
}

export function is_code(attributes: i32): bool {
  return (attributes & (ORDINARY | CODE)) == (ORDINARY | CODE);
}

export function is_writable_data(attributes: i32): bool {
  return (attributes & (ORDINARY | CODE | WRITABLE)) == (ORDINARY | WRITABLE);
}

export function is_null(selector: i32): bool {
  return (selector & 0xfffc) == 0;
}

let foundAt: u64 = 0;

/** Linear address of the descriptor that find_descriptor found last. */
export function found_at(): u64 {
  return foundAt;
}

/** Linear address of a selector's descriptor of `size` bytes, or -1 if it is outside its table. */
function descriptor_address(cpu: i32, selector: i32, size: i32): u64 {
  const last = ((selector & 0xfff8) + size - 1) as u64;
  const offset = (selector & 0xfff8) as u64;
  if (!(selector & 4)) {
    return last > (load<u32>(cpu + CPU_gdtrLimit) as u64) ? -1 : load<u64>(cpu + CPU_gdtrBase) + offset;
  }
  if (!(segment_attributes(cpu, SEGMENTS_ldtr) & PRESENT) || last > segment_limit(cpu, SEGMENTS_ldtr)) return -1;
  return segment_base(cpu, SEGMENTS_ldtr) + offset;
}

/** Reads 8 bytes of a system table; look at CPU.trap afterwards. */
export function read_table(cpu: i32, linear: u64): u64 {
  return read_mem(cpu, system_linear(cpu, linear), 8, ACCESS_SUPERVISOR);
}

/** The descriptor of a selector; outside its table it raises `vector` with the selector. Look at CPU.trap afterwards. */
export function find_descriptor(cpu: i32, selector: i32, vector: i32): u64 {
  foundAt = descriptor_address(cpu, selector, 8);
  if (foundAt == -1) {
    raise_selector(cpu, vector, selector);
    return 0;
  }
  return read_table(cpu, foundAt);
}

/** The same for instructions that only look: 0 (an invalid descriptor) outside the table. */
export function peek_descriptor(cpu: i32, selector: i32): u64 {
  foundAt = is_null(selector) ? -1 : descriptor_address(cpu, selector, 8);
  return foundAt == -1 ? 0 : read_table(cpu, foundAt);
}

/** The second half of the 16-byte descriptor found last. */
export function second_half(cpu: i32, selector: i32, vector: i32): u64 {
  if (descriptor_address(cpu, selector, 16) == -1) {
    raise_selector(cpu, vector, selector);
    return 0;
  }
  return read_table(cpu, foundAt + 8);
}

/** Changes type bits in a descriptor in memory; true: trapped. */
export function set_type_bits(cpu: i32, at: u64, clear: i32, set: i32): bool {
  const linear = system_linear(cpu, at + 5);
  const old = read_mem(cpu, linear, 1, ACCESS_SUPERVISOR) as i32;
  if (trapped(cpu)) return true;
  write_mem(cpu, linear, 1, ((old & ~clear) | set) as u64, ACCESS_SUPERVISOR);
  return trapped(cpu);
}

/** Sets the accessed bit of a code or data descriptor that has it clear; true: trapped. */
export function mark_accessed(cpu: i32, at: u64, descriptor: u64): bool {
  return attributes_of(descriptor) & ACCESSED ? false : set_type_bits(cpu, at, 0, ACCESSED >> 8);
}

/** Fills a segment register from a code, data or (low half of a) system descriptor; 64-bit code has no base. */
export function set_segment(cpu: i32, at: i32, selector: i32, descriptor: u64): void {
  const attributes = attributes_of(descriptor);
  set_selector(cpu, at, selector);
  const flat = at == SEGMENTS_cs && (attributes & LONG) != 0 && is_long(cpu);
  store<u64>(cpu + at + SEGMENT_base, flat ? 0 : base_of(descriptor));
  store<u32>(cpu + at + SEGMENT_limit, limit_of(descriptor));
  store<i32>(cpu + at + SEGMENT_attributes, attributes & ORDINARY ? attributes | ACCESSED : attributes);
}

/** Fills a segment register from a null selector; its DPL stays known, which for SS is the CPL. */
export function set_null_segment(cpu: i32, at: i32, selector: i32, dpl: i32): void {
  set_selector(cpu, at, selector);
  store<u64>(cpu + at + SEGMENT_base, 0);
  store<u32>(cpu + at + SEGMENT_limit, 0);
  store<i32>(cpu + at + SEGMENT_attributes, dpl << 13);
}

/** Fills a flat segment of 4 GiB. */
export function set_flat_segment(cpu: i32, at: i32, selector: i32, attributes: i32): void {
  set_selector(cpu, at, selector);
  store<u64>(cpu + at + SEGMENT_base, 0);
  store<u32>(cpu + at + SEGMENT_limit, 0xffffffff);
  store<i32>(cpu + at + SEGMENT_attributes, attributes | GRANULARITY);
}
