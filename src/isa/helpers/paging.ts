// The page walk. [SDM 3A 4]
import {
  CPU_cr0,
  CPU_cr3,
  CPU_cr4,
  CPU_cpl,
  CPU_eflags,
  CPU_efer,
  CPU_faultAddress,
  CPU_faultError,
  CPU_faultVector,
  CPU_maxPhyAddr,
  CPU_keysUsed,
  CPU_notCanonical,
  CPU_pdptr,
  CPU_pkrs,
  CPU_pkru,
  CPU_trap,
  CR0_PG,
  CR0_WP,
  CR4_LA57,
  CR4_PAE,
  CR4_PGE,
  CR4_PKE,
  CR4_PKS,
  CR4_PSE,
  CR4_SMAP,
  CR4_SMEP,
  EFER_LMA,
  EFER_NXE,
  EFLAGS_AC,
  FEATURE_pdpe1gb,
  FEATURE_pse36,
  TRAP_exception,
  VECTOR_GP,
  VECTOR_PF,
} from "./layout.generated.ts";
import { found_read_only, mark_dirty, phys_to_host } from "./physical.ts";
import { has_feature, is_canonical } from "./registers.ts";

/** Bits of an access. `user` and `supervisor` override the current privilege level. */
export const ACCESS_READ: i32 = 0;
export const ACCESS_WRITE: i32 = 1;
export const ACCESS_USER: i32 = 2;
export const ACCESS_SUPERVISOR: i32 = 4;
export const ACCESS_FETCH: i32 = 8;
/** The access is exempt from alignment checks. */
export const ACCESS_ANYWHERE: i32 = 16;

const P: u64 = 1;
const RW: u64 = 2;
const US: u64 = 4;
const A: u64 = 0x20;
const D: u64 = 0x40;
const PS: u64 = 0x80;
const G: u64 = 0x100;
const NX: u64 = 1 << 63;

/** Error code bit: a protection key forbids the access. [SDM 3A 4.7] */
const PK: i32 = 0x20;

const FRAME: u64 = 0x000ffffffffff000;

/** What the last successful walk found: the rights of the page for the access's privilege, and whether it is global. */
export const PAGE_WRITABLE: i32 = 1;
export const PAGE_DIRTY: i32 = 2;
export const PAGE_EXECUTABLE: i32 = 4;
export const PAGE_GLOBAL: i32 = 8;
export const PAGE_READABLE: i32 = 16;
let pageRights: i32 = 0;
let pageShift: i32 = 12;

/** The size of the last page found, as a power of two. */
export function page_shift(): i32 {
  return pageShift;
}

export function page_rights(): i32 {
  return pageRights;
}

/** Whether an access has user privilege. */
export function is_user(cpu: i32, access: i32): bool {
  if (access & ACCESS_USER) return true;
  if (access & ACCESS_SUPERVISOR) return false;
  return load<i32>(cpu + CPU_cpl) == 3;
}

/** Whether SMAP forbids this supervisor access to user pages. [SDM 3A 4.6.1] */
export function smap_applies(cpu: i32, access: i32): bool {
  if (!(load<u64>(cpu + CPU_cr4) & CR4_SMAP)) return false;
  if (access & ACCESS_SUPERVISOR) return true;
  return !(load<i32>(cpu + CPU_eflags) & EFLAGS_AC);
}

function page_fault(cpu: i32, linear: u64, access: i32, cause: i32): u64 {
  let code = cause;
  if (access & ACCESS_WRITE) code |= 2;
  if (is_user(cpu, access)) code |= 4;
  const fetchBit =
    load<u64>(cpu + CPU_cr4) & CR4_SMEP || (load<u64>(cpu + CPU_efer) & EFER_NXE && load<u64>(cpu + CPU_cr4) & CR4_PAE);
  if (access & ACCESS_FETCH && fetchBit) code |= 16;
  store<i32>(cpu + CPU_faultVector, VECTOR_PF);
  store<i32>(cpu + CPU_faultError, code);
  store<u64>(cpu + CPU_faultAddress, linear);
  store<i32>(cpu + CPU_trap, TRAP_exception);
  return -1;
}

