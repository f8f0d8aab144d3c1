import type { Value } from "../ir/builder.ts";
import type { LaneType, PureOp } from "../ir/ops.ts";
import { laneCount } from "../ir/signatures.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import {
  binary,
  first,
  imm8,
  laneOp,
  quads,
  readLanes,
  readVector,
  second,
  simd,
  uses,
  vectorWidth,
  words,
  writeLanes,
  zero,
} from "./simd.ts";

/** Lanes of 8, 16, 32 and 64 bits by the letter of a mnemonic. */
export const LANES = { B: "i8x16", W: "i16x8", D: "i32x4", Q: "i64x2" } as const;
type Letter = keyof typeof LANES;

export const add = (letter: Letter): Semantics => laneOp("add", LANES[letter]);
export const sub = (letter: Letter): Semantics => laneOp("sub", LANES[letter]);
export const op = (name: PureOp, letter: Letter): Semantics => laneOp(name, LANES[letter]);
export const compareEqual = (letter: Letter): Semantics => laneOp("eq", LANES[letter]);
export const compareGreater = (letter: Letter): Semantics => binary((b, x, y) => b.lanes("lt_s", LANES[letter], y, x));

export const and: Semantics = binary((b, x, y) => b.bitwise("and", x, y));
export const or: Semantics = binary((b, x, y) => b.bitwise("or", x, y));
export const xor: Semantics = binary((b, x, y) => b.bitwise("xor", x, y));
/** NOT DEST AND SRC */
export const andn: Semantics = binary((b, x, y) => b.bitwise("andnot", y, x));

/** The high halves of 16-bit products. */
const multiplyHigh = (sign: "s" | "u"): Semantics =>
  binary((b, x, y) => {
    const product = (half: "low" | "high"): Value => {
      const extend = (v: Value): Value => b.lanes(`extend_${half}_${sign}`, "i32x4", v);
      return b.lanes("mul", "i32x4", extend(x), extend(y));
    };
    const high = [2, 3, 6, 7, 10, 11, 14, 15, 18, 19, 22, 23, 26, 27, 30, 31];
    return b.shuffle(product("low"), product("high"), high);
  });

export const pmulhw = multiplyHigh("s");
export const pmulhuw = multiplyHigh("u");
export const pmaddwd: Semantics = binary((b, x, y) => b.lanes("dot_s", "i32x4", x, y));

/** Low dwords of each quadword multiplied to 64 bits. */
export const pmuludq: Semantics = binary((b, x, y) => {
  const low = (v: Value): Value => b.bitwise("and", v, quads(b, -1, 0));
  return b.lanes("mul", "i64x2", low(x), low(y));
});

/** Sums of absolute differences of eight bytes each. */
export const psadbw: Semantics = binary((b, x, y) => {
  const difference = b.bitwise("or", b.lanes("sub_sat_u", "i8x16", x, y), b.lanes("sub_sat_u", "i8x16", y, x));
  const even = b.bitwise("and", difference, words(b, 0x00ff00ff));
  const odd = b.lanes("shr_u", "i16x8", difference, b.i32(8));
  const sums = b.lanes("dot_s", "i32x4", b.lanes("add", "i16x8", even, odd), words(b, 0x00010001));
  const low = b.bitwise("and", sums, quads(b, -1, 0));
  return b.lanes("add", "i64x2", low, b.lanes("shr_u", "i64x2", sums, b.i32(32)));
});

const LANE_BITS: Readonly<Record<Letter, number>> = { B: 8, W: 16, D: 32, Q: 64 };

/** Count and whether it is beyond the lane, from the immediate or the low quadword of the second operand. */
function shiftCount(b: InstructionBuilder, bits: number): { count: Value; beyond: Value } {
  const index = second(b);
  if (b.operand(index).kind === "immediate") {
    const count = imm8(b);
    return { count, beyond: b.compare("lt_u", b.i32(bits - 1), count) };
  }
  const width = vectorWidth(b);
  const count = b.extractLane("i64x2", readVector(b, index, width), 0);
  return { count: b.wrap(count), beyond: b.compare("lt_u", b.i64(bits - 1), count) };
}

/** Logical shifts: counts beyond the lane give 0. */
const logicalShift =
  (name: "shl" | "shr_u") =>
  (letter: Letter): Semantics =>
    simd((b) => {
      const { count, beyond } = shiftCount(b, LANE_BITS[letter]);
      const shifted = (x: Value): Value => b.select(beyond, zero(b), b.lanes(name, LANES[letter], x, count));
      writeLanes(b, 0, readLanes(b, first(b)).map(shifted));
    });

export const shiftLeft = logicalShift("shl");
export const shiftRight = logicalShift("shr_u");

/** Arithmetic right shifts: counts beyond the lane fill it with the sign. */
export const shiftRightSigned = (letter: Letter): Semantics =>
  simd((b) => {
    const bits = LANE_BITS[letter];
    const { count, beyond } = shiftCount(b, bits);
    const within = b.select(beyond, b.i32(bits - 1), count);
    const shifted = (x: Value): Value => b.lanes("shr_s", LANES[letter], x, within);
    writeLanes(b, 0, readLanes(b, first(b)).map(shifted));
  });

/** Number of each byte. */
export const IOTA = [0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c] as const;

/** Shifts each lane by bytes: positions outside it give 0. */
const byteShift = (direction: "add" | "sub"): Semantics =>
  simd((b) => {
    const count = imm8(b);
    const bytes = b.splat("i8x16", b.select(b.compare("lt_u", count, b.i32(16)), count, b.i32(16)));
    const positions = b.lanes(direction, "i8x16", b.v128(...IOTA), bytes);
    const shifted = (x: Value): Value => b.lanes("swizzle", "i8x16", x, positions);
    writeLanes(b, 0, readLanes(b, first(b)).map(shifted));
  });

export const pslldq = byteShift("sub");
export const psrldq = byteShift("add");

/** Sign bits of the lanes to a general register. */
export const moveMask = (lanes: LaneType): Semantics =>
  simd((b) => {
    const masks = readLanes(b, 1, uses(b, "mmx") ? 8 : Math.max(b.operand(1).width, 16)).map((x) =>
      b.lanes("bitmask", lanes, x),
    );
    const count = laneCount(lanes);
    const mask = masks.reduce((low, high) => b.or(low, b.shl(high, b.i32(count))));
    b.write(0, uses(b, "mmx") ? b.and(mask, b.i32(0xff)) : mask);
  });
