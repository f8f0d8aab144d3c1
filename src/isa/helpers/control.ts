// Control and debug registers. [SDM 3A 2.5, 3B 18.2]
import {
  CPU_cr0,
  CPU_cr2,
  CPU_cr3,
  CPU_cr4,
  CPU_cr8,
  CPU_dr,
  CPU_efer,
  CPU_eflags,
  CPU_faultAddress,
  CPU_linearMask,
  CPU_maxPhyAddr,
  CPU_scratch,
  CR0_AM,
  CR0_CD,
  CR0_EM,
  CR0_ET,
  CR0_MP,
  CR0_NE,
  CR0_NW,
  CR0_PE,
  CR0_PG,
  CR0_TS,
  CR0_WP,
  CR4_DE,
  CR4_FSGSBASE,
  CR4_LA57,
  CR4_MCE,
  CR4_OSFXSR,
  CR4_OSXMMEXCPT,
  CR4_OSXSAVE,
  CR4_PAE,
  CR4_PCE,
  CR4_PCIDE,
  CR4_PGE,
  CR4_PKE,
  CR4_PKS,
  CR4_PSE,
  CR4_PVI,
  CR4_SMAP,
  CR4_SMEP,
  CR4_TSD,
  CR4_UMIP,
  CR4_VME,
  DR6_BD,
  DR6_fixed,
  DR6_writable,
  DR7_fixed,
  DR7_GD,
  DR7_writable,
  EFER_LMA,
  EFER_LME,
  EFLAGS_AC,
  SEGMENTS_cs,
  SEGMENT_base,
  VECTOR_DB,
  VECTOR_UD,
} from "./layout.generated.ts";
import { end_resume_flag, is_watching } from "./debug.ts";
import { LONG } from "./descriptor.ts";
import { raise, raise_gp } from "./fault.ts";
import { cpuid } from "./env.ts";
import {
  tlb_flush,
  tlb_flush_all_nonglobal,
  tlb_flush_nonglobal,
  tlb_flush_page,
  tlb_flush_pcid,
  tlb_select,
  tlb_switch,
} from "./tlb.ts";
import { update_mode, update_unit_traps } from "./mode.ts";
import { load_pdptrs } from "./pdptr.ts";
import { cpl, is_canonical_register, is_code64, is_long, is_v86, segment_attributes } from "./registers.ts";

/** The bits of CR0 that can be set. */
export const CR0_WRITABLE: u64 =
  CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;

/** CR4 bits whose change changes what a linear address means. */
const CR4_TRANSLATION: u64 = CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP | CR4_SMAP | CR4_PCIDE | CR4_PKE | CR4_PKS;
/** CR4 bits whose change reloads the PDPTEs. [SDM 3A 4.4.1] */
const CR4_PDPTR: u64 = CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP;

/** MOV from a control register; look at CPU.trap afterwards. [SDM 2B MOV] */
export function read_control(cpu: i32, number: i32): u64 {
  if (cpl(cpu)) raise_gp(cpu);
  if (number == 0) return load<u64>(cpu + CPU_cr0);
  if (number == 2) return load<u64>(cpu + CPU_cr2);
  if (number == 3) return load<u64>(cpu + CPU_cr3);
  if (number == 4) return load<u64>(cpu + CPU_cr4);
  if (number == 8) return load<u64>(cpu + CPU_cr8);
  raise(cpu, VECTOR_UD, 0);
  return 0;
}

/** MOV to a control register. */
export function write_control(cpu: i32, number: i32, value: u64): void {
  const exists = number == 0 || number == 8 || (number >= 2 && number <= 4);
  if (!exists) raise(cpu, VECTOR_UD, 0);
  else if (cpl(cpu)) raise_gp(cpu);
  else if (number == 0) write_cr0(cpu, value);
  else if (number == 2) store<u64>(cpu + CPU_cr2, value);
  else if (number == 3) write_cr3(cpu, value);
  else if (number == 4) write_cr4(cpu, value);
  else write_cr8(cpu, value);
}

/** Whether CR0 may become `value`; the current values decide about paging and IA-32e mode. */
function is_cr0_possible(cpu: i32, value: u64): bool {
  if (value >> 32 || (value & CR0_PG && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD))) return false;
  const paging = (load<u64>(cpu + CPU_cr0) & CR0_PG) != 0;
  const cr4 = load<u64>(cpu + CPU_cr4);
  if (paging && !(value & CR0_PG)) return !is_code64(cpu) && !(cr4 & CR4_PCIDE);
  if (paging || !(value & CR0_PG) || !(load<u64>(cpu + CPU_efer) & EFER_LME)) return true;
  return (cr4 & CR4_PAE) != 0 && !(segment_attributes(cpu, SEGMENTS_cs) & LONG);
}

