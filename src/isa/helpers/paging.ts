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
  CPU_notCanonical,
  CPU_pdptr,
  CPU_trap,
  EFLAGS_AC,
  TRAP_exception,
  VECTOR_GP,
  VECTOR_PF,
} from "./layout.generated.ts";
import { mark_dirty, phys_to_host } from "./physical.ts";
import { is_canonical } from "./registers.ts";

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

const CR0_PG: u64 = 0x80000000;
const CR0_WP: u64 = 0x10000;
const CR4_PSE: u64 = 0x10;
const CR4_PAE: u64 = 0x20;
const CR4_PGE: u64 = 0x80;
const CR4_SMEP: u64 = 0x100000;
const CR4_SMAP: u64 = 0x200000;
const EFER_NXE: u64 = 0x800;
const EFER_LMA: u64 = 0x400;

const FRAME: u64 = 0x000ffffffffff000;

/** What the last successful walk found: the rights of the page for the access's privilege, and whether it is global. */
export const PAGE_WRITABLE: i32 = 1;
export const PAGE_DIRTY: i32 = 2;
export const PAGE_EXECUTABLE: i32 = 4;
export const PAGE_GLOBAL: i32 = 8;
let pageRights: i32 = 0;

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
  if (is_canonical(linear) && is_canonical(last)) return false;
  not_canonical(cpu, is_canonical(linear) ? last : linear);
  return true;
}

/**
 * Guest-physical address of a linear address for an access, setting accessed and dirty bits; -1 with CPU.trap set
 * when it faults. page_rights() then tells what else is allowed on the page.
 */