function not_canonical(cpu: i32, linear: u64): u64 {
  store<u64>(cpu + CPU_notCanonical, linear);
  store<i32>(cpu + CPU_faultVector, VECTOR_GP);
  store<i32>(cpu + CPU_faultError, 0);
  store<i32>(cpu + CPU_trap, TRAP_exception);
  return -1;
}

/** Raises #GP if some of `width` bytes at a linear address are not canonical; true: trapped. Comes before page faults. */
export function refuse_noncanonical(cpu: i32, linear: u64, width: i32): bool {
  if (!(load<u64>(cpu + CPU_efer) & EFER_LMA)) return false;
  const last = linear + (width as u64) - 1;
  if (is_canonical(cpu, linear) && is_canonical(cpu, last)) return false;
  not_canonical(cpu, is_canonical(cpu, linear) ? last : linear);
  return true;
}

/**
 * Guest-physical address of a linear address for an access, setting accessed and dirty bits; -1 with CPU.trap set
 * when it faults. page_rights() then tells what else is allowed on the page.
 */
export function walk(cpu: i32, linear: u64, access: i32): u64 {
  let physical = RACED;
  while (physical == RACED) {
    pageShift = 12;
    keyRights = 0;
    physical = walk_once(cpu, linear, access);
  }
  return physical;
}

function walk_once(cpu: i32, linear: u64, access: i32): u64 {
  if (!(load<u64>(cpu + CPU_cr0) & CR0_PG)) {
    pageRights = PAGE_READABLE | PAGE_WRITABLE | PAGE_DIRTY | PAGE_EXECUTABLE;
    return linear;
  }
  if (load<u64>(cpu + CPU_efer) & EFER_LMA) {
    if (!is_canonical(cpu, linear)) return not_canonical(cpu, linear);
    return walk_long(cpu, linear, access);
  }
  if (load<u64>(cpu + CPU_cr4) & CR4_PAE) return walk_pae(cpu, linear, access);
  return walk_32(cpu, linear, access);
}

/** Bits that must be 0 in every 64-bit entry: above the physical address width, and NX when it is not enabled. */
function reserved_bits(cpu: i32): u64 {
  const width = load<i32>(cpu + CPU_maxPhyAddr) as u64;
  const above = ~(((1 as u64) << width) - 1) & FRAME;
  return load<u64>(cpu + CPU_efer) & EFER_NXE ? above : above | NX;
}

/** What a walk returns instead of an address when an entry changed while it was used: walk again. */
const RACED: u64 = -2;

/** Whether the slot of the entry looked up last is read-only: its accessed and dirty bits stay as they are. */
let fixed: bool = false;

/** Host address of a paging-structure entry, or 0. */
function entry_at(cpu: i32, physical: u64): i32 {
  const host = phys_to_host(cpu, physical);
  fixed = host != 0 && found_read_only();
  return host;
}

/**
 * Sets accessed and dirty bits of an entry of 4 or 8 bytes at once, whatever becomes of the walk then; false: it is not what it
 * was. [SDM 3A 4.8]
 */
function mark_used(cpu: i32, host: i32, entry: u64, wanted: u64, width: i32): bool {
  if (fixed || (entry & wanted) == wanted) return true;
  const before =
    width == 8
      ? atomic.cmpxchg<u64>(host, entry, entry | wanted)
      : (atomic.cmpxchg<u32>(host, entry as u32, (entry | wanted) as u32) as u64);
  if (before != entry) return false;
  mark_dirty(cpu, host);
  return true;
}

/** Whether a large page of an entry's level exists and the entry's frame is aligned to it. */
function is_large_possible(cpu: i32, entry: u64, shift: u64): bool {
  if (shift > 30 || (shift == 30 && !has_feature(cpu, FEATURE_pdpe1gb))) return false;
  return !(entry & FRAME & (((1 as u64) << shift) - 1) & ~0x1fff);
}

