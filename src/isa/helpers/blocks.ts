// From rip to decoded records: the jump cache by linear address, behind it the code map by host address.
import {
  CODE_MAP_ENTRY_SIZE,
  CODE_MAP_ENTRY_key,
  CODE_MAP_ENTRY_record,
  CODE_MAP_ENTRY_second,
  CPU_blockRip,
  CPU_codeLimit,
  CPU_codeMap,
  CPU_codeMapMask,
  CPU_jumpMisses,
  CPU_linearMask,
  CPU_mode,
  CPU_rip,
  CPU_stepRip,
  MODE_single,
  MODE_sizeMask,
  RECORD_NEXT,
  SEGMENTS_cs,
  SEGMENT_base,
} from "./layout.generated.ts";
import { debug_boundary } from "./debug.ts";
import { decode_block } from "./env.ts";
import { raise_gp, trapped } from "./fault.ts";
import { jump_cache_set } from "./jump-cache.ts";
import { fetch_translate, next_linear } from "./mmu.ts";
import { is_code_global } from "./tlb.ts";

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

/** Of the record found last, the host page of the second part of an instruction that crosses a page; 0: it does not. */
let secondPage: i32 = 0;

/** The record of decoded code at a host address, or 0. */
export function code_map_find(cpu: i32, host: i32, mode: i32): i32 {
  const key = code_key(host, mode);
  const mask = load<i32>(cpu + CPU_codeMapMask);
  for (let slot = first_slot(cpu, key); ; slot = (slot + 1) & mask) {
    const entry = load<i32>(cpu + CPU_codeMap) + slot * CODE_MAP_ENTRY_SIZE;
    const found = load<u64>(entry + CODE_MAP_ENTRY_key);
    if (found == key) {
      secondPage = load<i32>(entry + CODE_MAP_ENTRY_second);
      return load<i32>(entry + CODE_MAP_ENTRY_record);
    }
    if (found == 0) break;
  }
  return 0;
}

/**
 * Enters or (record 0) forgets code at a host address; `second` is the host page of what is in the next page, or 0. The engine
 * keeps the map at most half full.
 */
export function code_map_set(cpu: i32, host: i32, mode: i32, record: i32, second: i32): void {
  const key = code_key(host, mode);
  const mask = load<i32>(cpu + CPU_codeMapMask);
  for (let slot = first_slot(cpu, key); ; slot = (slot + 1) & mask) {
    const entry = load<i32>(cpu + CPU_codeMap) + slot * CODE_MAP_ENTRY_SIZE;
    const found = load<u64>(entry + CODE_MAP_ENTRY_key);
    if (found != key && found != 0) continue;
    store<u64>(entry + CODE_MAP_ENTRY_key, key);
    store<i32>(entry + CODE_MAP_ENTRY_record, record);
    store<i32>(entry + CODE_MAP_ENTRY_second, second);
    return;
  }
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

/** The record of code that is decoded, with its second page where it was, or 0; look at CPU.trap afterwards. */
function find_decoded(cpu: i32, host: i32, linear: u64, mode: i32): i32 {
  const record = code_map_find(cpu, host, mode);
  if (!record || !secondPage) return record;
  const expected = secondPage;
  const second = fetch_translate(cpu, next_linear(cpu, linear, 0x1000 - ((linear & 0xfff) as i32)));
  return (((second as u32) >> 12) as i32) == expected ? record : 0;
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
  let record = find_decoded(cpu, host, linear, mode);
  if (trapped(cpu)) return 0;
  if (!record) record = decode(cpu, host, linear, mode);
  if (!record) return 0;
  if (mode & MODE_single) return begin_single(cpu, record, limit);
  jump_cache_set(cpu, linear, record, is_code_global(cpu, linear));
  return record;
}
