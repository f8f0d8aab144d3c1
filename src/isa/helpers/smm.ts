// System management mode: entry by SMI, and RSM. [SDM 3C 31; AMD APM 2 10]
import {
  CPU_cr0,
  CPU_cr3,
  CPU_cr4,
  CPU_dr,
  CPU_efer,
  CPU_eflags,
  CPU_gdtrBase,
  CPU_gdtrLimit,
  CPU_idtrBase,
  CPU_idtrLimit,
  CPU_inhibit,
  CPU_maxPhyAddr,
  CPU_monitorArmed,
  CPU_nmiMasked,
  CPU_resumeRip,
  CPU_rip,
  CPU_smbase,
  CPU_smm,
  CPU_trap,
  CR0_CD,
  CR0_EM,
  CR0_ET,
  CR0_NW,
  CR0_PE,
  CR0_PG,
  CR0_TS,
  CR4_PAE,
  CR4_PCIDE,
  DR6_fixed,
  DR6_writable,
  DR7_fixed,
  DR7_writable,
  EFER_LMA,
  EFER_LME,
  EFLAGS_RF,
  EFLAGS_VM,
  EFLAGS_fixed,
  SAVE32_AUTO_HALT_RESTART,
  SAVE32_CR0,
  SAVE32_CR3,
  SAVE32_CR4,
  SAVE32_DR6,
  SAVE32_DR7,
  SAVE32_EFLAGS,
  SAVE32_EIP,
  SAVE32_GDTR,
  SAVE32_IDTR,
  SAVE32_REVISION,
  SAVE32_SMBASE,
  SAVE64_AUTO_HALT_RESTART,
  SAVE64_CR0,
  SAVE64_CR3,
  SAVE64_CR4,
  SAVE64_DR6,
  SAVE64_DR7,
  SAVE64_EFER,
  SAVE64_GDTR,
  SAVE64_IDTR,
  SAVE64_REVISION,
  SAVE64_RFLAGS,
  SAVE64_RIP,
  SAVE64_SMBASE,
  SEGMENTS_cs,
  SEGMENTS_es,
  SEGMENTS_gs,
  SEGMENT_SIZE,
  SEGMENT_base,
  SMM_ENTRY,
  SMM_REVISION32,
  SMM_REVISION64,
  SMM_STATE_active,
  SMM_STATE_insideNmi,
  TRAP_budget,
  TRAP_halt,
  TRAP_none,
  TRAP_shutdown,
  VECTOR_UD,
} from "./layout.generated.ts";
import { cr4_bits, CR0_WRITABLE, update_debug } from "./control.ts";
import { forget_pending, is_resumed } from "./debug.ts";
import { ACCESSED, BIG, LONG, ORDINARY, PRESENT, set_flat_segment, WRITABLE } from "./descriptor.ts";
import { raise } from "./fault.ts";
import { efer_bits } from "./msr.ts";
import { load_pdptrs } from "./pdptr.ts";
import { eflags } from "./registers.ts";
import {
  clear_image,
  image_at,
  image_to_memory,
  is_wide,
  load_general,
  load_segments,
  load_table_register,
  memory_to_image,
  save,
  saved,
  saved_attributes,
  save_general,
  save_segments,
  save_table,
} from "./smm-image.ts";
import { set_eflags, unpack_flags } from "./system-flags.ts";

// Entry

/**
 * SMI: saves the state and enters the handler; `halted` says that HLT is what it interrupts. CPU.trap is none afterwards, or
 * shutdown where the save area is not in memory that can be written. The flags were packed.
 */
export function enter_smm(cpu: i32, halted: i32): void {
  store<i32>(cpu + CPU_trap, TRAP_none);
  clear_image(cpu);
  save_control(cpu);
  save_general(cpu);
  save_segments(cpu);
  save_description(cpu, halted);
  if (!image_to_memory(cpu)) {
    store<i32>(cpu + CPU_trap, TRAP_shutdown);
    return;
  }
  store<i32>(cpu + CPU_smm, SMM_STATE_active | (load<i32>(cpu + CPU_nmiMasked) ? SMM_STATE_insideNmi : 0));
  store<i32>(cpu + CPU_nmiMasked, 1);
  store<i32>(cpu + CPU_inhibit, 0);
  store<i32>(cpu + CPU_monitorArmed, 0);
  forget_pending(cpu);
  set_handler_registers(cpu);
  unpack_flags(cpu);
  update_debug(cpu);
}

