/**
 * What an executor of decoded instructions needs to know of forms, by their ids, and of the table. A build replaces
 * this module by its values, so it exports nothing but arrays of numbers and strings.
 */

import { INSTRUCTION_SETS, STACK_INSTRUCTIONS } from "../../spec/x86/instruction-set.ts";
import { endsBlock, FORMS } from "./forms.ts";
import { ROWS } from "./index.ts";
import { type Form, REGISTER_CLASSES, SLOTS } from "./row.ts";

/** Index in REGISTER_CLASSES of the register file that each of SLOTS indexes: SLOTS.length values of every form. */
export const FORM_FILES = Uint8Array.from(FORMS.flatMap((form) => SLOTS.map((slot) => fileOf(form, slot))));
/** 1 where a block ends with an instruction of the form: it jumps, or changes what decoding depends on. */
export const FORM_ENDS = Uint8Array.from(FORMS, (form) => Number(endsBlock(form)));
/** Operand size in bits of forms that jump relative to rIP, 0 of others. */
export const FORM_RELATIVE = Uint8Array.from(FORMS, (form) =>
  form.operands.some((operand) => operand.kind === "relative") ? form.bits : 0,
);
/** Whether a form accesses the stack: 0 no, 1 as its only memory, 2 beside a memory operand. */
export const FORM_STACK = Uint8Array.from(FORMS, (form) =>
  STACK_INSTRUCTIONS.has(form.row.mnemonic) ? (form.memory ? 2 : 1) : 0,
);
/** CPUID features of the instruction sets of which the table has every instruction. */
export const COMPLETE_SETS: readonly string[] = completeSets();

function fileOf(form: Form, slot: (typeof SLOTS)[number]): number {
  if (slot === "rm" && form.operands.some((o) => o.kind === "memory" && o.index))
    return REGISTER_CLASSES.indexOf("xmm");
  const operand = form.operands.findLast((operand) => operand.kind === "register" && operand.slot === slot);
  return REGISTER_CLASSES.indexOf(operand?.kind === "register" ? operand.file : "gpr");
}

function completeSets(): string[] {
  const mnemonics = new Set(ROWS.map((row) => row.mnemonic));
  const complete = [...INSTRUCTION_SETS].filter(([, set]) => set.every((mnemonic) => mnemonics.has(mnemonic)));
  return complete.map(([feature]) => feature);
}
