import type { Value } from "../ir/builder.ts";
import type { LaneType, PureOp } from "../ir/ops.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { binary, imm8, readLanes, second, simd, unary, vectorWidth, words, writeEach, zero } from "./simd.ts";
import { floatBinary, floatLanes, isDouble } from "./simd-float.ts";
import { IOTA, LANES } from "./simd-integer.ts";
import { LOW_QUADS } from "./simd-shuffle.ts";

/** Bytes of the even or odd `size`-byte lanes of two operands, one after the other. */
function everySecond(size: number, from: 0 | 1): number[] {
  const lanes = Array.from({ length: 16 / size }, (_, n) => (2 * n + from) * size);
  return lanes.flatMap((at) => Array.from({ length: size }, (_, n) => at + n));
}

/** Even and odd lanes of both operands, so that an operation on them combines neighbours. */
function neighbours(b: InstructionBuilder, size: number, x: Value, y: Value): [Value, Value] {
  const low = vectorWidth(b) === 16 ? x : b.shuffle(x, y, LOW_QUADS);
  const high = vectorWidth(b) === 16 ? y : low;
  return [b.shuffle(low, high, everySecond(size, 0)), b.shuffle(low, high, everySecond(size, 1))];
}

/** PHADD*, PHSUB* */
export const horizontal = (op: PureOp, lanes: LaneType): Semantics =>
  binary((b, x, y) => b.lanes(op, lanes, ...neighbours(b, lanes === "i16x8" ? 2 : 4, x, y)));

/** HADDPS, HSUBPD... */
export const horizontalFloat = (op: "add" | "sub", format: "PS" | "PD"): Semantics =>
  floatBinary(format, op, op, {
    operands: (b, x, y) => neighbours(b, isDouble(format) ? 8 : 4, x, y),
  });

/** ADDSUBPS, ADDSUBPD: differences in even lanes, sums in odd ones. */
export const addSub = (format: "PS" | "PD"): Semantics =>
  floatBinary(format, "add", "addSub", {
    result: (b, x, y) => {
      const lanes = floatLanes(format);
      const odd = isDouble(format) ? b.v128(0, 0, -1, -1) : b.v128(0, -1, 0, -1);
      const sums = b.bitwise("and", b.lanes("add", lanes, x, y), odd);
      return b.bitwise("or", sums, b.bitwise("andnot", b.lanes("sub", lanes, x, y), odd));
    },
  });

/** Bytes by number; those with the top bit set give 0. */
export const pshufb: Semantics = binary((b, x, y) => {
  const mask = vectorWidth(b) === 16 ? 0x8f8f8f8f : 0x87878787;
  return b.lanes("swizzle", "i8x16", x, b.bitwise("and", y, words(b, mask)));
});

/** The operands one after the other, shifted right by bytes. */
export const palignr: Semantics = binary((b, x, y) => {
  const width = vectorWidth(b);
  const imm = imm8(b);
  const limit = b.i32(2 * width);
  const count = b.select(b.compare("lt_u", imm, limit), imm, limit);
  const positions = b.lanes("add", "i8x16", b.v128(...IOTA), b.splat("i8x16", count));
  if (width === 8) return b.lanes("swizzle", "i8x16", b.shuffle(y, x, LOW_QUADS), positions);
  const upper = b.lanes("sub", "i8x16", positions, words(b, 0x10101010));
  return b.bitwise("or", b.lanes("swizzle", "i8x16", y, positions), b.lanes("swizzle", "i8x16", x, upper));
});

/** Products of unsigned and signed bytes, neighbours added with saturation. */
export const pmaddubsw: Semantics = binary((b, x, y) => {
  const shift = (op: "shl" | "shr_s" | "shr_u", v: Value): Value => b.lanes(op, "i16x8", v, b.i32(8));
  const even = b.lanes("mul", "i16x8", b.bitwise("and", x, words(b, 0x00ff00ff)), shift("shr_s", shift("shl", y)));
  const odd = b.lanes("mul", "i16x8", shift("shr_u", x), shift("shr_s", y));
  return b.lanes("add_sat_s", "i16x8", even, odd);
});

/** Bits 15-30 of products, rounded; -1 squared is -1, which does not saturate. */
export const pmulhrsw: Semantics = binary((b, x, y) => {
  const lowest = words(b, 0x80008000);
  const both = b.bitwise("and", b.lanes("eq", "i16x8", x, lowest), b.lanes("eq", "i16x8", y, lowest));
  return b.bitwise("xor", b.lanes("q15mulr_sat_s", "i16x8", x, y), both);
});

/** x, negated in the lanes of a mask. */
function negateWhere(b: InstructionBuilder, lanes: LaneType, mask: Value, x: Value): Value {
  return b.lanes("sub", lanes, b.bitwise("xor", x, mask), mask);
}

type Letter = "B" | "W" | "D";

export const pabs = (letter: Letter): Semantics =>
  unary((b, x) => negateWhere(b, LANES[letter], b.lanes("lt_s", LANES[letter], x, zero(b)), x));

/** Negates, clears or keeps lanes by the sign of the other operand's. */
export const psign = (letter: Letter): Semantics =>
  binary((b, x, y) => {
    const lanes = LANES[letter];
    const signed = negateWhere(b, lanes, b.lanes("lt_s", lanes, y, zero(b)), x);
    return b.bitwise("andnot", signed, b.lanes("eq", lanes, y, zero(b)));
  });

/** MOVDDUP, MOVSLDUP, MOVSHDUP: a fixed selection of the source's bytes. */
export const duplicate = (bytes: readonly number[]): Semantics =>
  simd((b) => {
    const x = readLanes(b, second(b));
    writeEach(b, x, (v) => b.shuffle(v, v, bytes));
  });
