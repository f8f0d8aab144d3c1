// The software TLB: translations by address space and access mode.
//
// With CR4.PCIDE an address space is a process-context identifier, and each of the last few has TLBs of its own (a bank), so
// that a change of CR3 need not drop anything. [SDM 3A 4.10.1] Without it there is one bank.
import {
  CPU_cpl,
  CPU_cr0,
  CPU_cr3,
  CPU_cr4,
  CPU_eflags,
  CPU_keysUsed,
  CPU_largeRegions,
  CPU_scratch,
  CPU_tlb,
  CPU_tlbBank,
  CPU_tlbBanks,
  CPU_tlbFlushes,
  CPU_tlbLog,
  CPU_tlbLogged,
  CPU_tlbMisses,
  CPU_tlbNextBank,
  CPU_tlbs,
  CR0_AM,
  CR4_PCIDE,
  EFLAGS_AC,
  LARGE_REGION_BYTES,
  TLB_BANKS,
  TLB_ENTRIES,
  TLB_ENTRY_SIZE,
  TLB_ENTRY_addend,
  TLB_ENTRY_execTag,
  TLB_ENTRY_kind,
  TLB_ENTRY_readTag,
  TLB_ENTRY_writeTag,
  TLB_LOG_ENTRIES,
  TLB_MODES,
} from "./layout.generated.ts";
import { is_page_watched } from "./debug.ts";
import { jump_cache_flush, jump_cache_flush_nonglobal, jump_cache_flush_page } from "./jump-cache.ts";
import {
  ACCESS_FETCH,
  ACCESS_READ,
  ACCESS_WRITE,
  is_user,
  page_rights,
  page_shift,
  PAGE_DIRTY,
  PAGE_EXECUTABLE,
  PAGE_GLOBAL,
  PAGE_READABLE,
  PAGE_WRITABLE,
  smap_applies,
} from "./paging.ts";
import { plainly_writable } from "./physical.ts";

const TLB_BYTES: i32 = TLB_ENTRIES * TLB_ENTRY_SIZE;
const BANK_BYTES: i32 = TLB_MODES * TLB_BYTES;
const PAGE: u64 = 0xfffffffffffff000;

/** Bits of an entry's kind: the page is global, and above them its size as a power of two. */
const GLOBAL: i32 = 1;
const SHIFT_AT: i32 = 8;

// Which TLB

/** The TLB that nothing is entered in. */
function empty_tlb(cpu: i32): i32 {
  return cpu + CPU_tlbs;
}

function bank_at(cpu: i32, bank: i32): i32 {
  return cpu + CPU_tlbs + TLB_BYTES + bank * BANK_BYTES;
}

/** The TLB of an access in the current bank: supervisor, user, or supervisor under SMAP. */
function tlb_of(cpu: i32, access: i32): i32 {
  const bank = bank_at(cpu, load<i32>(cpu + CPU_tlbBank));
  if (is_user(cpu, access)) return bank + TLB_BYTES;
  return smap_applies(cpu, access) ? bank + 2 * TLB_BYTES : bank;
}

/** Chooses the TLB that emitted code uses; after every change of CPL, CR0.AM, CR4.SMAP, EFLAGS.AC or the bank. */
export function tlb_select(cpu: i32): void {
  const aligned =
    load<i32>(cpu + CPU_cpl) == 3 && load<i32>(cpu + CPU_eflags) & EFLAGS_AC && load<u64>(cpu + CPU_cr0) & CR0_AM;
  store<i32>(cpu + CPU_tlb, aligned ? empty_tlb(cpu) : tlb_of(cpu, ACCESS_READ));
}

/** Whether alignment is checked: the user's accesses under CR0.AM and EFLAGS.AC. [SDM 3A 6.15, interrupt 17] */
export function is_alignment_checked(cpu: i32): bool {
  return load<i32>(cpu + CPU_tlb) == empty_tlb(cpu);
}

function entry_of(tlb: i32, linear: u64): i32 {
  return tlb + (((linear >> 12) as i32) & (TLB_ENTRIES - 1)) * TLB_ENTRY_SIZE;
}

