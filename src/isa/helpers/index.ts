// The helper library: everything that programs of the IR and the engine call. (asc resolves `.ts` in imports, not in re-exports.)
import { deposit_bits, extract_bits } from "./bits.ts";
import { code_map_find, code_map_set, find_block } from "./blocks.ts";
import {
  clts,
  invlpg,
  invpcid,
  lmsw,
  read_control,
  read_debug,
  set_alignment_check,
  update_debug,
  write_control,
  write_debug,
} from "./control.ts";
import { debug_trap } from "./debug.ts";
import { lar, lsl, raise_rpl, verify_segment } from "./descriptor-query.ts";
import { check_umip, load_table, store_table } from "./descriptor-table.ts";
import { crc32c, udiv128, udiv64 } from "./divide.ts";
import { deliver, deliver_raised, interrupt, name_stack_fault, software_interrupt } from "./exceptions.ts";
import { far_call, far_jump } from "./far.ts";
import { raise_plain } from "./fault.ts";
import { enter, into, pop_flags } from "./integer.ts";
import { ins, io_in, io_out, outs } from "./io.ts";
import {
  fetch_translate_halves,
  load_slow,
  store_locked_slow,
  store_slow,
  store_wide_slow,
  translate_halves,
} from "./mmu.ts";
import { code_at_rip, load_checked, store_checked } from "./region.ts";
import { jump_cache_flush } from "./jump-cache.ts";
import { memory_fence, tlb_flush, tlb_protect } from "./tlb.ts";
import { update_mode } from "./mode.ts";
import { cpuid, hypercall, rdmsr, rdtsc, wrmsr } from "./msr.ts";
import { reload_pdptrs } from "./pdptr.ts";
import { random } from "./random.ts";
import { far_return, iret } from "./return.ts";
import { check_canonical, segment_check } from "./segment-check.ts";
import { inhibit_if_ss, lldt, load_segment, ltr, selector_of } from "./segments.ts";
import { simd_float, simd_float_wide, store_halves } from "./simd/float.ts";
import { fused_multiply } from "./simd/fused.ts";
import { clear_vectors, gather_elements, mask_load, mask_move, mask_store } from "./simd/masked.ts";
import { carryless_multiply, compare_strings } from "./simd/text.ts";
import { enter_smm, rsm } from "./smm.ts";
import { cmps, lods, movs, scas, stos } from "./strings.ts";
import { syscall, sysenter, sysexit, sysret } from "./syscall.ts";
import { rdpkru, set_pkru, wrpkru } from "./protection-keys.ts";
import { check_virtual_flags, push_virtual_flags, virtual_interrupt_flag } from "./virtual-flags.ts";
import {
  x87_arithmetic_double,
  x87_arithmetic_integer,
  x87_arithmetic_register,
  x87_arithmetic_single,
  x87_compare_double,
  x87_compare_flags,
  x87_compare_integer,
  x87_compare_register,
  x87_compare_single,
  x87_exchange,
  x87_initialize,
  x87_load_constant,
  x87_load_decimal,
  x87_load_double,
  x87_load_environment,
  x87_load_extended,
  x87_load_integer,
  x87_load_register,
  x87_load_single,
  x87_move_if,
  x87_restore,
  x87_save,
  x87_set_control,
  x87_store,
  x87_store_environment,
  x87_store_if_present,
  x87_store_register,
  x87_opcode,
  x87_unary,
} from "./x87/index.ts";
import { check_xsaves, xgetbv, xsetbv } from "./xcr.ts";
import { components_in_use } from "./xsave/components.ts";
import { fxrstor, fxsave } from "./xsave/fxsave.ts";
import { xrstor } from "./xsave/xrstor.ts";
import { xsave } from "./xsave/xsave.ts";

export {
  check_canonical,
  invpcid,
  rdpkru,
  set_pkru,
  wrpkru,
  check_virtual_flags,
  push_virtual_flags,
  virtual_interrupt_flag,
  deposit_bits,
  extract_bits,
  code_at_rip,
  code_map_find,
  code_map_set,
  find_block,
  clts,
  invlpg,
  lmsw,
  read_control,
  read_debug,
  set_alignment_check,
  write_control,
  write_debug,
  lar,
  lsl,
  raise_rpl,
  verify_segment,
  check_umip,
  load_table,
  store_table,
  crc32c,
  udiv128,
  udiv64,
  debug_trap,
  deliver,
  deliver_raised,
  name_stack_fault,
  interrupt,
  software_interrupt,
  far_call,
  far_jump,
  enter,
  into,
  pop_flags,
  ins,
  io_in,
  io_out,
  outs,
  fetch_translate_halves,
  jump_cache_flush,
  load_checked,
  load_slow,
  memory_fence,
  store_locked_slow,
  store_checked,
  store_slow,
  store_wide_slow,
  tlb_flush,
  tlb_protect,
  translate_halves,
  update_debug,
  update_mode,
  cpuid,
  hypercall,
  rdmsr,
  rdtsc,
  wrmsr,
  reload_pdptrs,
  random,
  far_return,
  iret,
  segment_check,
  inhibit_if_ss,
  lldt,
  load_segment,
  ltr,
  selector_of,
  cmps,
  lods,
  movs,
  scas,
  stos,
  syscall,
  sysenter,
  sysexit,
  sysret,
  enter_smm,
  rsm,
  check_xsaves,
  xgetbv,
  xsetbv,
  components_in_use,
  xrstor,
  xsave,
  raise_plain,
  simd_float,
  simd_float_wide,
  fused_multiply,
  store_halves,
  fxsave,
  fxrstor,
  gather_elements,
  mask_load,
  mask_move,
  mask_store,
  clear_vectors,
  compare_strings,
  carryless_multiply,
  x87_arithmetic_double,
  x87_arithmetic_integer,
  x87_arithmetic_register,
  x87_arithmetic_single,
  x87_compare_double,
  x87_compare_flags,
  x87_compare_integer,
  x87_compare_register,
  x87_compare_single,
  x87_exchange,
  x87_initialize,
  x87_load_constant,
  x87_load_decimal,
  x87_load_double,
  x87_load_environment,
  x87_load_extended,
  x87_load_integer,
  x87_load_register,
  x87_load_single,
  x87_move_if,
  x87_restore,
  x87_save,
  x87_set_control,
  x87_store,
  x87_store_environment,
  x87_store_if_present,
  x87_store_register,
  x87_opcode,
  x87_unary,
};
