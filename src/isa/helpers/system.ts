// The system side of the processor: what index.ts exports of it.
import { clts, invlpg, lmsw, read_control, read_debug, set_alignment_check, write_control, write_debug } from "./control.ts";
import { lar, lsl, verify_segment } from "./descriptor-query.ts";
import { check_umip, load_table, store_table } from "./descriptor-table.ts";
import { deliver, interrupt, software_interrupt } from "./exceptions.ts";
import { far_call, far_jump } from "./far.ts";
import { ins, io_in, io_out, outs } from "./io.ts";
import { update_mode, update_unit_traps } from "./mode.ts";
import { cpuid, hypercall, rdmsr, rdtsc, wrmsr } from "./msr.ts";
import { load_pdptrs } from "./pdptr.ts";
import { far_return, iret } from "./return.ts";
import { segment_check } from "./segment-check.ts";
import { inhibit_if_ss, lldt, load_segment, ltr, selector_of } from "./segments.ts";
import { syscall, sysenter, sysexit, sysret } from "./syscall.ts";
import { xgetbv, xsetbv } from "./xcr.ts";

export {
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
  deliver,
  interrupt,
  software_interrupt,
  far_call,
  far_jump,
  ins,
  io_in,
  io_out,
  outs,
  update_mode,
  update_unit_traps,
  cpuid,
  hypercall,
  rdmsr,
  rdtsc,
  wrmsr,
  load_pdptrs,
  far_return,
  iret,
  segment_check,
  inhibit_if_ss,
  lldt,
  load_segment,
  ltr,
  selector_of,
  syscall,
  sysenter,
  sysexit,
  sysret,
  xgetbv,
  xsetbv,
};
