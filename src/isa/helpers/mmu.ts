// The slow side of every guest memory access.
import {
  CPU_bounce,
  CPU_exitData,
  CPU_linearMask,
  CPU_trap,
  CPU_vm,
  EXIT_fetch,
  EXIT_mmioRead,
  EXIT_mmioWrite,
  VECTOR_AC,
  VM_lock,
} from "./layout.generated.ts";
import { note_access } from "./debug.ts";
import { mmio_read, mmio_write } from "./env.ts";
import { raise } from "./fault.ts";
import {
  ACCESS_ANYWHERE,
  ACCESS_FETCH,
  ACCESS_READ,
  ACCESS_SUPERVISOR,
  ACCESS_WRITE,
  refuse_noncanonical,
  walk,
} from "./paging.ts";
import { after_write, found_read_only, phys_to_host } from "./physical.ts";
import { exit_for, replay_find, run_alone } from "./replay.ts";
import { is_alignment_checked, tlb_fill, tlb_find } from "./tlb.ts";

/**
 * Raises #AC for an access that is not aligned to its width, or to 8 bytes for 80 bits [SDM 3A table 6-7]; true: trapped. It
 * comes before page faults, as processors have it.
 */
export function refuse_misaligned(cpu: i32, linear: u64, width: i32, access: i32): bool {
  if (!is_alignment_checked(cpu) || access & (ACCESS_SUPERVISOR | ACCESS_ANYWHERE)) return false;
  // 32 bytes are two vectors of 16
  const alignment = width == 10 ? 8 : min(width, 16);
  if (!(linear & ((alignment - 1) as u64))) return false;
  return refuse_noncanonical(cpu, linear, width) || raise(cpu, VECTOR_AC, 0);
}

/** Whether the slot of the last translation for a write is read-only: its bytes can be read, and a write is a device's. */
let readOnlyTarget: bool = false;

export function is_target_read_only(): bool {
  return readOnlyTarget;
}

/**
 * Host address of a linear address for an access, or 0: CPU.trap is set when it faults, else no memory is there and
 * the guest-physical address is in CPU.exitData.
 */
export function translate(cpu: i32, linear: u64, access: i32): i32 {
  readOnlyTarget = false;
  const known = tlb_find(cpu, linear, access);
  if (known) return known;
  const physical = walk(cpu, linear, access);
  if (physical == -1) return 0;
  const host = phys_to_host(cpu, physical);
  readOnlyTarget = host != 0 && found_read_only();
  if (host) tlb_fill(cpu, linear, access, host, readOnlyTarget);
  store<u64>(cpu + CPU_exitData, physical);
  return host;
}

/** Whether an access goes on in the next page. */
export function crosses(linear: u64, width: i32): bool {
  return ((linear & 0xfff) as i32) + width > 0x1000;
}

/** The linear address after `linear`, in the address space of the access: a system table's has 64 bits in compatibility mode. */
export function next_linear(cpu: i32, linear: u64, bytes: i32): u64 {
  return (linear + (bytes as u64)) & (linear >> 32 ? (-1 as u64) : load<u64>(cpu + CPU_linearMask));
}

/**
 * Where the bytes of a load are: host address of up to 16 bytes, or 0 with CPU.trap set. Bytes that cross a page or
 * come from a device are gathered in CPU.bounce. With intent 1 the access is checked as a write.
 */
export function load_slow(cpu: i32, linear: u64, width: i32, intent: i32): i32 {
  return gather(cpu, linear, width, intent ? ACCESS_WRITE : ACCESS_READ);
}

function gather(cpu: i32, linear: u64, width: i32, access: i32): i32 {
  if (refuse_misaligned(cpu, linear, width, access)) return 0;
  note_access(cpu, linear, width, false);
  if (crosses(linear, width)) return gather_crossing(cpu, linear, width, access);
  const host = translate(cpu, linear, access);
  if (host) return host;
  if (load<i32>(cpu + CPU_trap)) return 0;
  const physical = load<u64>(cpu + CPU_exitData);
  if (!device_read(cpu, physical, width, cpu + CPU_bounce)) return 0;
  return cpu + CPU_bounce;
}

