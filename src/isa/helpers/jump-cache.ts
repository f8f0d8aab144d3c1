// The jump cache: from a linear address to decoded records, as long as the address means the same code.
//
// Entries are dropped by giving CPU.jumpKey, which emitted code compares, another value: mode bits, and above them an epoch.
// User and supervisor have an epoch each, so that a change of the address space leaves what the supervisor has in global pages.
import {
  CPU_jumpCache,
  CPU_jumpEpochs,
  CPU_jumpKey,
  CPU_jumpLocal,
  CPU_jumpPages,
  CPU_mode,
  JUMP_CACHE_ENTRIES,
  JUMP_CACHE_ENTRY_SIZE,
  JUMP_CACHE_ENTRY_key,
  JUMP_CACHE_ENTRY_linear,
  JUMP_CACHE_ENTRY_record,
  JUMP_PAGES_BYTES,
  MODE_user,
} from "./layout.generated.ts";

const EPOCH_AT: i32 = 4;
const LAST_EPOCH: i32 = 0x7fffffe;
const SUPERVISOR: i32 = 0;
const USER: i32 = 4;

/** The key for the mode that the vCPU is in now. An epoch counts from 1 in it, so that memory of zeros is no entry. */
export function jump_key_update(cpu: i32): void {
  const mode = load<i32>(cpu + CPU_mode);
  const epoch = load<i32>(cpu + CPU_jumpEpochs + (mode & MODE_user ? USER : SUPERVISOR)) + 1;
  store<i32>(cpu + CPU_jumpKey, (epoch << EPOCH_AT) | mode);
}

function begin_epoch(cpu: i32, privilege: i32): void {
  const at = cpu + CPU_jumpEpochs + privilege;
  const epoch = load<i32>(at) + 1;
  if (epoch == LAST_EPOCH) {
    memory.fill(cpu + CPU_jumpCache, 0, JUMP_CACHE_ENTRIES * JUMP_CACHE_ENTRY_SIZE);
    store<u64>(cpu + CPU_jumpEpochs, 0);
  } else store<i32>(at, epoch);
}

/** Drops everything. */
export function jump_cache_flush(cpu: i32): void {
  begin_epoch(cpu, USER);
  begin_epoch(cpu, SUPERVISOR);
  store<i32>(cpu + CPU_jumpLocal, 0);
  memory.fill(cpu + CPU_jumpPages, 0, JUMP_PAGES_BYTES);
  jump_key_update(cpu);
}

/** Drops the user's code, and the supervisor's if some of it was in pages that are not global. */
export function jump_cache_flush_nonglobal(cpu: i32): void {
  begin_epoch(cpu, USER);
  if (load<i32>(cpu + CPU_jumpLocal)) begin_epoch(cpu, SUPERVISOR);
  store<i32>(cpu + CPU_jumpLocal, 0);
  jump_key_update(cpu);
}

/** Byte of the set of pages, by hash. */
function page_byte(cpu: i32, linear: u64): i32 {
  const hash = (((linear >> 12) * 0x9e3779b97f4a7c15) >> 40) as i32;
  return cpu + CPU_jumpPages + (hash & (JUMP_PAGES_BYTES - 1));
}

/** Drops the code of a page. Most pages that are invalidated never had any. */
export function jump_cache_flush_page(cpu: i32, linear: u64): void {
  if (load<u8>(page_byte(cpu, linear))) jump_cache_flush(cpu);
}

/** Index of a linear address in the jump cache; the emitted dispatcher computes the same. */
function entry_of(cpu: i32, linear: u64): i32 {
  const low = linear as i32;
  const index = (low ^ ((low as u32) >> 12)) & (JUMP_CACHE_ENTRIES - 1);
  return cpu + CPU_jumpCache + index * JUMP_CACHE_ENTRY_SIZE;
}

/** Enters the record of the code at a linear address, in a page that is global or not. */
export function jump_cache_set(cpu: i32, linear: u64, record: i32, global: bool): void {
  const entry = entry_of(cpu, linear);
  store<u64>(entry + JUMP_CACHE_ENTRY_linear, linear);
  store<i32>(entry + JUMP_CACHE_ENTRY_key, load<i32>(cpu + CPU_jumpKey));
  store<i32>(entry + JUMP_CACHE_ENTRY_record, record);
  store<u8>(page_byte(cpu, linear), 1);
  if (!global && !(load<i32>(cpu + CPU_mode) & MODE_user)) store<i32>(cpu + CPU_jumpLocal, 1);
}
