import type { Value } from "../ir/builder.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { first, readLanes, readVector, second, simd, writeLanes, writeVector, writeWhole } from "./simd.ts";

/** DEST := SRC over the operand's width; the rest of a register stays. */
export const move: Semantics = simd((b) => writeLanes(b, 0, readLanes(b, 1)));

/** MOVSS, MOVSD: a load clears the rest of the register. */
export const moveScalar: Semantics = simd((b) => {
  const value = readVector(b, second(b));
  if (b.form.memory && b.operand(0).kind === "register") writeWhole(b, 0, value);
  else writeVector(b, 0, value);
});

/** MOVQ between or into xmm registers: bits 64-127 become 0. */
export const moveQuad: Semantics = simd((b) => {
  const value = readVector(b, 1);
  if (b.operand(0).kind === "register") writeWhole(b, 0, value);
  else writeVector(b, 0, value);
});

/** MOVD, MOVQ from a general register or memory: the rest becomes 0. */
export const moveFromGeneral: Semantics = simd((b) => {
  const quad = b.extend(b.read(1));
  const destination = b.operand(0);
  if (destination.kind !== "register") throw new Error("not a register");
  const value = b.replaceLane("i64x2", b.v128(0, 0, destination.file === "mmx" ? 0xffff : 0, 0), 0, quad);
  writeWhole(b, 0, value);
});

/** MOVD, MOVQ to a general register or memory. */
export const moveToGeneral: Semantics = simd((b) => b.write(0, b.read(1, b.operand(0).width)));

/** The high quadword of a register operand, or 8 bytes of memory. */
function quad(b: InstructionBuilder, index: number, lane: 0 | 1): Value {
  if (b.operand(index).kind === "memory") return b.read(index, 8);
  return b.extractLane("i64x2", readVector(b, index, 16), lane);
}

/** MOVLPS, MOVLPD and MOVHLPS: the low quadword from memory or from the high one of a register. */
export const moveLow: Semantics = simd((b) => {
  const value = quad(b, second(b), 1);
  writeWhole(b, 0, b.replaceLane("i64x2", readVector(b, first(b), 16), 0, value));
});

/** MOVHPS, MOVHPD and MOVLHPS: the high quadword from memory or from the low one of a register. */
export const moveHigh: Semantics = simd((b) => {
  const value = quad(b, second(b), 0);
  writeWhole(b, 0, b.replaceLane("i64x2", readVector(b, first(b), 16), 1, value));
});

/** The high quadword to memory. */
export const storeHigh: Semantics = simd((b) => b.write(0, quad(b, 1, 1)));

/** MOVQ2DQ: an mmx register to an xmm register, zero-extended. */
export const moveToWhole: Semantics = simd((b) => writeWhole(b, 0, readVector(b, 1, 8)));

/** MASKMOVQ, MASKMOVDQU: bytes whose mask has the top bit set to DS:rDI. */
export const maskMove: Semantics = simd((b) => {
  const half = (index: number, lane: 0 | 1): Value => b.extractLane("i64x2", readVector(b, index), lane);
  const offset = b.and(b.gpr("rdi", 64), b.addressMask());
  b.call("mask_move", b.segment(), offset, half(0, 0), half(0, 1), half(1, 0), half(1, 1));
});

/** MOVNTI */
export const moveInteger: Semantics = (b) => b.write(0, b.read(1));
