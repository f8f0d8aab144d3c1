import { FLOAT, FUSED, type FUSED_ADDEND, FUSED_ORDER } from "../float-op.ts";
import type { Value } from "../ir/builder.ts";
import { CPU } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { imm8, pair, readLanes, simd, writeLanes, writeWhole } from "./simd.ts";
import { elements, type Format, floatKind, isDouble, readFloat } from "./simd-float.ts";

/** VFMADD132PS...: operands 1 and 3, 2 and 1, or 2 and 3 are multiplied, the other one is added. [SDM 2C VFMADD132PD] */
export const fused = (
  order: keyof typeof FUSED_ORDER,
  negate: boolean,
  addend: (typeof FUSED_ADDEND)[keyof typeof FUSED_ADDEND],
  format: Format,
): Semantics =>
  simd((b) => {
    const third = readFloat(b, 2, format);
    const kind =
      (isDouble(format) ? FUSED.double : 0) |
      (negate ? FUSED.negate : 0) |
      (FUSED_ORDER[order] << FUSED.orderShift) |
      (addend << FUSED.addendShift) |
      (elements(format, third) << FUSED.lanesShift);
    b.call("fused_multiply", b.i32(kind), b.field("reg"), b.field("vvvv"), ...quadwords(b, third));
  });

/** The four quadwords of 256 bits. */
function quadwords(b: InstructionBuilder, [low, high]: readonly Value[]): Value[] {
  return [low, high].flatMap((v) => (v ? [0, 1].map((n) => b.extractLane("i64x2", v, n)) : [b.i64(0), b.i64(0)]));
}

/** What `simd_float_wide` makes of a vector: lanes of the result. */
function convert(b: InstructionBuilder, kind: Value, x: readonly Value[]): [Value, Value] {
  const nothing = [0, 1, 2, 3].map(() => b.i64(0));
  const lowest = b.call("simd_float_wide", kind, ...quadwords(b, x), ...nothing);
  const [q1, q2, q3] = [0, 8, 16].map((at) => b.get(CPU.scratch + at, "i64")) as [Value, Value, Value];
  return [pair(b, lowest, q1), pair(b, q2, q3)];
}

/** VCVTPH2PS */
export const halvesToSingles: Semantics = simd((b) => {
  const wide = b.operand(0).width === 32;
  const kind = b.i32(floatKind("fromHalf", "PS", wide ? 8 : 4));
  writeLanes(b, 0, convert(b, kind, readLanes(b, 1)).slice(0, wide ? 2 : 1));
});

/** VCVTPS2PH: rounded as the immediate says. A store must not fault after MXCSR was written, so a helper does both. */
export const singlesToHalves: Semantics = simd((b) => {
  const x = readLanes(b, 1);
  const mode = b.shl(b.and(imm8(b), b.i32(7)), b.i32(FLOAT.modeShift));
  const kind = b.or(b.i32(floatKind("toHalf", "PS", 4 * x.length)), mode);
  if (b.form.memory) b.call("store_halves", kind, b.address("write"), ...quadwords(b, x));
  else writeWhole(b, 0, convert(b, kind, x)[0]);
});
