import type { Form } from "../../src/isa/table/row.ts";
import { CS32, CS64, DS32 } from "./layout.ts";

/**
 * Selectors that a program meets: null ones, those of Linux's user segments with their own level and with level 0, the
 * kernel's, its TSS's and LDT's, absent ones, of a local table that is not there, beyond the table. [Linux, asm/segment.h]
 */
export const SELECTORS: readonly number[] = [
  ...[0, 3, CS64, CS32, DS32, DS32, CS64 & ~3, CS32 & ~3, DS32 & ~3],
  ...[0x08, 0x10, 0x13, 0x18, 0x1b, 0x43, 0x53, 0x63, 0x73, 0x04, 0x0f, 0x37, 0x80, 0x8b, 0xfff8],
];

/** Whether a selector names the last descriptor of Linux's table, which holds a number of the processor's. */
export function namesProcessor(selector: number): boolean {
  return selector >> 2 === 0x78 >> 2;
}

/** MOV to a segment register, POP of one, and loads of far pointers. */
export function loadsSegment({ row, operands }: Form): boolean {
  const [first] = operands;
  if (/^L[DEFGS]S$/.test(row.mnemonic)) return true;
  return row.mnemonic !== "PUSH" && first !== undefined && "file" in first && first.file === "segment";
}

/** Whether an instruction looks a selector up. */
export function usesSelector(form: Form): boolean {
  return loadsSegment(form) || /^(LAR|LSL|VERR|VERW)$/.test(form.row.mnemonic);
}