/** 4-level and 5-level paging. [SDM 3A 4.5] */
function walk_long(cpu: i32, linear: u64, access: i32): u64 {
  const reserved = reserved_bits(cpu);
  let table = load<u64>(cpu + CPU_cr3) & FRAME;
  let rights: u64 = RW | US;
  let nx: u64 = 0;
  for (let shift: u64 = load<u64>(cpu + CPU_cr4) & CR4_LA57 ? 48 : 39; shift >= 12; shift -= 9) {
    const host = entry_at(cpu, table + (((linear >> shift) & 0x1ff) << 3));
    if (!host) return page_fault(cpu, linear, access, 0);
    const entry = load<u64>(host);
    if (!(entry & P)) return page_fault(cpu, linear, access, 0);
    const large = shift > 12 && (entry & PS) != 0;
    if (entry & reserved || (large && !is_large_possible(cpu, entry, shift))) return page_fault(cpu, linear, access, 9);
    rights &= entry;
    nx |= entry & NX;
    if (large || shift == 12) {
      const offset = ((1 as u64) << shift) - 1;
      pageShift = shift as i32;
      use_key(cpu, entry, rights);
      return finish(cpu, linear, access, host, entry, rights, nx, (entry & FRAME & ~offset) | (linear & offset), 8);
    }
    if (!mark_used(cpu, host, entry, A, 8)) return RACED;
    table = entry & FRAME;
  }
  return -1;
}

/** PAE paging. [SDM 3A 4.4] */
function walk_pae(cpu: i32, linear: u64, access: i32): u64 {
  const reserved = reserved_bits(cpu) | 0x7ff0000000000000;
  let entry = load<u64>(cpu + CPU_pdptr + ((((linear >> 30) & 3) as i32) << 3));
  if (!(entry & P)) return page_fault(cpu, linear, access, 0);
  let rights: u64 = RW | US;
  let nx: u64 = 0;
  for (let shift: u64 = 21; shift >= 12; shift -= 9) {
    const host = entry_at(cpu, (entry & FRAME) + (((linear >> shift) & 0x1ff) << 3));
    if (!host) return page_fault(cpu, linear, access, 0);
    entry = load<u64>(host);
    if (!(entry & P)) return page_fault(cpu, linear, access, 0);
    const large = shift > 12 && (entry & PS) != 0;
    if (entry & reserved || (large && entry & 0x1fe000)) return page_fault(cpu, linear, access, 9);
    rights &= entry;
    nx |= entry & NX;
    if (large || shift == 12) {
      const offset = ((1 as u64) << shift) - 1;
      pageShift = shift as i32;
      return finish(cpu, linear, access, host, entry, rights, nx, (entry & FRAME & ~offset) | (linear & offset), 8);
    }
    if (!mark_used(cpu, host, entry, A, 8)) return RACED;
  }
  return -1;
}

/** Bits that must be 0 in the entry of a page of 4 MiB; PSE-36 gives it up to 40 bits of address. [SDM 3A table 4-4] */
function reserved_large(cpu: i32): u64 {
  const width = has_feature(cpu, FEATURE_pse36) ? min(40, load<i32>(cpu + CPU_maxPhyAddr)) : 32;
  return 0x3fffff & ~(((1 as u64) << ((width - 19) as u64)) - 1);
}

/** 32-bit paging. [SDM 3A 4.3] */
function walk_32(cpu: i32, linear: u64, access: i32): u64 {
  let host = entry_at(cpu, (load<u64>(cpu + CPU_cr3) & 0xfffff000) + ((linear >> 22) << 2));
  if (!host) return page_fault(cpu, linear, access, 0);
  let entry = load<u32>(host) as u64;
  if (!(entry & P)) return page_fault(cpu, linear, access, 0);
  let rights = entry & (RW | US);
  const pse = load<u64>(cpu + CPU_cr4) & CR4_PSE;
  if (pse && entry & PS) {
    if (entry & reserved_large(cpu)) return page_fault(cpu, linear, access, 9);
    const frame = (entry & 0xffc00000) | ((entry & 0x1fe000) << 19);
    pageShift = 22;
    return finish(cpu, linear, access, host, entry, rights, 0, frame | (linear & 0x3fffff), 4);
  }
  if (!mark_used(cpu, host, entry, A, 4)) return RACED;
  host = entry_at(cpu, (entry & 0xfffff000) + (((linear >> 12) & 0x3ff) << 2));
  if (!host) return page_fault(cpu, linear, access, 0);
  entry = load<u32>(host) as u64;
  if (!(entry & P)) return page_fault(cpu, linear, access, 0);
  rights &= entry;
  return finish(cpu, linear, access, host, entry, rights, 0, (entry & 0xfffff000) | (linear & 0xfff), 4);
}

