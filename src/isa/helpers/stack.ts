// One stack at a time, on which a control transfer pushes or pops: the current one or that of another level.
// Nothing changes the registers; the transfer takes stack_pointer() when it commits.
import { CPU_stackMask, GPR_rsp, SEGMENTS_ss, VECTOR_SS } from "./layout.generated.ts";
import { attributes_of, base_of, BIG, limit_of } from "./descriptor.ts";
import { raise, trapped } from "./fault.ts";
import { probe, read_mem, refuse_misaligned, write_mem } from "./mmu.ts";
import { ACCESS_SUPERVISOR, ACCESS_USER, ACCESS_WRITE } from "./paging.ts";
import { cpl, gpr, is_canonical, is_code64, segment_attributes, segment_base, segment_limit } from "./registers.ts";
import { outside_limit } from "./segment-check.ts";

let base: u64 = 0;
let limit: u64 = 0;
let attributes: i32 = 0;
let mask: u64 = 0;
let pointer: u64 = 0;
let access: i32 = 0;
/** Error code of a stack fault. */
let code: i32 = 0;

/** The access of a privilege level. */
export function access_of(level: i32): i32 {
  return level == 3 ? ACCESS_USER : ACCESS_SUPERVISOR;
}

/** Works on the current stack. */
export function open_current_stack(cpu: i32): void {
  base = segment_base(cpu, SEGMENTS_ss);
  limit = segment_limit(cpu, SEGMENTS_ss);
  attributes = segment_attributes(cpu, SEGMENTS_ss);
  mask = load<u64>(cpu + CPU_stackMask);
  pointer = gpr(cpu, GPR_rsp) & mask;
  access = cpl(cpu) == 3 ? ACCESS_USER : 0;
  code = 0;
  if (is_code64(cpu)) base = 0;
}

/** Works on a flat 64-bit stack of a privilege level. */
export function open_long_stack(sp: u64, level: i32): void {
  base = 0;
  mask = -1;
  pointer = sp;
  access = access_of(level);
  code = 0;
}

/** Works on the stack of a segment that is not loaded yet. */
export function open_stack(selector: i32, descriptor: u64, sp: u64, level: i32): void {
  base = base_of(descriptor);
  limit = limit_of(descriptor) as u64;
  attributes = attributes_of(descriptor);
  mask = attributes & BIG ? 0xffffffff : 0xffff;
  pointer = sp & mask;
  access = access_of(level);
  code = selector & 0xfffc;
}

export function stack_pointer(): u64 {
  return pointer;
}

function at(offset: u64): u64 {
  return mask == -1 ? offset : (base + offset) & 0xffffffff;
}

/** Raises #SS if `width` bytes at an offset are not in the stack; true: trapped. */
function outside(cpu: i32, offset: u64, width: i32): bool {
  if (mask == -1) return is_canonical(cpu, offset) ? false : raise(cpu, VECTOR_SS, code);
  return outside_limit(attributes, limit, offset, width) ? raise(cpu, VECTOR_SS, code) : false;
}

/** Makes sure that `bytes` can be pushed; true: trapped. A stack that wraps around is checked by the pushes. */
export function reserve(cpu: i32, bytes: i32): bool {
  const lowest = (pointer - (bytes as u64)) & mask;
  if (lowest > pointer && mask != -1) return false;
  if (outside(cpu, lowest, bytes)) return true;
  return probe(cpu, at(lowest), bytes, access | ACCESS_WRITE);
}

/** Makes sure that the bytes that the pointer is at could be written; true: trapped. */
export function probe_top(cpu: i32, width: i32): bool {
  if (outside(cpu, pointer, width) || refuse_misaligned(cpu, at(pointer), width, access)) return true;
  return probe(cpu, at(pointer), width, access | ACCESS_WRITE);
}

/** Pushes `width` bytes; true: trapped. */
export function push(cpu: i32, value: u64, width: i32): bool {
  const top = (pointer - (width as u64)) & mask;
  if (outside(cpu, top, width)) return true;
  write_mem(cpu, at(top), width, value, access);
  pointer = top;
  return trapped(cpu);
}

/** Pops `width` bytes; look at CPU.trap after the last one. */
export function pop(cpu: i32, width: i32): u64 {
  if (trapped(cpu) || outside(cpu, pointer, width)) return 0;
  const value = read_mem(cpu, at(pointer), width, access);
  pointer = (pointer + (width as u64)) & mask;
  return value;
}

/** Moves the pointer over bytes that are not looked at. */
export function skip(bytes: i32): void {
  pointer = (pointer + (bytes as u64)) & mask;
}