function save_control(cpu: i32): void {
  const flags = eflags(cpu) & (is_resumed(cpu) ? -1 : ~EFLAGS_RF);
  save(cpu, SAVE64_CR0, SAVE32_CR0, load<u64>(cpu + CPU_cr0));
  save(cpu, SAVE64_CR3, SAVE32_CR3, load<u64>(cpu + CPU_cr3));
  save(cpu, SAVE64_CR4, SAVE32_CR4, load<u64>(cpu + CPU_cr4));
  save(cpu, SAVE64_DR6, SAVE32_DR6, load<u64>(cpu + CPU_dr + 48));
  save(cpu, SAVE64_DR7, SAVE32_DR7, load<u64>(cpu + CPU_dr + 56));
  save(cpu, SAVE64_RFLAGS, SAVE32_EFLAGS, (flags | EFLAGS_fixed) as u32 as u64);
  save(cpu, SAVE64_RIP, SAVE32_EIP, load<u64>(cpu + CPU_rip));
  save_table(cpu, SAVE64_GDTR, SAVE32_GDTR, load<u64>(cpu + CPU_gdtrBase), load<u32>(cpu + CPU_gdtrLimit));
  save_table(cpu, SAVE64_IDTR, SAVE32_IDTR, load<u64>(cpu + CPU_idtrBase), load<u32>(cpu + CPU_idtrLimit));
}

/** What tells of the mode itself. */
function save_description(cpu: i32, halted: i32): void {
  const wide = is_wide(cpu);
  store<i32>(image_at(cpu, wide ? SAVE64_REVISION : SAVE32_REVISION), wide ? SMM_REVISION64 : SMM_REVISION32);
  store<i32>(image_at(cpu, wide ? SAVE64_SMBASE : SAVE32_SMBASE), load<i32>(cpu + CPU_smbase));
  store<u8>(image_at(cpu, wide ? SAVE64_AUTO_HALT_RESTART : SAVE32_AUTO_HALT_RESTART), halted as u8);
  if (wide) store<u64>(image_at(cpu, SAVE64_EFER), load<u64>(cpu + CPU_efer));
}

/** Registers at the entry of the handler; the IDT is empty, as KVM has it. [SDM 3C 31.5.1, table 31-4] */
function set_handler_registers(cpu: i32): void {
  const smbase = load<u64>(cpu + CPU_smbase);
  const attributes = PRESENT | ORDINARY | WRITABLE | ACCESSED;
  store<u64>(cpu + CPU_cr0, load<u64>(cpu + CPU_cr0) & ~(CR0_PE | CR0_EM | CR0_TS | CR0_PG));
  store<u64>(cpu + CPU_cr4, 0);
  store<u64>(cpu + CPU_efer, 0);
  store<u64>(cpu + CPU_dr + 56, DR7_fixed);
  store<u64>(cpu + CPU_idtrBase, 0);
  store<i32>(cpu + CPU_idtrLimit, 0);
  for (let at = SEGMENTS_es; at <= SEGMENTS_gs; at += SEGMENT_SIZE) set_flat_segment(cpu, at, 0, attributes);
  set_flat_segment(cpu, SEGMENTS_cs, (smbase >> 4) as i32, attributes);
  store<u64>(cpu + SEGMENTS_cs + SEGMENT_base, smbase);
  store<u64>(cpu + CPU_rip, SMM_ENTRY);
  store<i32>(cpu + CPU_eflags, EFLAGS_fixed);
}

// Return

/**
 * RSM: restores the saved state, which the handler may have changed. Returns the trap after it: HLT goes on, or the engine
 * looks what has waited. Shuts down, with nothing changed, if no processor can be in that state. Writes CPU.rip and
 * CPU.eflags. [SDM 3C 31.3.2, 2B RSM]
 */
export function rsm(cpu: i32): i32 {
  if (!(load<i32>(cpu + CPU_smm) & SMM_STATE_active)) {
    raise(cpu, VECTOR_UD, 0);
    return 0;
  }
  if (!memory_to_image(cpu) || !is_possible(cpu)) {
    store<i32>(cpu + CPU_trap, TRAP_shutdown);
    return 0;
  }
  const halted = load<u8>(image_at(cpu, is_wide(cpu) ? SAVE64_AUTO_HALT_RESTART : SAVE32_AUTO_HALT_RESTART)) & 1;
  load_general(cpu);
  load_segments(cpu);
  load_control(cpu);
  leave(cpu);
  return halted ? TRAP_halt : TRAP_budget;
}

