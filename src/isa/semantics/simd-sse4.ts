import { FLOAT } from "../float-op.ts";
import type { Value } from "../ir/builder.ts";
import type { LaneType, PureOp } from "../ir/ops.ts";
import { laneCount } from "../ir/signatures.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import {
  binary,
  blend,
  first,
  imm8,
  type Lanes,
  mapLanes,
  quads,
  readLanes,
  readVector,
  second,
  simd,
  words,
  writeEach,
  writeLanes,
  writeVector,
  zero,
} from "./simd.ts";
import {
  anyLane,
  elements,
  type Format,
  floatKind,
  floatLanes,
  floatOr,
  isDouble,
  isNan,
  readFloat,
  special,
  uncommonControl,
} from "./simd-float.ts";
import { IOTA } from "./simd-integer.ts";

type Wide = "i16x8" | "i32x4" | "i64x2";
const NUMBERS: Readonly<Record<"i8x16" | Wide, readonly [number, number, number, number]>> = {
  i8x16: IOTA,
  i16x8: [0x00010000, 0x00030002, 0x00050004, 0x00070006],
  i32x4: [0, 1, 2, 3],
  i64x2: [0, 0, 1, 0],
};

/** Lane n of the mask is set where bit n of the immediate is. */
function immediateMask(b: InstructionBuilder, lanes: Wide, imm: Value): Value {
  const bits: Readonly<Record<Wide, readonly [number, number, number, number]>> = {
    i16x8: [0x00020001, 0x00080004, 0x00200010, 0x00800040],
    i32x4: [1, 2, 4, 8],
    i64x2: [1, 0, 2, 0],
  };
  const own = b.v128(...bits[lanes]);
  const all = b.splat(lanes, lanes === "i64x2" ? b.extend(imm) : imm);
  return b.lanes("eq", lanes, b.bitwise("and", all, own), own);
}

/** BLENDPS, BLENDPD, PBLENDW: elements of the second operand where the immediate, of 8 bits again and again, has a 1. */
export const blendImmediate = (lanes: Wide): Semantics =>
  binary((b, x, y, lane) => {
    const imm = b.shrU(imm8(b), b.i32((lane * laneCount(lanes)) % 8));
    return blend(b, immediateMask(b, lanes, imm), y, x);
  });

/** BLENDVPS, BLENDVPD, PBLENDVB: elements of the second operand where the last one (XMM0) has the top bit set. */
export const blendVariable = (lanes: LaneType, bits: number): Semantics =>
  simd((b) => {
    const x = readLanes(b, first(b));
    const y = readLanes(b, second(b));
    const masks = readLanes(b, second(b) + 1).map((v) => b.lanes("shr_s", lanes, v, b.i32(bits - 1)));
    writeEach(b, x, (p, n) => blend(b, masks[n]!, y[n]!, p));
  });

function isZeroVector(b: InstructionBuilder, lanes: Lanes): Value {
  const v = lanes.reduce((x, y) => b.bitwise("or", x, y));
  return b.isZero(b.or(b.extractLane("i64x2", v, 0), b.extractLane("i64x2", v, 1)));
}

/** ZF: no bit in common; CF: no bit of the second operand that the first lacks; of all bits, or of those in a mask of words. */
const test = (mask: readonly [number, number] = [-1, -1]): Semantics =>
  simd((b) => {
    const x = readLanes(b, 0);
    const y = readLanes(b, 1);
    const bits = (op: "and" | "andnot"): Value[] =>
      mapLanes(x, y, (p, q) => b.bitwise("and", b.bitwise(op, q, p), quads(b, ...mask)));
    const [zf, cf] = [isZeroVector(b, bits("and")), isZeroVector(b, bits("andnot"))];
    b.flags("raw", 32, [b.or(b.shl(zf, b.i32(6)), cf)]);
  });

export const ptest = test();
/** The signs of elements. [SDM 2C VTESTPD/VTESTPS] */
export const testps = test([0x80000000 | 0, 0x80000000 | 0]);
export const testpd = test([0, 0x80000000 | 0]);

/** The bytes of a narrow source that PMOVSX* and PMOVZX* extend. */
function readNarrow(b: InstructionBuilder): Value {
  if (b.operand(1).width >= 4) return readVector(b, 1);
  if (!b.form.memory) return readVector(b, 1, 4);
  return b.replaceLane("i32x4", zero(b), 0, b.read(1));
}

