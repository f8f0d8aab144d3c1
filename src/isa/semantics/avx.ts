import type { Value } from "../ir/builder.ts";
import { CPU } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { binary, pair, readLanes, readVector, simd, words, writeEach, writeLanes, zero } from "./simd.ts";
import { pshufd } from "./simd-shuffle.ts";

/** VZEROALL, VZEROUPPER */
export const clearUpper = (all: boolean): Semantics => simd((b) => void b.call("clear_vectors", b.i32(all ? 0 : 16)));

/** Lanes of the destination. */
const laneNumbers = (b: InstructionBuilder): number[] => (b.operand(0).width === 32 ? [0, 1] : [0]);

/** The lowest element of 1, 2, 4 or 8 bytes of the source in every place; or its 16 bytes in every lane. */
export const broadcast = (width: 1 | 2 | 4 | 8 | 16): Semantics =>
  simd((b) => {
    const value = width === 16 ? readVector(b, 1) : splatted(b, width);
    writeEach(b, laneNumbers(b), () => value);
  });

function splatted(b: InstructionBuilder, width: 1 | 2 | 4 | 8): Value {
  const lanes = ({ 1: "i8x16", 2: "i16x8", 4: "i32x4", 8: "i64x2" } as const)[width];
  if (b.form.memory) return b.splat(lanes, b.read(1, width));
  return b.splat(lanes, b.extractLane(lanes, readVector(b, 1, Math.max(width, 4)), 0));
}

/** VINSERTF128: the lane that the immediate numbers comes from the second source. */
export const insert128: Semantics = simd((b) => {
  const upper = b.and(b.imm("i32"), b.i32(1));
  const [low, high] = readLanes(b, 1) as [Value, Value];
  const value = readVector(b, 2);
  writeLanes(b, 0, [b.select(upper, low, value), b.select(upper, value, high)]);
});

/** VEXTRACTF128 */
export const extract128: Semantics = simd((b) => {
  const [low, high] = readLanes(b, 1) as [Value, Value];
  writeLanes(b, 0, [b.select(b.and(b.imm("i32"), b.i32(1)), high, low)]);
});

/** VPERM2F128: each lane any of the four of both sources, or 0. */
export const permute128: Semantics = simd((b) => {
  const imm = b.imm("i32");
  const [x0, x1] = readLanes(b, 1) as [Value, Value];
  const [y0, y1] = readLanes(b, 2) as [Value, Value];
  const bit = (n: number): Value => b.and(imm, b.i32(n));
  const lane = (at: number): Value => {
    const one = b.select(bit(1 << at), x1, x0);
    const other = b.select(bit(1 << at), y1, y0);
    return b.select(bit(8 << at), zero(b), b.select(bit(2 << at), other, one));
  };
  writeLanes(b, 0, [lane(0), lane(4)]);
});

/** VPERMILPS: dwords of the same lane by the numbers in the second source. */
export const permuteSingles: Semantics = binary((b, x, control) => {
  const bytes = b.lanes("mul", "i32x4", b.bitwise("and", control, words(b, 3)), words(b, 0x04040404));
  return b.lanes("swizzle", "i8x16", x, b.lanes("add", "i32x4", bytes, words(b, 0x03020100)));
});

/** VPERMILPD: quadwords by bit 1 of those of the second source. */
export const permuteDoubles: Semantics = binary((b, x, control) => {
  const half = (n: number): Value => {
    const upper = b.and(b.extractLane("i32x4", control, 2 * n), b.i32(2));
    return b.select(upper, b.extractLane("i64x2", x, 1), b.extractLane("i64x2", x, 0));
  };
  return pair(b, half(0), half(1));
});

export const permuteSinglesImmediate = pshufd;

/** VPERMILPD: a bit of the immediate for each quadword. */
export const permuteDoublesImmediate: Semantics = simd((b) => {
  const imm = b.imm("i32");
  const x = readLanes(b, 1);
  const half = (v: Value, bit: number): Value =>
    b.select(b.and(imm, b.i32(1 << bit)), b.extractLane("i64x2", v, 1), b.extractLane("i64x2", v, 0));
  writeEach(b, x, (v, lane) => pair(b, half(v, 2 * lane), half(v, 2 * lane + 1)));
});

/** Bytes of an element and of the operand, as the helpers of masked accesses take them. */
const shape = (b: InstructionBuilder, size: number, width: number): Value => b.i32(size | (width << 8));

/** VMASKMOVPS, VPMASKMOVQ...: elements of memory where the mask's have the top bit set, others 0 and not looked at. */
export const maskLoad = (size: 4 | 8): Semantics =>
  simd((b) => {
    const { width } = b.operand(0);
    b.call("mask_load", b.segment(), b.offset(), b.addressMask(), b.field("vvvv"), shape(b, size, width));
    writeEach(b, laneNumbers(b), (lane) => b.get(CPU.scratch + 16 * lane, "v128"));
  });

/** The same to memory. */
export const maskStore = (size: 4 | 8): Semantics =>
  simd((b) => {
    const { width } = b.operand(0);
    const registers = [b.field("vvvv"), b.field("reg")];
    b.call("mask_store", b.segment(), b.offset(), b.addressMask(), ...registers, shape(b, size, width));
  });
