// Control words, and the images of the environment and of the whole state in memory. [SDM 1 8.1.10]
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
  CPU_scratch,
  FCW_fixed,
  FCW_initial,
  FCW_masks,
  FCW_writable,
} from "../layout.generated.ts";
import { trapped } from "../fault.ts";
import { probe, read_mem, refuse_misaligned, write_mem } from "../mmu.ts";
import { ACCESS_ANYWHERE, ACCESS_READ, ACCESS_WRITE } from "../paging.ts";
import { has_paragraphs } from "../registers.ts";
import { update_summary } from "./exceptions.ts";
import { physical } from "./stack.ts";
import { EXPONENT, is_normal } from "./value.ts";

const REGISTER_BYTES: i32 = 10;
const ALL_REGISTERS: i32 = 8 * REGISTER_BYTES;

/** FLDCW */
export function x87_set_control(cpu: i32, value: i32): void {
  store<i32>(cpu + CPU_fcw, (value & FCW_writable) | FCW_fixed);
  update_summary(cpu);
}

/** FNINIT: the registers keep their bits but are empty. */
export function x87_initialize(cpu: i32): void {
  store<i32>(cpu + CPU_fcw, FCW_initial);
  store<i32>(cpu + CPU_fsw, 0);
  store<i32>(cpu + CPU_ftw, 0);
  store<i32>(cpu + CPU_fop, 0);
  store<u64>(cpu + CPU_fip, 0);
  store<u64>(cpu + CPU_fdp, 0);
  store<i32>(cpu + CPU_fcs, 0);
  store<i32>(cpu + CPU_fds, 0);
}

// Images are assembled in CPU.scratch: fields of `size` bytes, the upper half of 32-bit ones all ones or a value.

function image(cpu: i32): i32 {
  return cpu + CPU_scratch;
}

function put(cpu: i32, field: i32, size: i32, value: i32): void {
  if (size == 4) store<i32>(image(cpu) + (field << 2), value);
  else store<u16>(image(cpu) + (field << 1), value);
}

function take(cpu: i32, field: i32, size: i32): i32 {
  return size == 4 ? load<i32>(image(cpu) + (field << 2)) : (load<u16>(image(cpu) + (field << 1)) as i32);
}

/** Bytes of the environment with fields of `size` bytes. */
function environment_bytes(size: i32): i32 {
  return 7 * size;
}

/** Reads `bytes` of an image that is aligned to its fields' size; true: trapped. */
function read_image(cpu: i32, linear: u64, bytes: i32, size: i32): bool {
  if (refuse_misaligned(cpu, linear, size, ACCESS_READ)) return true;
  for (let at = 0; at < bytes; ) {
    const width = bytes - at >= 4 ? 4 : 2;
    const value = read_mem(cpu, (linear + (at as u64)) & load<u64>(cpu + CPU_linearMask), width, ACCESS_ANYWHERE);
    if (trapped(cpu)) return true;
    store<u32>(image(cpu) + at, value as u32);
    at += width;
  }
  return false;
}

/** Writes `bytes` of an image, all or none of them, aligned to its fields' size; true: trapped. */
function write_image(cpu: i32, linear: u64, bytes: i32, size: i32): bool {
  if (refuse_misaligned(cpu, linear, size, ACCESS_WRITE) || probe(cpu, linear, bytes, ACCESS_WRITE)) return true;
  for (let at = 0; at < bytes; ) {
    const width = bytes - at >= 4 ? 4 : 2;
    const value = load<u32>(image(cpu) + at) as u64;
    write_mem(cpu, (linear + (at as u64)) & load<u64>(cpu + CPU_linearMask), width, value, ACCESS_ANYWHERE);
    if (trapped(cpu)) return true;
    at += width;
  }
  return false;
}

/** Two bits for each physical register: 0 valid, 1 zero, 2 special, 3 empty. [SDM 1 8.1.7] */
function full_tags(cpu: i32): i32 {
  let tags = 0;
  for (let i = 0; i < 8; i++) tags |= tag_of(cpu, i) << (2 * i);
  return tags;
}

function tag_of(cpu: i32, register: i32): i32 {
  if (!((load<i32>(cpu + CPU_ftw) >> register) & 1)) return 3;
  const at = cpu + CPU_fpr + (register << 4);
  const sig = load<u64>(at);
  const se = load<u16>(at, 8) as i32;
  if (is_normal(se, sig)) return 0;
  return se & EXPONENT || sig ? 2 : 1;
}