// Banks: the number of the one in use is CPU.tlbBank; of each, CPU.tlbBanks has the identifier + 1, or 0 if it is free

function owner_of(cpu: i32, bank: i32): i32 {
  return load<i32>(cpu + CPU_tlbBanks + (bank << 2));
}

function set_owner(cpu: i32, bank: i32, owner: i32): void {
  store<i32>(cpu + CPU_tlbBanks + (bank << 2), owner);
}

/** Whether a bank may hold anything. */
function is_used(cpu: i32, bank: i32): bool {
  return owner_of(cpu, bank) != 0;
}

/** The identifier of the current address space. */
function current_pcid(cpu: i32): i32 {
  return load<u64>(cpu + CPU_cr4) & CR4_PCIDE ? (load<u64>(cpu + CPU_cr3) as i32) & 0xfff : 0;
}

function find_bank(cpu: i32, pcid: i32): i32 {
  for (let bank = 0; bank < TLB_BANKS; bank++) if (owner_of(cpu, bank) == pcid + 1) return bank;
  return -1;
}

/** Takes a bank for an identifier that has none: a free one, or each in turn. */
function take_bank(cpu: i32, pcid: i32): i32 {
  let bank = 0;
  while (bank < TLB_BANKS && is_used(cpu, bank)) bank++;
  if (bank == TLB_BANKS) {
    bank = load<i32>(cpu + CPU_tlbNextBank);
    store<i32>(cpu + CPU_tlbNextBank, (bank + 1) % TLB_BANKS);
  }
  memory.fill(bank_at(cpu, bank), 0xff, BANK_BYTES);
  set_owner(cpu, bank, pcid + 1);
  return bank;
}

/** CR3 names another address space: with `keep` what is known of it stays valid. */
export function tlb_switch(cpu: i32, pcid: i32, keep: bool): void {
  const known = find_bank(cpu, pcid);
  if (known >= 0 && !keep) flush_bank_nonglobal(cpu, known);
  const bank = known >= 0 ? known : take_bank(cpu, pcid);
  if (bank != load<i32>(cpu + CPU_tlbBank)) store<i32>(cpu + CPU_tlbLogged, known >= 0 && keep ? UNKNOWN : 0);
  store<i32>(cpu + CPU_tlbBank, bank);
  tlb_select(cpu);
  jump_cache_flush_nonglobal(cpu);
}

// Dropping

function count(cell: i32): void {
  store<u64>(cell, load<u64>(cell) + 1);
}

function drop(entry: i32): void {
  store<u64>(entry + TLB_ENTRY_readTag, -1);
  store<u64>(entry + TLB_ENTRY_writeTag, -1);
  store<u64>(entry + TLB_ENTRY_execTag, -1);
}

/** Drops every translation of every address space: what is left is an empty bank of the current one. */
export function tlb_flush(cpu: i32): void {
  memory.fill(empty_tlb(cpu), 0xff, TLB_BYTES + BANK_BYTES);
  memory.fill(cpu + CPU_tlbBanks, 0, 4 * TLB_BANKS);
  memory.fill(cpu + CPU_largeRegions, 0, LARGE_REGION_BYTES);
  store<i32>(cpu + CPU_keysUsed, 0);
  store<i32>(cpu + CPU_tlbBank, 0);
  store<i32>(cpu + CPU_tlbLogged, 0);
  set_owner(cpu, 0, current_pcid(cpu) + 1);
  tlb_select(cpu);
  jump_cache_flush(cpu);
  count(cpu + CPU_tlbFlushes);
}

function drop_nonglobal(entry: i32): void {
  if (!(load<i32>(entry + TLB_ENTRY_kind) & GLOBAL)) drop(entry);
}

function flush_bank_nonglobal(cpu: i32, bank: i32): void {
  count(cpu + CPU_tlbFlushes);
  const current = bank == load<i32>(cpu + CPU_tlbBank);
  if (current && flush_logged(cpu)) return;
  const start = bank_at(cpu, bank);
  for (let entry = start; entry < start + BANK_BYTES; entry += TLB_ENTRY_SIZE) drop_nonglobal(entry);
  if (current) store<i32>(cpu + CPU_tlbLogged, 0);
}