function gather_crossing(cpu: i32, linear: u64, width: i32, access: i32): i32 {
  const first = 0x1000 - ((linear & 0xfff) as i32);
  const second = next_linear(cpu, linear, first);
  if (refuse_noncanonical(cpu, linear, width)) return 0;
  if (!gather_part(cpu, linear, first, access, cpu + CPU_bounce)) return 0;
  if (!gather_part(cpu, second, width - first, access, cpu + CPU_bounce + first)) return 0;
  return cpu + CPU_bounce;
}

function gather_part(cpu: i32, linear: u64, length: i32, access: i32, into: i32): bool {
  const host = translate(cpu, linear, access);
  if (host) {
    memory.copy(into, host, length);
    return true;
  }
  if (load<i32>(cpu + CPU_trap)) return false;
  return device_read(cpu, load<u64>(cpu + CPU_exitData), length, into);
}

/** Reads a device register of any width in pieces of at most 8 bytes; false: trapped. */
function device_read(cpu: i32, physical: u64, width: i32, into: i32): bool {
  for (let done = 0; done < width; done += 8) {
    const size = min(width - done, 8);
    const at = physical + (done as u64);
    if (!replay_find(cpu, EXIT_mmioRead, at, size) && !mmio_read(cpu, at as i32, (at >> 32) as i32, size)) {
      exit_for(cpu, EXIT_mmioRead, at, size);
      return false;
    }
    memory.copy(into + done, cpu + CPU_exitData, size);
  }
  return true;
}

function device_write(cpu: i32, physical: u64, width: i32, from: i32): bool {
  for (let done = 0; done < width; done += 8) {
    const size = min(width - done, 8);
    const at = physical + (done as u64);
    if (replay_find(cpu, EXIT_mmioWrite, at, size)) continue;
    store<u64>(cpu + CPU_exitData, 0);
    memory.copy(cpu + CPU_exitData, from + done, size);
    const taken = mmio_write(cpu, at as i32, (at >> 32) as i32, size);
    if (taken == 1) continue;
    if (taken == 0) exit_for(cpu, EXIT_mmioWrite, at, size);
    else run_alone(cpu);
    return false;
  }
  return true;
}

/** Stores up to 16 bytes (lo, then hi) slowly; true: trapped and nothing was stored. */
export function store_slow(cpu: i32, linear: u64, width: i32, lo: u64, hi: u64): bool {
  const from = cpu + CPU_bounce + 32;
  store<u64>(from, lo);
  store<u64>(from + 8, hi);
  return scatter(cpu, linear, width, from, ACCESS_WRITE);
}

/** Stores 32 bytes slowly; true: trapped and nothing was stored. */
export function store_wide_slow(cpu: i32, linear: u64, w0: u64, w1: u64, w2: u64, w3: u64): bool {
  const from = cpu + CPU_bounce + 32;
  store<u64>(from, w0);
  store<u64>(from + 8, w1);
  store<u64>(from + 16, w2);
  store<u64>(from + 24, w3);
  return scatter(cpu, linear, 32, from, ACCESS_WRITE);
}

function scatter(cpu: i32, linear: u64, width: i32, from: i32, access: i32): bool {
  if (refuse_misaligned(cpu, linear, width, access)) return true;
  note_access(cpu, linear, width, true);
  if (!crosses(linear, width)) return scatter_part(cpu, linear, width, from, access);
  const first = 0x1000 - ((linear & 0xfff) as i32);
  const second = next_linear(cpu, linear, first);
  if (refuse_noncanonical(cpu, linear, width)) return true;
  // both pages are checked before either is written
  translate(cpu, second, access);
  if (load<i32>(cpu + CPU_trap)) {
    store<i32>(cpu + CPU_trap, 0);
    translate(cpu, linear, access);
    if (!load<i32>(cpu + CPU_trap)) translate(cpu, second, access);
    return true;
  }
  // a device comes before memory: if it leaves, the instruction finds memory as it was when it is entered again
  const deviceLast = !is_plain(cpu, second, access) && is_plain(cpu, linear, access);
  if (deviceLast && scatter_part(cpu, second, width - first, from + first, access)) return true;
  if (scatter_part(cpu, linear, first, from, access)) return true;
  return !deviceLast && scatter_part(cpu, second, width - first, from + first, access);
}

