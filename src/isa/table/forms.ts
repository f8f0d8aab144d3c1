import type { Program } from "../ir/ops.ts";
import { InstructionBuilder } from "../semantics/instruction-builder.ts";
import { ROWS } from "./index.ts";
import { allows, isImplicitMemory, isRm, isSized, type OperandSize, resolveOperand } from "./operands.ts";
import type { Form, Row } from "./row.ts";

type Variant = Pick<Form, "bits" | "mode" | "memory" | "lock" | "rep">;

/** All forms of all rows; a form's id is its index. */
export const FORMS: readonly Form[] = ROWS.flatMap((row) => variantsOf(row).map((variant) => ({ row, variant }))).map(
  ({ row, variant }, id) => ({ id, row, ...variant, operands: operandsOf(row, variant) }),
);

/** The form of a decoded instruction. */
export function formOf(insn: { readonly form: number }): Form {
  return FORMS[insn.form]!;
}

const programs: (Program | undefined)[] = [];

/** The IR program of a form, flags not lowered; built once. */
export function programOf(form: Form): Program {
  let program = programs[form.id];
  if (program === undefined) {
    const builder = new InstructionBuilder(form);
    form.row.semantics(builder);
    program = builder.program();
    programs[form.id] = program;
  }
  return program;
}

/** Whether a decoded block ends with an instruction of this form: it jumps, or changes what decoding depends on. */
export function endsBlock(form: Form): boolean {
  return (
    form.row.attributes.ends === true || programOf(form).nodes.some((node) => node.op === "jump" || node.op === "end")
  );
}

/** One form serves all operand sizes: nothing in the row follows the operand size. */
export function isSizeless(row: Row): boolean {
  const { sizeless, size64, sizes } = row.attributes;
  if (sizeless) return true;
  return size64 === undefined && sizes === undefined && row.operands.length > 0 && !row.operands.some(isSized);
}

/** The operand sizes a row has forms for. */
export function sizesOf(row: Row): readonly OperandSize[] {
  if (isSizeless(row)) return [32];
  const sized = row.operands.filter(isSized);
  const onlyY = sized.length > 0 && sized.every((code) => code.endsWith("y"));
  return row.attributes.sizes ?? (onlyY ? [32, 64] : [16, 32, 64]);
}

function variantsOf(row: Row): Variant[] {
  return sizesOf(row).flatMap((bits) =>
    modesOf(row, bits).flatMap((mode) => shapesOf(row).flatMap((memory) => prefixesOf(row, { bits, mode, memory }))),
  );
}

/** Which modes a form of this operand size serves; stack instructions are apart for 64-bit mode, whose stack is flat. */
function modesOf(row: Row, bits: OperandSize): Form["mode"][] {
  const { mode, size64 } = row.attributes;
  if (mode === "not64") return bits === 64 ? [] : ["not64"];
  if (isSizeless(row)) return [mode ?? "any"];
  const modes = sizedModes(size64, bits);
  return mode === "only64" ? modes.filter((m) => m !== "not64").map(() => "only64") : modes;
}

function sizedModes(size64: "d64" | "f64" | undefined, bits: OperandSize): Form["mode"][] {
  if (bits === 64) return ["only64"];
  if (size64 === "d64" && bits === 16) return ["not64", "only64"];
  return size64 ? ["not64"] : ["any"];
}

/** Register and memory shapes: [false], [true] or both. */
function shapesOf(row: Row): boolean[] {
  const rm = row.operands.find(isRm);
  if (rm === undefined) return [row.operands.some(isImplicitMemory)];
  return [false, true].filter((memory) => allows(rm, memory));
}

function prefixesOf(row: Row, base: Pick<Variant, "bits" | "mode" | "memory">): Variant[] {
  const { lock, rep } = row.attributes;
  const locks = lock && base.memory ? (lock === "always" ? [true] : [false, true]) : [false];
  const reps: Form["rep"][] = rep === "repe" ? ["none", "rep", "repne"] : rep ? ["none", "rep"] : ["none"];
  return locks.flatMap((locked) => reps.map((repeat) => ({ ...base, lock: locked, rep: repeat })));
}

function operandsOf(row: Row, variant: Variant): Form["operands"] {
  return row.operands.map((code) => resolveOperand(row, code, variant.bits, variant.memory));
}
