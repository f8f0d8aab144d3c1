import type { Value } from "../ir/builder.ts";
import type { Semantics } from "../table/row.ts";
import { GATHER } from "../vector-op.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { binary, pair, readLanes, simd, words, writeLanes } from "./simd.ts";

/** VPERMD, VPERMPS: any of the eight dwords of the second source, by the numbers in the first. */
export const permuteDwords: Semantics = simd((b) => {
  const numbers = readLanes(b, 1);
  const [low, high] = readLanes(b, 2) as [Value, Value];
  const chosen = (number: Value): Value => {
    const bytes = b.lanes("mul", "i32x4", b.bitwise("and", number, words(b, 7)), words(b, 0x04040404));
    const positions = b.lanes("add", "i32x4", bytes, words(b, 0x03020100));
    const upper = b.lanes("sub", "i8x16", positions, words(b, 0x10101010));
    return b.bitwise("or", b.lanes("swizzle", "i8x16", low, positions), b.lanes("swizzle", "i8x16", high, upper));
  };
  writeLanes(b, 0, numbers.map(chosen));
});

/** VPERMQ, VPERMPD: any of the four quadwords, by pairs of bits of the immediate. */
export const permuteQuads: Semantics = simd((b) => {
  const imm = b.imm("i32");
  const quads = readLanes(b, 1).flatMap((v) => [b.extractLane("i64x2", v, 0), b.extractLane("i64x2", v, 1)]);
  const [q0, q1, q2, q3] = quads as [Value, Value, Value, Value];
  const chosen = (n: number): Value => {
    const bit = (at: number): Value => b.and(imm, b.i32(at << (2 * n)));
    return b.select(bit(2), b.select(bit(1), q3, q2), b.select(bit(1), q1, q0));
  };
  writeLanes(b, 0, [pair(b, chosen(0), chosen(1)), pair(b, chosen(2), chosen(3))]);
});

/** An element by itself: a function of elements at the same place. */
const byElement = (
  lanes: "i32x4" | "i64x2",
  f: (b: InstructionBuilder, value: Value, count: Value) => Value,
): Semantics =>
  binary((b, x, y) => {
    const element = (n: number): Value => f(b, b.extractLane(lanes, x, n), b.extractLane(lanes, y, n));
    const numbers = lanes === "i32x4" ? [0, 1, 2, 3] : [0, 1];
    return numbers.reduce((v, n) => b.replaceLane(lanes, v, n, element(n)), x);
  });

/** VPSLLV*, VPSRLV*: each element by a count of its own; those beyond its width give 0. */
export const shiftEach = (op: "shl" | "shr_u", lanes: "i32x4" | "i64x2"): Semantics =>
  byElement(lanes, (b, value, count) => {
    const within = b.compare("lt_u", count, b.constant(count, lanes === "i32x4" ? 32 : 64));
    return b.select(within, b.op(op, value, count), b.constant(value, 0));
  });

/** VPSRAVD: counts beyond the width give the sign. */
export const shiftEachSigned: Semantics = byElement("i32x4", (b, value, count) => {
  const within = b.compare("lt_u", count, b.i32(32));
  return b.op("shr_s", value, b.select(within, count, b.i32(31)));
});

/** VPGATHER*, VGATHER*: bytes of an element and of an index. */
export const gather = (size: 4 | 8, indexSize: 4 | 8): Semantics =>
  simd((b) => {
    const count = Math.min(b.operand(0).width / size, (b.form.row.operands[1]!.endsWith("y") ? 32 : 16) / indexSize);
    const shape = size | (indexSize << GATHER.indexShift) | (count << GATHER.countShift);
    const scaled = b.or(b.i32(shape), b.shl(b.imm("i32"), b.i32(GATHER.scaleShift)));
    const registers = [b.field("reg"), b.field("rm"), b.field("vvvv")];
    b.call("gather_elements", b.segment(), b.offset(), b.addressMask(), ...registers, scaled);
  });