export function walk(cpu: i32, linear: u64, access: i32): u64 {
  if (!(load<u64>(cpu + CPU_cr0) & CR0_PG)) {
    pageRights = PAGE_WRITABLE | PAGE_DIRTY | PAGE_EXECUTABLE;
    return linear;
  }
  if (load<u64>(cpu + CPU_efer) & EFER_LMA) {
    if (!is_canonical(linear)) return not_canonical(cpu, linear);
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

/** Sets the accessed bit of an entry, of 4 or 8 bytes, that is not the last one: it is used, wherever the walk ends. [SDM 3A 4.8] */
function set_accessed(cpu: i32, host: i32): void {
  atomic.or<u32>(host, A as u32);
  mark_dirty(cpu, host);
}

function walk_long(cpu: i32, linear: u64, access: i32): u64 {
  const reserved = reserved_bits(cpu);
  let table = load<u64>(cpu + CPU_cr3) & FRAME;
  let rights: u64 = RW | US;
  let nx: u64 = 0;
  for (let shift: u64 = 39; shift >= 12; shift -= 9) {
    const at = table + (((linear >> shift) & 0x1ff) << 3);
    const host = phys_to_host(cpu, at);
    if (!host) return page_fault(cpu, linear, access, 0);
    const entry = load<u64>(host);
    if (!(entry & P)) return page_fault(cpu, linear, access, 0);
    if (entry & reserved || (shift == 39 && entry & PS)) return page_fault(cpu, linear, access, 9);
    rights &= entry;
    nx |= entry & NX;
    const leaf = shift == 12 || (entry & PS) != 0;
    if (leaf) {
      const offset = ((1 as u64) << shift) - 1;
      if (shift > 12 && entry & FRAME & offset & ~0x1fff) return page_fault(cpu, linear, access, 9);
      return finish64(cpu, linear, access, host, entry, rights, nx, (entry & FRAME & ~offset) | (linear & offset));
    }
    if (!(entry & A)) set_accessed(cpu, host);
    table = entry & FRAME;
  }
  return -1;
}

function walk_pae(cpu: i32, linear: u64, access: i32): u64 {
  const reserved = reserved_bits(cpu) | 0x7ff0000000000000;
  const directory = load<u64>(cpu + CPU_pdptr + ((((linear >> 30) & 3) as i32) << 3));
  if (!(directory & P)) return page_fault(cpu, linear, access, 0);
  let host = phys_to_host(cpu, (directory & FRAME) + (((linear >> 21) & 0x1ff) << 3));
  if (!host) return page_fault(cpu, linear, access, 0);
  let entry = load<u64>(host);
  if (!(entry & P)) return page_fault(cpu, linear, access, 0);
  if (entry & reserved) return page_fault(cpu, linear, access, 9);
  let rights = entry & (RW | US);
  let nx = entry & NX;
  if (entry & PS) {
    if (entry & 0x1fe000) return page_fault(cpu, linear, access, 9);
    return finish64(cpu, linear, access, host, entry, rights, nx, (entry & FRAME & ~0x1fffff) | (linear & 0x1fffff));
  }
  if (!(entry & A)) set_accessed(cpu, host);
  host = phys_to_host(cpu, (entry & FRAME) + (((linear >> 12) & 0x1ff) << 3));
  if (!host) return page_fault(cpu, linear, access, 0);
  entry = load<u64>(host);
  if (!(entry & P)) return page_fault(cpu, linear, access, 0);
  if (entry & reserved) return page_fault(cpu, linear, access, 9);
  rights &= entry;
  nx |= entry & NX;
  return finish64(cpu, linear, access, host, entry, rights, nx, (entry & FRAME) | (linear & 0xfff));
}

function walk_32(cpu: i32, linear: u64, access: i32): u64 {
  let host = phys_to_host(cpu, (load<u64>(cpu + CPU_cr3) & 0xfffff000) + ((linear >> 22) << 2));
  if (!host) return page_fault(cpu, linear, access, 0);
  let entry = load<u32>(host) as u64;
  if (!(entry & P)) return page_fault(cpu, linear, access, 0);
  let rights = entry & (RW | US);
  const pse = load<u64>(cpu + CPU_cr4) & CR4_PSE;
  if (pse && entry & PS) {
    if (entry & 0x200000) return page_fault(cpu, linear, access, 9);
    const frame = (entry & 0xffc00000) | ((entry & 0x1fe000) << 19);
    return finish32(cpu, linear, access, host, entry, rights, frame | (linear & 0x3fffff));
  }
  if (!(entry & A)) set_accessed(cpu, host);
  host = phys_to_host(cpu, (entry & 0xfffff000) + (((linear >> 12) & 0x3ff) << 2));
  if (!host) return page_fault(cpu, linear, access, 0);
  entry = load<u32>(host) as u64;
  if (!(entry & P)) return page_fault(cpu, linear, access, 0);
  rights &= entry;
  return finish32(cpu, linear, access, host, entry, rights, (entry & 0xfffff000) | (linear & 0xfff));
}

function finish64(cpu: i32, linear: u64, access: i32, host: i32, entry: u64, rights: u64, nx: u64, physical: u64): u64 {
  if (!permit(cpu, access, rights, nx)) return page_fault(cpu, linear, access, 1);
  const wanted = access & ACCESS_WRITE ? A | D : A;
  if ((entry & wanted) != wanted) {
    atomic.or<u64>(host, wanted);
    mark_dirty(cpu, host);
  }
  note_rights(cpu, access, entry | wanted, rights, nx);
  return physical;
}

function finish32(cpu: i32, linear: u64, access: i32, host: i32, entry: u64, rights: u64, physical: u64): u64 {
  if (!permit(cpu, access, rights, 0)) return page_fault(cpu, linear, access, 1);
  const wanted = access & ACCESS_WRITE ? A | D : A;
  if ((entry & wanted) != wanted) {
    atomic.or<u32>(host, wanted as u32);
    mark_dirty(cpu, host);
  }
  note_rights(cpu, access, entry | wanted, rights, 0);
  return physical;
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
  return (rights & RW) != 0 || (!is_user(cpu, access) && !(load<u64>(cpu + CPU_cr0) & CR0_WP));
}

function may_fetch(cpu: i32, access: i32, rights: u64, nx: u64): bool {
  if (nx) return false;
  if (is_user(cpu, access)) return (rights & US) != 0;
  return !(rights & US) || !(load<u64>(cpu + CPU_cr4) & CR4_SMEP);
}

function note_rights(cpu: i32, access: i32, entry: u64, rights: u64, nx: u64): void {
  let found = 0;
  if (may_write(cpu, access, rights)) found |= PAGE_WRITABLE;
  if (entry & D) found |= PAGE_DIRTY;
  if (may_fetch(cpu, access, rights, nx)) found |= PAGE_EXECUTABLE;
  if (entry & G && load<u64>(cpu + CPU_cr4) & CR4_PGE) found |= PAGE_GLOBAL;
  pageRights = found;
}