/** The abridged form of the full tags. */
function abridged(tags: i32): i32 {
  let present = 0;
  for (let i = 0; i < 8; i++) if (((tags >> (2 * i)) & 3) != 3) present |= 1 << i;
  return present;
}

function put_environment(cpu: i32, size: i32): void {
  put(cpu, 0, size, load<i32>(cpu + CPU_fcw) | (0xffff << 16));
  put(cpu, 1, size, load<i32>(cpu + CPU_fsw) | (0xffff << 16));
  put(cpu, 2, size, full_tags(cpu) | (0xffff << 16));
  const ip = load<u64>(cpu + CPU_fip) as i32;
  const dp = load<u64>(cpu + CPU_fdp) as i32;
  const opcode = load<i32>(cpu + CPU_fop) & 0x7ff;
  if (has_paragraphs(cpu)) return put_real_pointers(cpu, size, ip, dp, opcode);
  put(cpu, 3, size, ip);
  put(cpu, 4, size, (load<i32>(cpu + CPU_fcs) & 0xffff) | (opcode << 16));
  put(cpu, 5, size, dp);
  put(cpu, 6, size, load<i32>(cpu + CPU_fds) | (0xffff << 16));
}

/** The upper bits of linear addresses stand above the opcode. */
function put_real_pointers(cpu: i32, size: i32, ip: i32, dp: i32, opcode: i32): void {
  put(cpu, 3, size, (ip & 0xffff) | (0xffff << 16));
  put(cpu, 4, size, ((ip >>> 16) << 12) | opcode);
  put(cpu, 5, size, (dp & 0xffff) | (0xffff << 16));
  put(cpu, 6, size, (dp >>> 16) << 12);
}

function take_environment(cpu: i32, size: i32): void {
  store<i32>(cpu + CPU_fcw, (take(cpu, 0, size) & FCW_writable) | FCW_fixed);
  store<i32>(cpu + CPU_fsw, take(cpu, 1, size) & 0xffff);
  store<i32>(cpu + CPU_ftw, abridged(take(cpu, 2, size)));
  const real = has_paragraphs(cpu);
  const upper = take(cpu, 4, size);
  const ipHigh = real ? ((upper >>> 12) & 0xffff) << 16 : 0;
  const dpHigh = real ? ((take(cpu, 6, size) >>> 12) & 0xffff) << 16 : 0;
  const mask = real ? 0xffff : -1;
  store<u64>(cpu + CPU_fip, ((take(cpu, 3, size) & mask) | ipHigh) as u32 as u64);
  store<u64>(cpu + CPU_fdp, ((take(cpu, 5, size) & mask) | dpHigh) as u32 as u64);
  if (real || size == 4) store<i32>(cpu + CPU_fop, (real ? upper : upper >>> 16) & 0x7ff);
  store<i32>(cpu + CPU_fcs, real ? 0 : upper & 0xffff);
  store<i32>(cpu + CPU_fds, real ? 0 : take(cpu, 6, size) & 0xffff);
  update_summary(cpu);
}

/** FNSTENV with fields of `size` bytes (2 or 4): then masks all exceptions. */
export function x87_store_environment(cpu: i32, linear: u64, size: i32): void {
  put_environment(cpu, size);
  if (write_image(cpu, linear, environment_bytes(size), size)) return;
  store<i32>(cpu + CPU_fcw, load<i32>(cpu + CPU_fcw) | FCW_masks);
  update_summary(cpu);
}

/** FLDENV */
export function x87_load_environment(cpu: i32, linear: u64, size: i32): void {
  if (!read_image(cpu, linear, environment_bytes(size), size)) take_environment(cpu, size);
}

/** FNSAVE: the environment, then ST(0) to ST(7); then initializes. */
export function x87_save(cpu: i32, linear: u64, size: i32): void {
  const environment = environment_bytes(size);
  put_environment(cpu, size);
  for (let i = 0; i < 8; i++) {
    memory.copy(image(cpu) + environment + i * REGISTER_BYTES, cpu + CPU_fpr + (physical(cpu, i) << 4), REGISTER_BYTES);
  }
  if (!write_image(cpu, linear, environment + ALL_REGISTERS, size)) x87_initialize(cpu);
}

/** FRSTOR */
export function x87_restore(cpu: i32, linear: u64, size: i32): void {
  const environment = environment_bytes(size);
  if (read_image(cpu, linear, environment + ALL_REGISTERS, size)) return;
  take_environment(cpu, size);
  for (let i = 0; i < 8; i++) {
    memory.copy(cpu + CPU_fpr + (physical(cpu, i) << 4), image(cpu) + environment + i * REGISTER_BYTES, REGISTER_BYTES);
  }
}