/** Sets CR0 and switches IA-32e mode on or off with paging. [SDM 3A 10.8.5] */
function write_cr0(cpu: i32, value: u64): void {
  if (!is_cr0_possible(cpu, value)) {
    raise_gp(cpu);
    return;
  }
  const old = load<u64>(cpu + CPU_cr0);
  const now = (value & CR0_WRITABLE) | CR0_ET;
  const efer = load<u64>(cpu + CPU_efer);
  const long = now & CR0_PG && efer & EFER_LME;
  const reload = now & CR0_PG && (old ^ now) & (CR0_PG | CR0_CD | CR0_NW);
  if (reload && !long && !reload_pdptrs(cpu, load<u64>(cpu + CPU_cr4))) return;
  store<u64>(cpu + CPU_cr0, now);
  store<u64>(cpu + CPU_efer, long ? efer | EFER_LMA : efer & ~EFER_LMA);
  if ((old ^ now) & (CR0_PG | CR0_WP | CR0_PE)) tlb_flush(cpu);
  update_mode(cpu);
}

/** Under PAE paging, loads the PDPTEs; false: #GP raised. */
function reload_pdptrs(cpu: i32, cr4: u64): bool {
  if (!(cr4 & CR4_PAE) || load_pdptrs(cpu, load<u64>(cpu + CPU_cr3))) return true;
  raise_gp(cpu);
  return false;
}

const CR3_NO_FLUSH: u64 = 0x8000000000000000;

function write_cr3(cpu: i32, value: u64): void {
  const cr4 = load<u64>(cpu + CPU_cr4);
  const long = is_long(cpu);
  const now = cr4 & CR4_PCIDE ? value & ~CR3_NO_FLUSH : value;
  const width = load<i32>(cpu + CPU_maxPhyAddr) as u64;
  const paging = (load<u64>(cpu + CPU_cr0) & CR0_PG) != 0;
  const impossible = long && now >> width != 0;
  if (impossible || (paging && !long && cr4 & CR4_PAE && !load_pdptrs(cpu, now))) {
    raise_gp(cpu);
    return;
  }
  store<u64>(cpu + CPU_cr3, now);
  if (cr4 & CR4_PCIDE) tlb_switch(cpu, (now as i32) & 0xfff, (value & CR3_NO_FLUSH) != 0);
  else if (cr4 & CR4_PGE) tlb_flush_nonglobal(cpu);
  else tlb_flush(cpu);
}

/** One register that CPUID returned: 0 EAX to 3 EDX. */
function answer(cpu: i32, register: i32): u32 {
  return load<u32>(cpu + CPU_scratch + 4 * register);
}

/** `bits` if a CPUID bit is set. */
function given(register: u32, bit: i32, bits: u64): u64 {
  return (register >> bit) & 1 ? bits : 0;
}

/** The CR4 bits of this processor, as its CPUID says. [SDM 2A CPUID] */
export function cr4_bits(cpu: i32): u64 {
  cpuid(cpu, 1, 0);
  const ecx = answer(cpu, 2);
  const edx = answer(cpu, 3);
  let bits = CR4_PCE | given(edx, 1, CR4_VME | CR4_PVI) | given(edx, 2, CR4_DE) | given(edx, 3, CR4_PSE);
  bits |= given(edx, 4, CR4_TSD) | given(edx, 6, CR4_PAE) | given(edx, 7, CR4_MCE) | given(edx, 13, CR4_PGE);
  bits |= given(edx, 24, CR4_OSFXSR) | given(edx, 25, CR4_OSXMMEXCPT);
  bits |= given(ecx, 17, CR4_PCIDE) | given(ecx, 26, CR4_OSXSAVE);
  cpuid(cpu, 0, 0);
  if (answer(cpu, 0) < 7) return bits;
  cpuid(cpu, 7, 0);
  const ebx7 = answer(cpu, 1);
  const ecx7 = answer(cpu, 2);
  bits |= given(ebx7, 0, CR4_FSGSBASE) | given(ebx7, 7, CR4_SMEP) | given(ebx7, 20, CR4_SMAP);
  bits |= given(ecx7, 2, CR4_UMIP) | given(ecx7, 3, CR4_PKE) | given(ecx7, 31, CR4_PKS);
  return bits | given(ecx7, 16, CR4_LA57);
}

function is_cr4_possible(cpu: i32, value: u64): bool {
  const changed = load<u64>(cpu + CPU_cr4) ^ value;
  if (value & ~cr4_bits(cpu)) return false;
  if (is_long(cpu) && (!(value & CR4_PAE) || changed & CR4_LA57)) return false;
  const enablesPcid = changed & value & CR4_PCIDE;
  return !enablesPcid || (is_long(cpu) && !(load<u64>(cpu + CPU_cr3) & 0xfff));
}

function write_cr4(cpu: i32, value: u64): void {
  if (!is_cr4_possible(cpu, value)) {
    raise_gp(cpu);
    return;
  }
  const changed = load<u64>(cpu + CPU_cr4) ^ value;
  const paging = (load<u64>(cpu + CPU_cr0) & CR0_PG) != 0;
  if (paging && !is_long(cpu) && changed & CR4_PDPTR && !reload_pdptrs(cpu, value)) return;
  store<u64>(cpu + CPU_cr4, value);
  if (changed & CR4_TRANSLATION) tlb_flush(cpu);
  update_mode(cpu);
}

