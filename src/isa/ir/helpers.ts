import type { ValueType } from "./ops.ts";

/**
 * A function of the helper library (AssemblyScript, src/isa/helpers), as the IR calls it. The first parameter of
 * every helper is the vCPU's base address and is not listed.
 */
export interface HelperDeclaration {
  readonly params: readonly ("i32" | "i64")[];
  readonly result: Exclude<ValueType, "f32" | "f64" | "v128"> | "none";
  /** May fault or exit: the caller looks at state.trap afterwards; the helper has then changed nothing. */
  readonly faults: boolean;
  /** Changes state other than through its result. */
  readonly writes: boolean;
}

const declare = (
  params: string,
  result: HelperDeclaration["result"],
  effects: "pure" | "writes" | "faults" | "faults writes",
): HelperDeclaration => ({
  params: params.split(" ").filter(Boolean) as ("i32" | "i64")[],
  result,
  faults: effects.includes("faults"),
  writes: effects.includes("writes"),
});

/**
 * All helpers. A test looks for each of them in the compiled library; linking the interpreter checks the types.
 * Widths are in bytes; segments are state offsets of segment records.
 */
export const HELPERS = {
  // (state offset of the segment, offset, width, write) -> linear address; #GP/#SS by limit, rights, canonical form
  segment_check: declare("i32 i64 i32 i32", "i64", "faults"),
  // strings.ts: (width, state offset of the source's segment, address mask, repeat 0 none 1 REP/REPE 2 REPNE) -> 1 done, 0 enter
  // the instruction again. cmps and scas leave the last operands in CPU.scratch and +8, and 1 in +16 if they compared
  movs: declare("i32 i32 i64 i32", "i32", "faults writes"),
  stos: declare("i32 i32 i64 i32", "i32", "faults writes"),
  lods: declare("i32 i32 i64 i32", "i32", "faults writes"),
  cmps: declare("i32 i32 i64 i32", "i32", "faults writes"),
  scas: declare("i32 i32 i64 i32", "i32", "faults writes"),
  // mmu.ts: orders a store before the loads that follow it
  memory_fence: declare("", "none", "writes"),
  // divide.ts: (dividend, divisor) -> quotient, 0 for a divisor of 0
  udiv64: declare("i64 i64", "i64", "pure"),
  // (dividend's high half, low half, divisor greater than the high half) -> quotient
  udiv128: declare("i64 i64 i64", "i64", "pure"),
  // (CRC, data, bytes) -> CRC-32C
  crc32c: declare("i32 i64 i32", "i32", "pure"),
  // bits.ts: (value, mask): PDEP and PEXT
  deposit_bits: declare("i64 i64", "i64", "pure"),
  extract_bits: declare("i64 i64", "i64", "pure"),
  // integer.ts: (Iw | Ib << 16, width)
  enter: declare("i32 i32", "none", "faults writes"),
  // (popped image, operand size in bits): the system flags after POPF
  pop_flags: declare("i32 i32", "none", "writes"),
  // (rip of the next instruction, EFLAGS): writes CPU.rip
  into: declare("i64 i32", "none", "faults writes"),
  // (kind, identifier, linear address)
  invpcid: declare("i64 i64 i64", "none", "faults writes"),
  // protection-keys.ts
  rdpkru: declare("", "none", "faults writes"),
  wrpkru: declare("", "none", "faults writes"),
  // (address that is not sign-extended from 48 bits) -> 0; #GP unless it is canonical all the same
  check_canonical: declare("i64", "i32", "faults"),
  // virtual-flags.ts: (0 CLI, 1 STI) -> EFLAGS afterwards; (image, operand size in bits) -> image to push; the same -> 0
  virtual_interrupt_flag: declare("i32", "i32", "faults"),
  push_virtual_flags: declare("i32 i32", "i32", "faults"),
  check_virtual_flags: declare("i32 i32", "i32", "faults"),
  // (vector, kind, rip of the next instruction, EFLAGS): writes CPU.rip
  software_interrupt: declare("i32 i32 i64 i32", "none", "faults writes"),
  // segments.ts: (state offset in the segment's record) -> selector
  selector_of: declare("i32", "i32", "pure"),
  // (the same, selector): MOV Sreg, POP Sreg, LxS
  load_segment: declare("i32 i32", "none", "faults writes"),
  // (state offset in the segment's record): holds interrupts off after a load of SS
  inhibit_if_ss: declare("i32", "none", "writes"),
  // (selector)
  lldt: declare("i32", "none", "faults writes"),
  ltr: declare("i32", "none", "faults writes"),
  // descriptor-query.ts: (selector) -> access rights or limit with bit 32 set, or 0 when ZF is to be clear
  lar: declare("i32", "i64", "faults"),
  lsl: declare("i32", "i64", "faults"),
  // (selector, write) -> ZF
  verify_segment: declare("i32 i32", "i32", "faults"),
  // (state offset of the segment, offset of a selector, RPL) -> 1 if the selector's RPL was raised
  raise_rpl: declare("i32 i64 i32", "i32", "faults writes"),
  // descriptor-table.ts
  check_umip: declare("", "none", "faults"),
  // (0 GDT or 1 IDT, linear address, bytes of the base)
  load_table: declare("i32 i64 i32", "none", "faults writes"),
  store_table: declare("i32 i64 i32", "none", "faults writes"),
  // far.ts: (selector, offset, operand size in bits, rip of the next instruction, EFLAGS): write CPU.rip
  far_jump: declare("i32 i64 i32 i64 i32", "none", "faults writes"),
  far_call: declare("i32 i64 i32 i64 i32", "none", "faults writes"),
  // return.ts: (operand size in bits, bytes of parameters): writes CPU.rip
  far_return: declare("i32 i32", "none", "faults writes"),
  // (operand size in bits, rip of the next instruction, EFLAGS): writes CPU.rip and CPU.eflags
  iret: declare("i32 i64 i32", "none", "faults writes"),
  // syscall.ts: (rip of the next instruction, EFLAGS): writes CPU.rip and CPU.eflags
  syscall: declare("i64 i32", "none", "faults writes"),
  // (operand size in bits): writes CPU.rip and CPU.eflags
  sysret: declare("i32", "none", "faults writes"),
  // (EFLAGS): writes CPU.rip
  sysenter: declare("i32", "none", "faults writes"),
  // (operand size in bits): writes CPU.rip
  sysexit: declare("i32", "none", "faults writes"),
  // smm.ts: -> TRAP after the instruction; writes CPU.rip and CPU.eflags
  rsm: declare("", "i32", "faults writes"),
  // control.ts: (register number), (register number, value)
  read_control: declare("i32", "i64", "faults"),
  write_control: declare("i32 i64", "none", "faults writes"),
  read_debug: declare("i32", "i64", "faults"),
  write_debug: declare("i32 i64", "none", "faults writes"),
  lmsw: declare("i32", "none", "faults writes"),
  clts: declare("", "none", "writes"),
  // (EFLAGS.AC)
  set_alignment_check: declare("i32", "none", "writes"),
  // (state offset of the segment, offset)
  invlpg: declare("i32 i64", "none", "writes"),
  // xcr.ts, msr.ts: operands in EAX, ECX and EDX
  xgetbv: declare("", "none", "faults writes"),
  xsetbv: declare("", "none", "faults writes"),
  check_xsaves: declare("", "none", "faults"),
  rdmsr: declare("", "none", "faults writes"),
  wrmsr: declare("", "none", "faults writes"),
  cpuid: declare("", "none", "faults writes"),
  hypercall: declare("", "none", "writes"),
  // (1 for RDTSCP)
  rdtsc: declare("i32", "none", "faults writes"),
  // random.ts: 64 bits
  random: declare("", "i64", "writes"),
  // io.ts: (port, bytes) -> value; (port, bytes, value)
  io_in: declare("i32 i32", "i32", "faults writes"),
  io_out: declare("i32 i32 i32", "none", "faults writes"),
  // (bytes, address mask, 1 for REP) -> 1 done, 0 enter the instruction again; outs has the segment's state offset first
  ins: declare("i32 i64 i32", "i32", "faults writes"),
  outs: declare("i32 i32 i64 i32", "i32", "faults writes"),
  // fault.ts: (vector) -> 0
  raise_plain: declare("i32", "i32", "faults"),
  // simd/float.ts: (kind, see float-op.ts; operands' low and high halves) -> low half of the result; the high one is in CPU.scratch
  simd_float: declare("i32 i64 i64 i64 i64", "i64", "faults writes"),
  // the same with operands of 256 bits; the upper three quadwords of the result are in CPU.scratch
  simd_float_wide: declare("i32 i64 i64 i64 i64 i64 i64 i64 i64", "i64", "faults writes"),
  // (kind, linear address, operand): the low half of the result to memory
  store_halves: declare("i32 i64 i64 i64 i64 i64", "none", "faults writes"),
  // simd/fused.ts: (FUSED, state offsets of the first operand and destination and of the second, the third's quadwords)
  fused_multiply: declare("i32 i32 i32 i64 i64 i64 i64", "none", "faults writes"),
  // xsave: (linear address, 1 for 64-bit pointers)
  fxsave: declare("i64 i32", "none", "faults writes"),
  fxrstor: declare("i64 i32", "none", "faults writes"),
  // (linear address, XSAVE_FORM, 1 for 64-bit pointers)
  xsave: declare("i64 i32 i32", "none", "faults writes"),
  xrstor: declare("i64 i32 i32", "none", "faults writes"),
  // simd/text.ts: (immediate and 0x100 for explicit lengths, operands' halves, lengths) -> IntRes2 | index << 16 | EFLAGS << 32
  compare_strings: declare("i32 i64 i64 i64 i64 i64 i64", "i64", "pure"),
  // -> low half of the product; the high one is in CPU.scratch
  carryless_multiply: declare("i64 i64", "i64", "writes"),
  // simd/masked.ts: (state offset of the segment, offset, address mask, state offset of the mask, bytes of an element | of all << 8):
  // the result is in CPU.scratch; stores have the data's state offset before the last argument
  mask_load: declare("i32 i64 i64 i32 i32", "none", "faults writes"),
  mask_store: declare("i32 i64 i64 i32 i32 i32", "none", "faults writes"),
  // (state offset of the segment, offset without index, address mask, state offsets of destination, index and mask, see GATHER)
  gather_elements: declare("i32 i64 i64 i32 i32 i32 i32", "none", "faults writes"),
  // (first byte of each vector register that becomes 0)
  clear_vectors: declare("i32", "none", "writes"),
  // (state offset of the segment, offset, data, mask)
  mask_move: declare("i32 i64 i64 i64 i64 i64", "none", "faults writes"),
  // x87: i names ST(i), pops counts registers; operation is ModRM.reg of D8
  // compare.ts: (i, quiet, pops); (single, pops), (double, pops), (sign-extended integer, pops)
  x87_compare_register: declare("i32 i32 i32", "none", "writes"),
  x87_compare_single: declare("i32 i32", "none", "writes"),
  x87_compare_double: declare("i64 i32", "none", "writes"),
  x87_compare_integer: declare("i64 i32", "none", "writes"),
  // (i, quiet, pops) -> arithmetic flags
  x87_compare_flags: declare("i32 i32 i32", "i32", "writes"),
  // environment.ts: (control word); (linear address, bytes of a field 2 or 4)
  x87_set_control: declare("i32", "none", "writes"),
  x87_initialize: declare("", "none", "writes"),
  x87_store_environment: declare("i64 i32", "none", "faults writes"),
  x87_load_environment: declare("i64 i32", "none", "faults writes"),
  x87_save: declare("i64 i32", "none", "faults writes"),
  x87_restore: declare("i64 i32", "none", "faults writes"),
  // load-store.ts: an operand in its own format: (single), (double), (significand, sign and exponent), (sign-extended integer),
  // (16 digits, 2 digits and sign), (i), (number of the constant)
  x87_load_single: declare("i32", "none", "writes"),
  x87_load_double: declare("i64", "none", "writes"),
  x87_load_extended: declare("i64 i32", "none", "writes"),
  x87_load_integer: declare("i64", "none", "writes"),
  x87_load_decimal: declare("i64 i32", "none", "writes"),
  x87_load_register: declare("i32", "none", "writes"),
  x87_load_constant: declare("i32", "none", "writes"),
  // (linear address, format 0 single 1 double 2 extended 3 decimal or bits of an integer, negative to truncate, pops)
  x87_store: declare("i64 i32 i32", "none", "faults writes"),
  // (i, pops); (i); (i, condition)
  x87_store_register: declare("i32 i32", "none", "writes"),
  x87_store_if_present: declare("i32", "none", "writes"),
  x87_exchange: declare("i32", "none", "writes"),
  x87_move_if: declare("i32 i32", "none", "writes"),
  // operate.ts: (operation, i, i of the destination, pops); (operation, operand)
  x87_arithmetic_register: declare("i32 i32 i32 i32", "none", "writes"),
  x87_arithmetic_single: declare("i32 i32", "none", "writes"),
  x87_arithmetic_double: declare("i32 i64", "none", "writes"),
  x87_arithmetic_integer: declare("i32 i64", "none", "writes"),
  // unary.ts: (low five bits of D9 E0-FF)
  x87_unary: declare("i32", "none", "writes"),
  // opcode.ts: (rip) -> FOP
  x87_opcode: declare("i64", "i32", "writes"),
} as const satisfies Record<string, HelperDeclaration>;

export type HelperName = keyof typeof HELPERS;
