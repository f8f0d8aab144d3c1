// The helper library: everything that programs of the IR and the engine call. (asc resolves `.ts` in imports, not in re-exports.)
import { code_map_find, code_map_set, find_block } from "./blocks.ts";
import { clts, invlpg, lmsw, read_control, read_debug, set_alignment_check, write_control, write_debug } from "./control.ts";
import { lar, lsl, verify_segment } from "./descriptor-query.ts";
import { check_umip, load_table, store_table } from "./descriptor-table.ts";
import { crc32c, udiv128, udiv64 } from "./divide.ts";
import { deliver, interrupt, software_interrupt } from "./exceptions.ts";
import { far_call, far_jump } from "./far.ts";
import { enter, into, pop_flags } from "./integer.ts";
import { ins, io_in, io_out, outs } from "./io.ts";
import { fetch_translate_halves, jump_cache_flush, load_slow, store_locked_slow, store_slow, tlb_flush, tlb_protect, translate_halves } from "./mmu.ts";
import { update_mode } from "./mode.ts";
import { cpuid, hypercall, rdmsr, rdtsc, wrmsr } from "./msr.ts";
import { reload_pdptrs } from "./pdptr.ts";
import { far_return, iret } from "./return.ts";
import { segment_check } from "./segment-check.ts";
import { inhibit_if_ss, lldt, load_segment, ltr, selector_of } from "./segments.ts";
import { cmps, lods, movs, scas, stos } from "./strings.ts";
import { syscall, sysenter, sysexit, sysret } from "./syscall.ts";
import { xgetbv, xsetbv } from "./xcr.ts";

export {
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
  verify_segment,
  check_umip,
  load_table,
  store_table,
  crc32c,
  udiv128,
  udiv64,
  deliver,
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
  load_slow,
  store_locked_slow,
  store_slow,
  tlb_flush,
  tlb_protect,
  translate_halves,
  update_mode,
  cpuid,
  hypercall,
  rdmsr,
  rdtsc,
  wrmsr,
  reload_pdptrs,
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
  xgetbv,
  xsetbv,
};