function saved_efer(cpu: i32): u64 {
  return is_wide(cpu) ? load<u64>(image_at(cpu, SAVE64_EFER)) : 0;
}

function saved_flags(cpu: i32): i32 {
  return saved(cpu, SAVE64_RFLAGS, SAVE32_EFLAGS) as i32;
}

/** Whether the saved state is one of IA-32e mode. */
function is_saved_long(cpu: i32): bool {
  return (saved(cpu, SAVE64_CR0, SAVE32_CR0) & CR0_PG) != 0 && (saved_efer(cpu) & EFER_LME) != 0;
}

/** Whether a processor can be in the saved state. [SDM 3C 31.3.2; AMD APM 2 10.3.7] */
function is_possible(cpu: i32): bool {
  const cr0 = saved(cpu, SAVE64_CR0, SAVE32_CR0);
  const cr4 = saved(cpu, SAVE64_CR4, SAVE32_CR4);
  const paging = (cr0 & CR0_PG) != 0;
  if (cr0 >> 32 || (paging && !(cr0 & CR0_PE)) || (cr0 & CR0_NW && !(cr0 & CR0_CD))) return false;
  if ((saved(cpu, SAVE64_DR6, SAVE32_DR6) | saved(cpu, SAVE64_DR7, SAVE32_DR7)) >> 32) return false;
  if (cr4 & ~cr4_bits(cpu) || saved_efer(cpu) & ~(efer_bits(cpu) | EFER_LMA)) return false;
  if (is_saved_long(cpu)) return (cr4 & CR4_PAE) != 0 && is_long_possible(cpu);
  if (cr4 & CR4_PCIDE) return false;
  return !(paging && cr4 & CR4_PAE) || load_pdptrs(cpu, saved(cpu, SAVE64_CR3, SAVE32_CR3));
}

function is_long_possible(cpu: i32): bool {
  const width = load<i32>(cpu + CPU_maxPhyAddr) as u64;
  const both = (saved_attributes(cpu, SEGMENTS_cs) & (LONG | BIG)) == (LONG | BIG);
  return !(saved(cpu, SAVE64_CR3, SAVE32_CR3) >> width) && !both && !(saved_flags(cpu) & EFLAGS_VM);
}

function load_control(cpu: i32): void {
  const long = is_saved_long(cpu);
  const rip = saved(cpu, SAVE64_RIP, SAVE32_EIP);
  const efer = saved_efer(cpu);
  store<u64>(cpu + CPU_cr0, (saved(cpu, SAVE64_CR0, SAVE32_CR0) & CR0_WRITABLE) | CR0_ET);
  store<u64>(cpu + CPU_cr3, saved(cpu, SAVE64_CR3, SAVE32_CR3));
  store<u64>(cpu + CPU_cr4, saved(cpu, SAVE64_CR4, SAVE32_CR4));
  store<u64>(cpu + CPU_efer, long ? efer | EFER_LMA : efer & ~EFER_LMA);
  store<u64>(cpu + CPU_dr + 48, (saved(cpu, SAVE64_DR6, SAVE32_DR6) & DR6_writable) | DR6_fixed);
  store<u64>(cpu + CPU_dr + 56, (saved(cpu, SAVE64_DR7, SAVE32_DR7) & DR7_writable) | DR7_fixed);
  store<u64>(cpu + CPU_rip, long && saved_attributes(cpu, SEGMENTS_cs) & LONG ? rip : rip & 0xffffffff);
  load_table_register(cpu, SAVE64_GDTR, SAVE32_GDTR, CPU_gdtrBase, CPU_gdtrLimit);
  load_table_register(cpu, SAVE64_IDTR, SAVE32_IDTR, CPU_idtrBase, CPU_idtrLimit);
}

/** The mode ends: NMIs are masked as they were before, and SMBASE may be another. */
function leave(cpu: i32): void {
  const smbase = load<u32>(image_at(cpu, is_wide(cpu) ? SAVE64_SMBASE : SAVE32_SMBASE)) as u64;
  store<u64>(cpu + CPU_smbase, smbase);
  store<i32>(cpu + CPU_nmiMasked, load<i32>(cpu + CPU_smm) & SMM_STATE_insideNmi ? 1 : 0);
  store<i32>(cpu + CPU_smm, 0);
  store<i32>(cpu + CPU_inhibit, 0);
  store<u64>(cpu + CPU_resumeRip, load<u64>(cpu + CPU_rip));
  set_eflags(cpu, saved_flags(cpu));
  update_debug(cpu);
}
