import type { Value } from "../ir/builder.ts";
import type { LaneType } from "../ir/ops.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import {
  binary,
  blend,
  first,
  imm8,
  pair,
  readLanes,
  readVector,
  second,
  simd,
  vectorWidth,
  words,
  writeEach,
  writeVector,
} from "./simd.ts";

/** Lanes of i8x16.shuffle that interleave `size`-byte units of two operands from byte `from` of each. */
function interleaved(size: number, from: number): number[] {
  const units = Array.from({ length: 8 / size }, (_, n) => from + n * size);
  const bytes = (at: number): number[] => Array.from({ length: size }, (_, n) => at + n);
  return units.flatMap((at) => [...bytes(at), ...bytes(16 + at)]);
}

/** PUNPCKL*, UNPCKL*: the low halves of both operands, interleaved. */
export const unpackLow = (size: number): Semantics => binary((b, x, y) => b.shuffle(x, y, interleaved(size, 0)));

/** PUNPCKH*, UNPCKH*; the high half of an MMX register starts at byte 4. */
export const unpackHigh = (size: number): Semantics =>
  binary((b, x, y) => b.shuffle(x, y, interleaved(size, vectorWidth(b) / 2)));

/** The low quadwords of both operands. */
export const LOW_QUADS = [0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23];

/** PACKSS*, PACKUS*: both operands' lanes saturated to half their width. */
export const pack = (lanes: LaneType, sign: "s" | "u"): Semantics =>
  binary((b, x, y) => {
    if (vectorWidth(b) === 16) return b.lanes(`narrow_${sign}`, lanes, x, y);
    const both = b.shuffle(x, y, LOW_QUADS);
    return b.lanes(`narrow_${sign}`, lanes, both, both);
  });

/** Multipliers that bring the n-th pair of bits of an immediate to bits 6-7. */
const PAIRS = [64, 16, 4, 1] as const;
const PAIR_WORDS = [64 | (16 << 16), 4 | (1 << 16)] as const;

/** Byte positions of the four dwords that the pairs of bits of an immediate select. */
function dwordPositions(b: InstructionBuilder, imm: Value): Value {
  const moved = b.lanes("mul", "i32x4", b.splat("i32x4", imm), b.v128(...PAIRS));
  const selected = b.bitwise("and", b.lanes("shr_u", "i32x4", moved, b.i32(6)), words(b, 3));
  const bytes = b.lanes("mul", "i32x4", selected, words(b, 0x04040404));
  return b.lanes("add", "i32x4", bytes, words(b, 0x03020100));
}

export const pshufd: Semantics = simd((b) => {
  const positions = dwordPositions(b, imm8(b));
  const x = readLanes(b, second(b));
  writeEach(b, x, (v) => b.lanes("swizzle", "i8x16", v, positions));
});

/** Words of one half selected by the immediate; `base` has the positions where every selector is 0. */
const shuffleWords = (mask: readonly [number, number], base: readonly [number, number, number, number]): Semantics =>
  simd((b) => {
    const imm = b.splat("i16x8", imm8(b));
    const moved = b.lanes("mul", "i16x8", imm, b.v128(...PAIR_WORDS, ...PAIR_WORDS));
    const three = b.v128(mask[0], mask[0], mask[1], mask[1]);
    const selected = b.bitwise("and", b.lanes("shr_u", "i16x8", moved, b.i32(6)), three);
    const bytes = b.lanes("mul", "i16x8", selected, words(b, 0x02020202));
    const positions = b.lanes("add", "i16x8", bytes, b.v128(...base));
    const x = readLanes(b, second(b));
    writeEach(b, x, (v) => b.lanes("swizzle", "i8x16", v, positions));
  });

export const pshuflw = shuffleWords([0x00030003, 0], [0x01000100, 0x01000100, 0x0b0a0908, 0x0f0e0d0c]);
export const pshufhw = shuffleWords([0, 0x00030003], [0x03020100, 0x07060504, 0x09080908, 0x09080908]);

/** Two dwords of each operand by the pairs of bits of the immediate. */
export const shufps: Semantics = simd((b) => {
  const positions = dwordPositions(b, imm8(b));
  const of = (v: Value): Value => b.lanes("swizzle", "i8x16", v, positions);
  const x = readLanes(b, first(b));
  const y = readLanes(b, second(b));
  const halves = [0, 1, 2, 3, 4, 5, 6, 7, 24, 25, 26, 27, 28, 29, 30, 31];
  writeEach(b, x, (p, n) => b.shuffle(of(p), of(y[n]!), halves));
});

/** The low or high half of each operand; every lane has two bits of the immediate. */
export const shufpd: Semantics = binary((b, x, y, lane) => {
  const imm = b.imm("i32");
  const half = (v: Value, bit: number): Value =>
    b.select(b.and(imm, b.i32(bit << (2 * lane))), b.extractLane("i64x2", v, 1), b.extractLane("i64x2", v, 0));
  return pair(b, half(x, 1), half(y, 2));
});

/** A word of the second operand, zero-extended. */
export const pextrw: Semantics = simd((b) => {
  const imm = imm8(b);
  const source = readVector(b, 1, vectorWidth(b));
  const low = b.extractLane("i64x2", source, 0);
  const quad = vectorWidth(b) === 8 ? low : b.select(b.and(imm, b.i32(4)), b.extractLane("i64x2", source, 1), low);
  const shift = b.extend(b.shl(b.and(imm, b.i32(3)), b.i32(4)));
  b.write(0, b.and(b.wrap(b.shrU(quad, shift)), b.i32(0xffff)));
});

export const pinsrw: Semantics = simd((b) => {
  const lane = b.and(b.imm("i32"), b.i32(vectorWidth(b) / 2 - 1));
  const value = b.splat("i16x8", b.read(second(b), 2));
  const numbers = b.v128(0x00010000, 0x00030002, 0x00050004, 0x00070006);
  const mask = b.lanes("eq", "i16x8", numbers, b.splat("i16x8", lane));
  writeVector(b, 0, blend(b, mask, value, readVector(b, first(b))));
});