// The log: entries of the current bank that were filled for pages that are not global since it was without such pages

/** CPU.tlbLogged when the log does not have all of them. */
const UNKNOWN: i32 = TLB_LOG_ENTRIES + 1;

function log_filled(cpu: i32, entry: i32): void {
  const logged = load<i32>(cpu + CPU_tlbLogged);
  if (logged < TLB_LOG_ENTRIES) store<i32>(cpu + CPU_tlbLog + (logged << 2), entry);
  if (logged < UNKNOWN) store<i32>(cpu + CPU_tlbLogged, logged + 1);
}

/** Drops what the log has; false: it does not have all. */
function flush_logged(cpu: i32): bool {
  const logged = load<i32>(cpu + CPU_tlbLogged);
  if (logged > TLB_LOG_ENTRIES) return false;
  for (let n = 0; n < logged; n++) drop_nonglobal(load<i32>(cpu + CPU_tlbLog + (n << 2)));
  store<i32>(cpu + CPU_tlbLogged, 0);
  return true;
}

/** Drops every translation of the current address space that is not global. */
export function tlb_flush_nonglobal(cpu: i32): void {
  flush_bank_nonglobal(cpu, load<i32>(cpu + CPU_tlbBank));
  jump_cache_flush_nonglobal(cpu);
}

/** Drops every translation of an address space that is not global. */
export function tlb_flush_pcid(cpu: i32, pcid: i32): void {
  const bank = find_bank(cpu, pcid);
  if (bank >= 0) flush_bank_nonglobal(cpu, bank);
  jump_cache_flush_nonglobal(cpu);
}

/** Drops every translation that is not global. */
export function tlb_flush_all_nonglobal(cpu: i32): void {
  for (let bank = 0; bank < TLB_BANKS; bank++) if (is_used(cpu, bank)) flush_bank_nonglobal(cpu, bank);
  jump_cache_flush_nonglobal(cpu);
}

/** Drops the translations of the page with an address, large or small, in every address space. [SDM 3A 4.10.4.1] */
export function tlb_flush_page(cpu: i32, linear: u64): void {
  const large = is_large_noted(cpu, linear, 21) || is_large_noted(cpu, linear, 30);
  for (let bank = 0; bank < TLB_BANKS; bank++) {
    if (!is_used(cpu, bank)) continue;
    const start = bank_at(cpu, bank);
    for (let tlb = start; tlb < start + BANK_BYTES; tlb += TLB_BYTES) drop(entry_of(tlb, linear));
    if (large) flush_large(start, linear);
  }
  if (large) jump_cache_flush(cpu);
  else jump_cache_flush_page(cpu, linear);
}

/** Takes away fast writes to a host page, which now holds code or is logged. */
export function tlb_protect(cpu: i32, hostPage: i32): void {
  for (let bank = 0; bank < TLB_BANKS; bank++) if (is_used(cpu, bank)) protect_in(bank_at(cpu, bank), hostPage);
}

function protect_in(start: i32, hostPage: i32): void {
  for (let entry = start; entry < start + BANK_BYTES; entry += TLB_ENTRY_SIZE) {
    const tag = load<u64>(entry + TLB_ENTRY_writeTag);
    if (tag == -1) continue;
    const host = (tag as i32) + load<i32>(entry + TLB_ENTRY_addend);
    if ((((host as u32) >> 12) as i32) == hostPage) store<u64>(entry + TLB_ENTRY_writeTag, -1);
  }
}

// Large pages: an entry holds 4 KiB of one, and INVLPG of any address in it drops all of them. CPU.largeRegions is a set of
// hashes of the regions with such entries, so that INVLPG of small pages need not look for them

/** Byte of the set that holds a region's bit; regions of 2 MiB and 4 MiB pages are of 4 MiB. */
function region_byte(cpu: i32, linear: u64, shift: i32): i32 {
  const region = (linear >> (shift == 30 ? 30 : 22)) * 2 + (shift == 30 ? 1 : 0);
  const hash = ((region * 0x9e3779b97f4a7c15) >> 40) as i32;
  return cpu + CPU_largeRegions + (hash & (LARGE_REGION_BYTES - 1));
}

