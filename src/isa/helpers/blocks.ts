// From rip to decoded records: the jump cache by linear address, behind it the code map by host address.
import {
  CODE_MAP_ENTRY_SIZE,
  CODE_MAP_ENTRY_key,
  CODE_MAP_ENTRY_record,
  CPU_blockRip,
  CPU_codeLimit,
  CPU_codeMap,
  CPU_codeMapMask,
  CPU_jumpCache,
  CPU_jumpEpoch,
  CPU_jumpMisses,
  CPU_linearMask,
  CPU_mode,
  CPU_rip,
  CPU_stepRip,
  JUMP_CACHE_ENTRIES,
  JUMP_CACHE_ENTRY_SIZE,
  JUMP_CACHE_ENTRY_linear,
  JUMP_CACHE_ENTRY_mode,
  JUMP_CACHE_ENTRY_record,
  MODE_single,
  MODE_sizeMask,
  RECORD_NEXT,
  SEGMENTS_cs,
  SEGMENT_base,
} from "./layout.generated.ts";
import { debug_boundary } from "./debug.ts";
import { decode_block } from "./env.ts";
import { raise_gp, trapped } from "./fault.ts";
import { fetch_translate } from "./mmu.ts";

/** Bits of CPU.mode on which decoding depends. */
const DECODE_MODE: i32 = MODE_sizeMask | MODE_single;

/** Code map key of code at a host address in a mode; never 0. */
function code_key(host: i32, mode: i32): u64 {
  return ((host as u32 as u64) << 4) | ((mode & DECODE_MODE) as u64);
}

function first_slot(cpu: i32, key: u64): i32 {
  const hash = ((key * 0x9e3779b97f4a7c15) >> 40) as i32;
  return hash & load<i32>(cpu + CPU_codeMapMask);
}

/** The record of decoded code at a host address, or 0. */
export function code_map_find(cpu: i32, host: i32, mode: i32): i32 {
  const key = code_key(host, mode);
  const mask = load<i32>(cpu + CPU_codeMapMask);
  for (let slot = first_slot(cpu, key); ; slot = (slot + 1) & mask) {
    const entry = load<i32>(cpu + CPU_codeMap) + slot * CODE_MAP_ENTRY_SIZE;
    const found = load<u64>(entry + CODE_MAP_ENTRY_key);
    if (found == key) return load<i32>(entry + CODE_MAP_ENTRY_record);
    if (found == 0) break;
  }
  return 0;
}

/** Enters or (record 0) forgets code at a host address. The engine keeps the map at most half full. */
export function code_map_set(cpu: i32, host: i32, mode: i32, record: i32): void {
  const key = code_key(host, mode);
  const mask = load<i32>(cpu + CPU_codeMapMask);
  for (let slot = first_slot(cpu, key); ; slot = (slot + 1) & mask) {
    const entry = load<i32>(cpu + CPU_codeMap) + slot * CODE_MAP_ENTRY_SIZE;
    const found = load<u64>(entry + CODE_MAP_ENTRY_key);
    if (found != key && found != 0) continue;
    store<u64>(entry + CODE_MAP_ENTRY_key, key);
    store<i32>(entry + CODE_MAP_ENTRY_record, record);
    return;
  }
}

/** Index of a linear address in the jump cache; the emitted dispatcher computes the same. */
function jump_cache_entry(cpu: i32, linear: u64): i32 {
  const low = linear as i32;
  const index = (low ^ ((low as u32) >> 12)) & (JUMP_CACHE_ENTRIES - 1);
  return cpu + CPU_jumpCache + index * JUMP_CACHE_ENTRY_SIZE;
}

/** EIP has 32 bits: code that runs on at 4 GiB goes on at 0. */
function wrap_rip(cpu: i32): void {
  const rip = load<u64>(cpu + CPU_rip) & load<u64>(cpu + CPU_linearMask);
  store<u64>(cpu + CPU_rip, rip);
  store<u64>(cpu + CPU_blockRip, rip);
}

function decode(cpu: i32, host: i32, linear: u64, mode: i32): i32 {
  const current = load<i32>(cpu + CPU_mode);
  store<i32>(cpu + CPU_mode, mode);
  const record = decode_block(cpu, host, linear as i32, (linear >> 32) as i32);
  store<i32>(cpu + CPU_mode, current);
  return record;
}

/** A single instruction is about to begin: 0 with #GP raised if it does not end within the segment. */
function begin_single(cpu: i32, record: i32, limit: u64): i32 {
  const next = load<u64>(cpu + CPU_rip) + (load<u32>(record + RECORD_NEXT) as u64);
  store<u64>(cpu + CPU_stepRip, next);
  if (limit == 0xffffffff || next <= limit + 1) return record;
  raise_gp(cpu);
  return 0;
}

/**
 * The record of the code at CS:rip, decoded if need be and put in the jump cache (but single instructions: each one comes
 * here); 0 with CPU.trap set.
 */
export function find_block(cpu: i32): i32 {
  store<u64>(cpu + CPU_jumpMisses, load<u64>(cpu + CPU_jumpMisses) + 1);
  wrap_rip(cpu);
  const linear =
    (load<u64>(cpu + SEGMENTS_cs + SEGMENT_base) + load<u64>(cpu + CPU_rip)) & load<u64>(cpu + CPU_linearMask);
  let mode = load<i32>(cpu + CPU_mode);
  if (mode & MODE_single && debug_boundary(cpu, linear)) return 0;
  const limit = load<u32>(cpu + CPU_codeLimit) as u64;
  if (limit != 0xffffffff) {
    const last = load<u64>(cpu + CPU_rip) + (~linear & 0xfff);
    if (load<u64>(cpu + CPU_rip) > limit) raise_gp(cpu);
    if (trapped(cpu)) return 0;
    // where the segment ends within the page every instruction is looked at
    if (last > limit) mode |= MODE_single;
  }
  const host = fetch_translate(cpu, linear);
  if (!host) return 0;
  let record = code_map_find(cpu, host, mode);
  if (!record) record = decode(cpu, host, linear, mode);
  if (!record) return 0;
  if (mode & MODE_single) return begin_single(cpu, record, limit);
  const entry = jump_cache_entry(cpu, linear);
  store<u64>(entry + JUMP_CACHE_ENTRY_linear, linear ^ load<u64>(cpu + CPU_jumpEpoch));
  store<i32>(entry + JUMP_CACHE_ENTRY_mode, mode);
  store<i32>(entry + JUMP_CACHE_ENTRY_record, record);
  return record;
}
