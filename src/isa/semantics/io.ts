import type { Value } from "../ir/builder.ts";
import { CPU } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";

/** Bytes that an instruction moves: the width of its operand that is not a port. */
function widthOf(b: InstructionBuilder, operand: number): number {
  return b.operand(operand).width;
}

/** [SDM 2A IN] */
export const input: Semantics = (b) => {
  const width = widthOf(b, 0);
  b.write(0, b.call("io_in", b.read(1), b.i32(width)));
};

/** [SDM 2B OUT] */
export const output: Semantics = (b) => {
  b.call("io_out", b.read(0), b.i32(widthOf(b, 1)), b.read(1));
};

/** A repeated instruction is entered again until the helper has done all of it. */
function goOn(b: InstructionBuilder, done: Value): void {
  if (b.form.rep === "none") return;
  b.set(CPU.resumeRip, b.ripThis());
  b.jump(b.select(done, b.ripNext(), b.ripThis()));
}

function repeats(b: InstructionBuilder): Value {
  return b.i32(b.form.rep === "none" ? 0 : 1);
}

/** [SDM 2A INS/INSB/INSW/INSD] */
export const inputString: Semantics = (b) => {
  goOn(b, b.call("ins", b.i32(widthOf(b, 0)), b.addressMask(), repeats(b)));
};

/** [SDM 2B OUTS/OUTSB/OUTSW/OUTSD] */
export const outputString: Semantics = (b) => {
  goOn(b, b.call("outs", b.segment(), b.i32(widthOf(b, 1)), b.addressMask(), repeats(b)));
};