/** Bytes from `at` on, in the low half. */
function upper(b: InstructionBuilder, v: Value, at: number): Value {
  return b.shuffle(
    v,
    v,
    [...Array(16).keys()].map((n) => (n + at) % 16),
  );
}

/** Low elements extended step by step to each of the types: as many as there is room for. */
export const extendLanes = (sign: "s" | "u", ...steps: Wide[]): Semantics =>
  simd((b) => {
    const extended = (from: Value): Value => steps.reduce((v, lanes) => b.lanes(`extend_low_${sign}`, lanes, v), from);
    const source = readNarrow(b);
    const wide = b.operand(0).width === 32;
    writeLanes(b, 0, [source, ...(wide ? [upper(b, source, 16 >> steps.length)] : [])].map(extended));
  });

/** Low dwords of each quadword, sign-extended and multiplied. */
export const pmuldq: Semantics = binary((b, x, y) => {
  const extended = (v: Value): Value => b.lanes("shr_s", "i64x2", b.lanes("shl", "i64x2", v, b.i32(32)), b.i32(32));
  return b.lanes("mul", "i64x2", extended(x), extended(y));
});

/** The lane that the immediate numbers, as the lowest lane. */
function selectLane(b: InstructionBuilder, lanes: "i8x16" | "i16x8" | "i32x4" | "i64x2", v: Value): Value {
  const size = laneSize(lanes);
  const byte = b.mul(b.and(b.imm("i32"), b.i32(16 / size - 1)), b.i32(size));
  return b.lanes("swizzle", "i8x16", v, b.lanes("add", "i8x16", b.v128(...IOTA), b.splat("i8x16", byte)));
}

function laneSize(lanes: LaneType): number {
  return lanes === "i8x16" ? 1 : lanes === "i16x8" ? 2 : lanes === "i64x2" ? 8 : 4;
}

/** PEXTRB, PEXTRW, EXTRACTPS and PEXTRD/PEXTRQ (by operand size), zero-extended into a register. */
export const extract = (lanes: "i8x16" | "i16x8" | "i32x4"): Semantics =>
  simd((b) => {
    const wide = b.operand(0).width === 8 && lanes === "i32x4" ? "i64x2" : lanes;
    b.write(0, b.extractLane(wide, selectLane(b, wide, readVector(b, 1, 16)), 0));
  });

/** PINSRB and PINSRD/PINSRQ (by operand size). */
export const insert = (lanes: "i8x16" | "i32x4"): Semantics =>
  simd((b) => {
    const source = second(b);
    const wide = b.operand(source).width === 8 ? "i64x2" : lanes;
    const value = b.splat(wide, b.read(source));
    const lane = b.and(b.imm("i32"), b.i32(16 / laneSize(wide) - 1));
    const number = b.splat(wide, wide === "i64x2" ? b.extend(lane) : lane);
    const mask = b.lanes("eq", wide, b.v128(...NUMBERS[wide]), number);
    writeVector(b, 0, blend(b, mask, value, readVector(b, first(b))));
  });

/** Immediate bits 7-6 select the source's dword (of a register), 5-4 the destination's, 3-0 clear dwords. */
export const insertps: Semantics = simd((b) => {
  const imm = imm8(b);
  const field = (shift: number): Value => b.and(b.shrU(imm, b.i32(shift)), b.i32(3));
  const positions = b.lanes("add", "i8x16", words(b, 0x03020100), b.splat("i8x16", b.shl(field(6), b.i32(2))));
  const source = readVector(b, second(b), b.form.memory ? 4 : 16);
  const value = b.form.memory
    ? b.splat("i32x4", b.extractLane("i32x4", source, 0))
    : b.lanes("swizzle", "i8x16", source, positions);
  const mask = b.lanes("eq", "i32x4", b.v128(...NUMBERS.i32x4), b.splat("i32x4", field(4)));
  const merged = blend(b, mask, value, readVector(b, first(b)));
  writeVector(b, 0, b.bitwise("andnot", merged, immediateMask(b, "i32x4", imm)));
});