/** The end of a walk at an entry of `width` bytes: checks the rights and marks the entry. */
function finish(
  cpu: i32,
  linear: u64,
  access: i32,
  host: i32,
  entry: u64,
  rights: u64,
  nx: u64,
  physical: u64,
  width: i32,
): u64 {
  const locked = forbids_key(cpu, access);
  if (locked || !permit(cpu, access, rights, nx)) return page_fault(cpu, linear, access, locked ? 1 | PK : 1);
  const wanted = access & ACCESS_WRITE ? A | D : A;
  if (!mark_used(cpu, host, entry, wanted, width)) return RACED;
  note_rights(cpu, access, entry | wanted, rights, nx);
  return physical;
}

/** What PKRU or IA32_PKRS forbids for the key of the page found. */
const NO_ACCESS: i32 = 1;
const NO_WRITE: i32 = 2;
let keyRights: i32 = 0;

/** Looks up the protection key of a page and notes that the TLB depends on it. [SDM 3A 4.6.2] */
function use_key(cpu: i32, entry: u64, rights: u64): void {
  const user = (rights & US) != 0;
  if (!(load<u64>(cpu + CPU_cr4) & (user ? CR4_PKE : CR4_PKS))) return;
  const key = (entry >> 59) as i32 & 15;
  keyRights = (load<u32>(cpu + (user ? CPU_pkru : CPU_pkrs)) >> (2 * key)) & 3;
  store<i32>(cpu + CPU_keysUsed, load<i32>(cpu + CPU_keysUsed) | (1 << (user ? key : key + 16)));
}

/** Whether a write is held to the page's rights: the user's always, the supervisor's under CR0.WP. */
function is_write_checked(cpu: i32, access: i32): bool {
  return is_user(cpu, access) || (load<u64>(cpu + CPU_cr0) & CR0_WP) != 0;
}

function forbids_key(cpu: i32, access: i32): bool {
  if (access & ACCESS_FETCH) return false;
  if (keyRights & NO_ACCESS) return true;
  return (keyRights & NO_WRITE) != 0 && (access & ACCESS_WRITE) != 0 && is_write_checked(cpu, access);
}

/** Access rights. [SDM 3A 4.6.1] */
function permit(cpu: i32, access: i32, rights: u64, nx: u64): bool {
  if (access & ACCESS_FETCH) return may_fetch(cpu, access, rights, nx);
  if (is_user(cpu, access)) {
    if (!(rights & US)) return false;
  } else if (rights & US && smap_applies(cpu, access)) return false;
  return !(access & ACCESS_WRITE) || may_write(cpu, access, rights);
}

function may_write(cpu: i32, access: i32, rights: u64): bool {
  return (rights & RW) != 0 || !is_write_checked(cpu, access);
}

function may_fetch(cpu: i32, access: i32, rights: u64, nx: u64): bool {
  if (nx) return false;
  if (is_user(cpu, access)) return (rights & US) != 0;
  return !(rights & US) || !(load<u64>(cpu + CPU_cr4) & CR4_SMEP);
}

function note_rights(cpu: i32, access: i32, entry: u64, rights: u64, nx: u64): void {
  let found = keyRights & NO_ACCESS ? 0 : PAGE_READABLE;
  const locked = keyRights && is_write_checked(cpu, access);
  if (may_write(cpu, access, rights) && !locked) found |= PAGE_WRITABLE;
  if (entry & D) found |= PAGE_DIRTY;
  if (may_fetch(cpu, access, rights, nx)) found |= PAGE_EXECUTABLE;
  if (entry & G && load<u64>(cpu + CPU_cr4) & CR4_PGE) found |= PAGE_GLOBAL;
  pageRights = found;
}