function write_cr8(cpu: i32, value: u64): void {
  if (value & ~15) raise_gp(cpu);
  else store<u64>(cpu + CPU_cr8, value);
}

/** LMSW: PE can be set but not cleared. [SDM 2A LMSW] */
export function lmsw(cpu: i32, value: i32): void {
  if (cpl(cpu)) {
    raise_gp(cpu);
    return;
  }
  const settable = CR0_PE | CR0_MP | CR0_EM | CR0_TS;
  const old = load<u64>(cpu + CPU_cr0);
  write_cr0(cpu, (old & ~(settable & ~CR0_PE)) | ((value as u64) & settable));
}

/** CLTS; the caller checked the CPL. */
export function clts(cpu: i32): void {
  store<u64>(cpu + CPU_cr0, load<u64>(cpu + CPU_cr0) & ~CR0_TS);
  update_unit_traps(cpu);
}

/** CLAC and STAC; the caller checked the CPL. */
export function set_alignment_check(cpu: i32, on: i32): void {
  const rest = load<i32>(cpu + CPU_eflags) & ~EFLAGS_AC;
  store<i32>(cpu + CPU_eflags, on ? rest | EFLAGS_AC : rest);
  tlb_select(cpu);
}

/** Raises what forbids an access to a debug register; true: trapped. */
function refuse_debug(cpu: i32, number: i32): bool {
  const alias = number == 4 || number == 5;
  if (number > 7 || (alias && load<u64>(cpu + CPU_cr4) & CR4_DE)) return raise(cpu, VECTOR_UD, 0);
  if (cpl(cpu)) return raise_gp(cpu);
  if (!(load<u64>(cpu + CPU_dr + 56) & DR7_GD)) return false;
  store<u64>(cpu + CPU_faultAddress, DR6_BD);
  return raise(cpu, VECTOR_DB, 0);
}

/** State offset of a debug register: DR4 and DR5 are DR6 and DR7. */
function debug_register(number: i32): i32 {
  return CPU_dr + 8 * (number == 4 || number == 5 ? number + 2 : number);
}

/** MOV from a debug register; look at CPU.trap afterwards. */
export function read_debug(cpu: i32, number: i32): u64 {
  return refuse_debug(cpu, number) ? 0 : load<u64>(cpu + debug_register(number));
}

/** MOV to a debug register. */
export function write_debug(cpu: i32, number: i32, value: u64): void {
  if (refuse_debug(cpu, number)) return;
  const at = debug_register(number);
  const watched = is_watching(cpu);
  if (number >= 4 && value >> 32) raise_gp(cpu);
  else if (at == CPU_dr + 48) store<u64>(cpu + at, (value & DR6_writable) | DR6_fixed);
  else if (at == CPU_dr + 56) store<u64>(cpu + at, (value & DR7_writable) | DR7_fixed);
  else store<u64>(cpu + at, value);
  end_resume_flag(cpu);
  if (watched || is_watching(cpu)) update_debug(cpu);
}

/** What follows from the debug registers: after every change of those that count. */
export function update_debug(cpu: i32): void {
  tlb_flush(cpu);
  update_mode(cpu);
}

/** INVLPG of an offset in a segment; the caller checked the CPL. */
export function invlpg(cpu: i32, segment: i32, offset: u64): void {
  const linear = load<u64>(cpu + segment + SEGMENT_base) + offset;
  tlb_flush_page(cpu, linear & load<u64>(cpu + CPU_linearMask));
}

/** Kinds of INVPCID: an address of an identifier, all of an identifier, everything, everything but global pages. [SDM 2A INVPCID] */
const INVALIDATE_ADDRESS: u64 = 0;
const INVALIDATE_CONTEXT: u64 = 1;
const INVALIDATE_ALL: u64 = 2;

/** INVPCID of a kind with a descriptor: identifier and linear address; the caller checked the CPL. */
export function invpcid(cpu: i32, kind: u64, context: u64, linear: u64): void {
  const named = kind <= INVALIDATE_CONTEXT;
  const unknown = named && context != 0 && !(load<u64>(cpu + CPU_cr4) & CR4_PCIDE);
  const outside = kind == INVALIDATE_ADDRESS && !is_canonical_register(cpu, linear);
  if (kind > 3 || context >> 12 || unknown || outside || is_v86(cpu)) raise_gp(cpu);
  else if (kind == INVALIDATE_ADDRESS) tlb_flush_page(cpu, linear);
  else if (kind == INVALIDATE_CONTEXT) tlb_flush_pcid(cpu, context as i32);
  else if (kind == INVALIDATE_ALL) tlb_flush(cpu);
  else tlb_flush_all_nonglobal(cpu);
}