/** The least word and its number; the first of equal ones. */
export const phminposuw: Semantics = simd((b) => {
  const x = readVector(b, 1);
  const keyed = (half: "low" | "high", first: number): Value => {
    const high = b.lanes("shl", "i32x4", b.lanes(`extend_${half}_u`, "i32x4", x), b.i32(16));
    return b.bitwise("or", high, b.v128(first, first + 1, first + 2, first + 3));
  };
  const least = (v: Value, bytes: readonly number[]): Value => b.lanes("min_u", "i32x4", v, b.shuffle(v, v, bytes));
  const four = b.lanes("min_u", "i32x4", keyed("low", 0), keyed("high", 4));
  const two = least(four, [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7]);
  const one = least(two, [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11]);
  const key = b.extractLane("i32x4", one, 0);
  writeVector(b, 0, b.replaceLane("i32x4", zero(b), 0, b.op("rotl", key, b.i32(16))));
});

/**
 * Eight sums of absolute differences of four bytes: immediate bit 2 the first's offset, bits 0-1 the second's dword; the
 * upper lane has bits 3-5.
 */
export const mpsadbw: Semantics = binary((b, x, y, lane) => {
  const imm = b.shrU(imm8(b), b.i32(3 * lane));
  const offset = (mask: number, shift: number): Value => b.shl(b.and(imm, b.i32(mask)), b.i32(shift));
  const first = b.lanes("add", "i8x16", b.v128(...IOTA), b.splat("i8x16", offset(4, 0)));
  const second = b.splat("i8x16", offset(3, 2));
  const sums = [0, 1, 2, 3].map((n) => {
    const step = words(b, n * 0x01010101);
    const p = b.lanes("swizzle", "i8x16", x, b.lanes("add", "i8x16", first, step));
    const q = b.lanes("swizzle", "i8x16", y, b.lanes("add", "i8x16", second, step));
    const difference = b.bitwise("or", b.lanes("sub_sat_u", "i8x16", p, q), b.lanes("sub_sat_u", "i8x16", q, p));
    return b.lanes("extend_low_u", "i16x8", difference);
  });
  return sums.reduce((p, q) => b.lanes("add", "i16x8", p, q));
});

/** ROUNDPS...: immediate bits 0-1 the rounding, bit 2 rounding by MXCSR, bit 3 no PE. */
export const round = (format: Format): Semantics =>
  simd((b) => {
    const imm = imm8(b);
    const x = readFloat(b, second(b), format);
    const bit = (n: number): Value => b.and(imm, b.i32(n));
    const rounded = (v: Value): Value => {
      const by = (op: PureOp): Value => b.lanes(op, floatLanes(format), v);
      const nearest = by("nearest");
      const fixed = b.select(bit(2), b.select(bit(1), by("trunc"), by("ceil")), b.select(bit(1), by("floor"), nearest));
      return b.select(bit(4), nearest, fixed);
    };
    const kind = b.or(b.i32(floatKind("round", format, elements(format, x))), b.shl(bit(15), b.i32(FLOAT.modeShift)));
    const when = b.or(anyLane(b, format, ...x.map((v) => isNan(b, format, v))), uncommonControl(b, true));
    writeLanes(b, 0, floatOr(b, when, x.map(rounded), kind, x));
  });

/** DPPS, DPPD: immediate bits 4-7 say which products are summed, bits 0-3 which lanes get the sum. */
export const dotProduct = (format: "PS" | "PD"): Semantics =>
  simd((b) => {
    const imm = imm8(b);
    const lanes = floatLanes(format);
    const mask = (v: Value): Value => immediateMask(b, isDouble(format) ? "i64x2" : "i32x4", v);
    const x = readLanes(b, first(b));
    const y = readLanes(b, second(b));
    const chosen = mask(b.shrU(imm, b.i32(4)));
    const products = mapLanes(x, y, (p, q) => b.bitwise("and", b.lanes("mul", lanes, p, q), chosen));
    const steps = isDouble(format) ? [HALVES] : [NEIGHBOURS, HALVES];
    const sums = products.map((product) =>
      steps.reduce((v, bytes) => b.lanes("add", lanes, v, b.shuffle(v, v, bytes)), product),
    );
    const kind = b.or(b.i32(floatKind("dot", format, elements(format, x))), b.shl(imm, b.i32(FLOAT.modeShift)));
    const odd = b.or(special(b, format, "mul", x, y, products), special(b, format, "add", sums, [], sums));
    const placed = mask(imm);
    const result = sums.map((sum) => b.bitwise("and", sum, placed));
    writeLanes(b, 0, floatOr(b, odd, result, kind, x, y));
  });

const NEIGHBOURS = [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11];
const HALVES = [8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7];
