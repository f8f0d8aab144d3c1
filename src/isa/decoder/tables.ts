/** The decoder's tables. A build replaces this module by its values, so it exports nothing but arrays of numbers. */

import { FORMS } from "../table/forms.ts";
import type { Form } from "../table/row.ts";
import { buildDispatch } from "./dispatch.ts";
import { IMMEDIATE, REG_RULE } from "./encoding.ts";

/** How a form's immediate is encoded. */
function immediateOf(form: Form): number {
  if (form.row.operands.some((code) => code.startsWith("L"))) return IMMEDIATE.is4;
  const codes = form.row.operands.filter((code) => /^(I[bwzv]|J[bz]|Ap|O[bv])$/.test(code));
  if (codes.length === 2) return IMMEDIATE.enter;
  switch (codes[0]) {
    case undefined:
      return IMMEDIATE.none;
    case "Ib":
    case "Jb":
      return IMMEDIATE.byte;
    case "Iw":
      return IMMEDIATE.word;
    case "Iz":
    case "Jz":
      return form.bits === 16 ? IMMEDIATE.word : IMMEDIATE.dword;
    case "Iv":
      return form.bits === 16 ? IMMEDIATE.word : form.bits === 32 ? IMMEDIATE.dword : IMMEDIATE.qword;
    case "Ap":
      return form.bits === 16 ? IMMEDIATE.far16 : IMMEDIATE.far32;
    default:
      return IMMEDIATE.offset;
  }
}

function regRuleOf(form: Form): number {
  const at = form.operands.findIndex((o) => o.kind === "register" && o.slot === "reg");
  const operand = form.operands[at];
  if (operand?.kind !== "register") return REG_RULE.any;
  if (operand.file === "segment") return at === 0 ? REG_RULE.segmentWritten : REG_RULE.segment;
  return operand.file === "control" ? REG_RULE.control : operand.file === "debug" ? REG_RULE.debug : REG_RULE.any;
}

const tables = buildDispatch(FORMS);

/** By dispatchIndex: 0 is invalid, n > 0 is leaf n, n < 0 is group -n. */
export const DISPATCH = tables.dispatch;
/** Leaf numbers of opcodes with a ModRM byte, GROUP_SIZE each; n < 0: set -n of RM_LEAVES, which has RM_SIZE each. */
export const GROUPS = tables.groups;
export const RM_LEAVES = tables.rmLeaves;
/** Form ids of leaves, NO_FORM where there is none. */
export const LEAF_FORMS = tables.forms;
/** SIZE_RULE of leaves. */
export const LEAF_RULE = tables.rules;
/** IMMEDIATE of forms. */
export const FORM_IMMEDIATE = Uint8Array.from(FORMS, immediateOf);
/** REG_RULE of forms. */
export const FORM_REG_RULE = Uint8Array.from(FORMS, regRuleOf);
/** Bytes to add to the displacement when the base is rSP, for forms that pop before they address memory. */
export const FORM_POPS = Uint8Array.from(FORMS, (form) =>
  form.row.attributes.popsFirst && form.memory ? form.bits / 8 : 0,
);
/** 1 where an operand is the register in VEX.vvvv: in other forms the field names none. [SDM 2A 2.3.5.6] */
export const FORM_VVVV = Uint8Array.from(FORMS, (form) =>
  Number(form.operands.some((operand) => operand.kind === "register" && operand.slot === "vvvv")),
);
/** 1 where the index of the memory operand is a vector register. */
export const FORM_VSIB = Uint8Array.from(FORMS, (form) =>
  Number(form.operands.some((operand) => operand.kind === "memory" && operand.index !== undefined)),
);