/** Whether a byte is memory that this access may write; look at CPU.trap if it is not. */
function is_plain(cpu: i32, linear: u64, access: i32): bool {
  return translate(cpu, linear, access) != 0 && !readOnlyTarget;
}

/** What another thread must not see half written is written at once. */
function copy_bytes(to: i32, from: i32, length: i32): void {
  if (length == 8) store<u64>(to, load<u64>(from));
  else if (length == 4) store<u32>(to, load<u32>(from));
  else if (length == 2) store<u16>(to, load<u16>(from));
  else memory.copy(to, from, length);
}

function scatter_part(cpu: i32, linear: u64, length: i32, from: i32, access: i32): bool {
  const host = translate(cpu, linear, access);
  if (host && !readOnlyTarget) {
    copy_bytes(host, from, length);
    after_write(cpu, host);
    return false;
  }
  if (load<i32>(cpu + CPU_trap)) return true;
  return !device_write(cpu, load<u64>(cpu + CPU_exitData), length, from);
}

/** Whether all bytes of a write are memory; look at CPU.trap if they are not. */
function is_memory(cpu: i32, linear: u64, width: i32): bool {
  if (!is_plain(cpu, linear, ACCESS_WRITE)) return false;
  return (
    !crosses(linear, width) || is_plain(cpu, next_linear(cpu, linear, 0x1000 - ((linear & 0xfff) as i32)), ACCESS_WRITE)
  );
}

/**
 * A locked store, slowly: 0 stored, 1 trapped, 2 memory no longer holds what was expected. A device is not read again:
 * what it held is what was read before.
 */
export function store_locked_slow(
  cpu: i32,
  linear: u64,
  width: i32,
  lo: u64,
  hi: u64,
  expectedLo: u64,
  expectedHi: u64,
): i32 {
  const plain = is_memory(cpu, linear, width);
  if (load<i32>(cpu + CPU_trap)) return 1;
  if (!plain) return store_slow(cpu, linear, width, lo, hi) ? 1 : 0;
  const expected = cpu + CPU_bounce + 16;
  const value = cpu + CPU_bounce + 32;
  store<u64>(expected, expectedLo);
  store<u64>(expected + 8, expectedHi);
  store<u64>(value, lo);
  store<u64>(value + 8, hi);
  const first = crosses(linear, width) ? 0x1000 - ((linear & 0xfff) as i32) : width;
  const host = translate(cpu, linear, ACCESS_WRITE);
  const second = first < width ? translate(cpu, next_linear(cpu, linear, first), ACCESS_WRITE) : 0;
  note_access(cpu, linear, width, true);
  if (!compare_and_swap(cpu, host, first, second, width)) return 2;
  after_write(cpu, host);
  if (second) after_write(cpu, second);
  return 0;
}

/** Writes `width` bytes, of which the first `first` are at `host` and the others at `second`, if they are as expected. */
function compare_and_swap(cpu: i32, host: i32, first: i32, second: i32, width: i32): bool {
  const expected = cpu + CPU_bounce + 16;
  const value = cpu + CPU_bounce + 32;
  if (width <= 8 && first == width && !(host & (width - 1))) return swap_aligned(host, width, expected, value);
  lock_memory(cpu);
  const same = equal(host, expected, first) && equal(second, expected + first, width - first);
  if (same) memory.copy(host, value, first);
  if (same) memory.copy(second, value + first, width - first);
  unlock_memory(cpu);
  return same;
}