function is_large_noted(cpu: i32, linear: u64, shift: i32): bool {
  return load<u8>(region_byte(cpu, linear, shift)) != 0;
}

/** Drops the entries of the large page with an address. */
function flush_large(start: i32, linear: u64): void {
  for (let entry = start; entry < start + BANK_BYTES; entry += TLB_ENTRY_SIZE) {
    const tag = load<u64>(entry + TLB_ENTRY_execTag) & load<u64>(entry + TLB_ENTRY_readTag);
    const shift = (load<i32>(entry + TLB_ENTRY_kind) >> SHIFT_AT) as u64;
    if (tag != -1 && shift > 12 && (tag ^ linear) >> shift == 0) drop(entry);
  }
}

// Finding and filling

/** Whether the TLB has a page for fetching, and as a global one. */
export function is_code_global(cpu: i32, linear: u64): bool {
  const entry = entry_of(tlb_of(cpu, ACCESS_FETCH), linear);
  return load<u64>(entry + TLB_ENTRY_execTag) == (linear & PAGE) && (load<i32>(entry + TLB_ENTRY_kind) & GLOBAL) != 0;
}

/** Host address of a linear address that the TLB knows for an access, or 0. */
export function tlb_find(cpu: i32, linear: u64, access: i32): i32 {
  const entry = entry_of(tlb_of(cpu, access), linear);
  const cell =
    access & ACCESS_FETCH ? TLB_ENTRY_execTag : access & ACCESS_WRITE ? TLB_ENTRY_writeTag : TLB_ENTRY_readTag;
  if (load<u64>(entry + cell) == (linear & PAGE)) return (linear as i32) + load<i32>(entry + TLB_ENTRY_addend);
  count(cpu + CPU_tlbMisses);
  return 0;
}

/** Remembers the page of a successful walk whose bytes are at `host`. */
export function tlb_fill(cpu: i32, linear: u64, access: i32, host: i32, readOnly: bool): void {
  const entry = entry_of(tlb_of(cpu, access), linear);
  const tag = linear & PAGE;
  const rights = page_rights();
  const changeable = (rights & (PAGE_WRITABLE | PAGE_DIRTY)) == (PAGE_WRITABLE | PAGE_DIRTY);
  const writable = changeable && !readOnly && plainly_writable(cpu, host);
  const same = load<u64>(entry + TLB_ENTRY_readTag) == tag;
  const readTag = access & ACCESS_FETCH && !same ? fetched_read_tag(cpu, access, tag) : tag;
  const hidden = !(rights & PAGE_READABLE) || is_page_watched(cpu, tag);
  store<u64>(entry + TLB_ENTRY_readTag, hidden ? -1 : readTag);
  store<u64>(entry + TLB_ENTRY_writeTag, writable && !hidden ? tag : -1);
  store<u64>(entry + TLB_ENTRY_execTag, rights & PAGE_EXECUTABLE ? tag : -1);
  store<i32>(entry + TLB_ENTRY_addend, (host & ~0xfff) - ((linear as i32) & ~0xfff));
  const shift = page_shift();
  store<i32>(entry + TLB_ENTRY_kind, (shift << SHIFT_AT) | (rights & PAGE_GLOBAL ? GLOBAL : 0));
  if (!(rights & PAGE_GLOBAL)) log_filled(cpu, entry);
  if (shift > 12) store<u8>(region_byte(cpu, linear, shift), 1);
  // another vCPU may have begun to watch the page and not have seen this entry
  memory_fence(cpu);
  if (!plainly_writable(cpu, host)) store<u64>(entry + TLB_ENTRY_writeTag, -1);
}

/** A page that may be fetched may be read too, except a user page under SMAP. */
function fetched_read_tag(cpu: i32, access: i32, tag: u64): u64 {
  return !is_user(cpu, access) && smap_applies(cpu, access) ? -1 : tag;
}

/** Orders stores before the loads that follow: as a locked access does. [SDM 2B MFENCE, 3A 8.2.2] */
export function memory_fence(cpu: i32): void {
  atomic.or<i32>(cpu + CPU_scratch, 0);
}