function swap_aligned(host: i32, width: i32, expected: i32, value: i32): bool {
  if (width == 8) return atomic.cmpxchg<u64>(host, load<u64>(expected), load<u64>(value)) == load<u64>(expected);
  if (width == 4) return atomic.cmpxchg<u32>(host, load<u32>(expected), load<u32>(value)) == load<u32>(expected);
  if (width == 2) return atomic.cmpxchg<u16>(host, load<u16>(expected), load<u16>(value)) == load<u16>(expected);
  return atomic.cmpxchg<u8>(host, load<u8>(expected), load<u8>(value)) == load<u8>(expected);
}

function equal(a: i32, b: i32, length: i32): bool {
  for (let i = 0; i < length; i++) if (load<u8>(a + i) != load<u8>(b + i)) return false;
  return true;
}

/** How long one wait for the lock is, in ns: who has it may have been stopped by the host. */
const LOCK_WAIT_NS: i64 = 10000;

/** Excludes other vCPUs' locked accesses that are not one operation of the host's. */
function lock_memory(cpu: i32): void {
  const lock = load<i32>(cpu + CPU_vm) + VM_lock;
  while (atomic.cmpxchg<i32>(lock, 0, 1) != 0) atomic.wait<i32>(lock, 1, LOCK_WAIT_NS);
}

function unlock_memory(cpu: i32): void {
  atomic.store<i32>(load<i32>(cpu + CPU_vm) + VM_lock, 0);
}

/** Reads 1, 2, 4 or 8 bytes, zero-extended, with the privilege that `access` names; look at CPU.trap afterwards. */
export function read_mem(cpu: i32, linear: u64, width: i32, access: i32): u64 {
  const host = gather(cpu, linear, width, access);
  if (!host) return 0;
  if (width == 8) return load<u64>(host);
  if (width == 4) return load<u32>(host) as u64;
  if (width == 2) return load<u16>(host) as u64;
  return load<u8>(host) as u64;
}

/** Writes 1, 2, 4 or 8 bytes; look at CPU.trap afterwards. */
export function write_mem(cpu: i32, linear: u64, width: i32, value: u64, access: i32): void {
  const from = cpu + CPU_bounce + 32;
  store<u64>(from, value);
  scatter(cpu, linear, width, from, access | ACCESS_WRITE);
}

/** Whether an access of `size` bytes would fault (at most two pages); CPU.trap is then set. Device memory does not fault. */
export function probe(cpu: i32, linear: u64, size: i32, access: i32): bool {
  if (crosses(linear, size) && refuse_noncanonical(cpu, linear, size)) return true;
  translate(cpu, linear, access);
  if (load<i32>(cpu + CPU_trap)) return true;
  if (crosses(linear, size)) translate(cpu, next_linear(cpu, linear, 0x1000 - ((linear & 0xfff) as i32)), access);
  return load<i32>(cpu + CPU_trap) != 0;
}

/** Host address of a byte of code, or 0 with CPU.trap set (TRAP.exit when no memory is there). */
export function fetch_translate(cpu: i32, linear: u64): i32 {
  const host = translate(cpu, linear, ACCESS_FETCH);
  if (host || load<i32>(cpu + CPU_trap)) return host;
  exit_for(cpu, EXIT_fetch, load<u64>(cpu + CPU_exitData), 1);
  return 0;
}

/** fetch_translate and translate for JavaScript, which has no 64-bit integers of its own to give. */
export function fetch_translate_halves(cpu: i32, low: u32, high: u32): i32 {
  return fetch_translate(cpu, (low as u64) | ((high as u64) << 32));
}

/** The same for `translate`. */
export function translate_halves(cpu: i32, low: u32, high: u32, access: i32): i32 {
  return translate(cpu, (low as u64) | ((high as u64) << 32), access);
}
