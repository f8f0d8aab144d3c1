import { FLOAT, FLOAT_ROUND } from "../float-op.ts";
import type { Value } from "../ir/builder.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import {
  type Lanes,
  quads,
  readLanes,
  readVector,
  second,
  simd,
  uses,
  words,
  writeEach,
  writeLanes,
  writeWhole,
  zero,
} from "./simd.ts";
import {
  anyLane,
  type Format,
  floatKind,
  floatLanes,
  floatOr,
  formatWidth,
  isDouble,
  uncommonControl,
} from "./simd-float.ts";

const modeOf = (truncate: boolean): number => (truncate ? FLOAT_ROUND.zero : FLOAT_ROUND.mxcsr) << FLOAT.modeShift;

const lowQuad = (b: InstructionBuilder, v: Value): Value => b.extractLane("i64x2", v, 0);

/** The high quadword as the low one. */
const highQuad = (b: InstructionBuilder, v: Value): Value =>
  b.shuffle(v, v, [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15]);

/** Not 0 if an element's magnitude is 2^`power` or more, or it is NaN. */
function outOfRange(b: InstructionBuilder, format: Format, x: Lanes, power: 31 | 63): Value {
  const lanes = floatLanes(format);
  const limit = isDouble(format) ? quads(b, 0, (1023 + power) << 20) : words(b, (127 + power) << 23);
  const beyond = (v: Value): Value => b.bitwise("not", b.lanes("lt", lanes, b.lanes("abs", lanes, v), limit));
  return anyLane(b, format, ...x.map(beyond));
}

/** CVTSS2SI, CVTTSD2SI...: the integer indefinite value, 1 and zeros, where the result does not fit. [SDM 1 E.4.2.2] */
export const scalarToInteger = (truncate: boolean, format: "SS" | "SD"): Semantics =>
  simd((b) => {
    const x = readVector(b, 1, formatWidth(format));
    const type = b.typeOf(0);
    const whole = truncate ? x : b.lanes("nearest", floatLanes(format), x);
    const result = b.extend(b.convert("trunc_sat_s", type, b.extractLane(floatLanes(format), whole, 0)));
    const op = type === "i64" ? "toInt64" : "toInt32";
    const kind = b.i32(floatKind(op, format, 1) | modeOf(truncate));
    const when = b.or(outOfRange(b, format, [whole], type === "i64" ? 63 : 31), uncommonControl(b, true));
    const exact = b.callIf(when, result, "simd_float", kind, lowQuad(b, x), b.i64(0), b.i64(0), b.i64(0));
    b.write(0, b.toInt(exact, type));
  });

/** Two doubles as two dwords; the upper half is 0. */
function doublesToDwords(b: InstructionBuilder, x: Value): Value {
  const lane = (n: number): Value => b.convert("trunc_sat_s", "i32", b.extractLane("f64x2", x, n));
  return b.replaceLane("i32x4", b.replaceLane("i32x4", zero(b), 0, lane(0)), 1, lane(1));
}

/** Lanes half as wide as they were, packed into one. */
function packed(b: InstructionBuilder, halves: Lanes): Value {
  const [low, high] = halves as [Value, Value?];
  return high ? b.replaceLane("i64x2", low, 1, lowQuad(b, high)) : low;
}

/** Writes packed results whose source is twice as wide: the upper half of a register is 0. */
function writePacked(b: InstructionBuilder, value: Value): void {
  if (uses(b, "mmx")) writeLanes(b, 0, [value]);
  else writeWhole(b, 0, value);
}

/** Packed floats to dwords: CVT(T)PS2DQ, CVT(T)PD2DQ, and with an MMX destination CVT(T)PS2PI, CVT(T)PD2PI. */
export const packedToInteger = (truncate: boolean, format: "PS" | "PD"): Semantics =>
  simd((b) => {
    const x = readLanes(b, 1);
    const whole = truncate ? x : x.map((v) => b.lanes("nearest", floatLanes(format), v));
    const lanes = (isDouble(format) || uses(b, "mmx") ? 2 : 4) * x.length;
    const kind = b.i32(floatKind("toInt32", format, lanes) | modeOf(truncate));
    const when = b.or(outOfRange(b, format, whole, 31), uncommonControl(b, true));
    if (isDouble(format)) {
      const result = packed(
        b,
        whole.map((v) => doublesToDwords(b, v)),
      );
      return writePacked(b, floatOr(b, when, [result], kind, x)[0]!);
    }
    const result = whole.map((v) => b.lanes("vtrunc_sat_s", "i32x4", v));
    writeLanes(b, 0, floatOr(b, when, result, kind, x));
  });

/** CVTSI2SS, CVTSI2SD: a general register or memory to the low element. */
export const integerToScalar = (format: "SS" | "SD"): Semantics =>
  simd((b) => {
    const source = b.read(second(b));
    const wide = source.type === "i64";
    const type = isDouble(format) ? "f64" : "f32";
    const float = b.convert("convert_s", type, source);
    const bits = b.extend(b.convert("to_bits", isDouble(format) ? "i64" : "i32", float));
    const write = (value: Value): void => writeLanes(b, 0, [b.replaceLane("i64x2", zero(b), 0, value)]);
    if (!wide && isDouble(format)) return write(bits);
    const kind = b.i32(floatKind(wide ? "fromInt64" : "fromInt32", format, 1));
    const operands = [b.extend(source), b.i64(0), b.i64(0), b.i64(0)];
    write(b.callIf(uncommonControl(b, true), bits, "simd_float", kind, ...operands));
  });

/** CVTDQ2PS, and CVTPI2PS of two dwords, which leaves the upper half. */
export const dwordsToSingles = (lanes: 2 | 4): Semantics =>
  simd((b) => {
    const x = readLanes(b, 1);
    const kind = b.i32(floatKind("fromInt32", "PS", lanes * x.length));
    const result = x.map((v) => b.convertLanes(v));
    writeLanes(b, 0, floatOr(b, uncommonControl(b, true), result, kind, x));
  });

/** The elements of a source half as wide as the destination, in the low half of each lane. */
function widened(b: InstructionBuilder, source: Value): Value[] {
  return b.operand(0).width === 32 ? [source, highQuad(b, source)] : [source];
}

/** CVTDQ2PD, CVTPI2PD: always exact. */
export const dwordsToDoubles: Semantics = simd((b) =>
  writeEach(b, widened(b, readVector(b, 1)), (v) => b.lanes("vconvert_low_s", "f64x2", v)),
);

/** CVTPS2PD, CVTSS2SD */
export const singlesToDoubles = (format: "PS" | "SS"): Semantics =>
  simd((b) => {
    const scalar = format === "SS";
    const x = readVector(b, second(b));
    const magnitude = b.lanes("abs", "f32x4", x);
    const infinite = b.lanes("lt", "f32x4", magnitude, words(b, 0x7f800000));
    const tiny = b.lanes("lt", "f32x4", magnitude, words(b, 0x00800000));
    const denormal = b.bitwise("and", tiny, b.lanes("ne", "f32x4", x, zero(b)));
    const when = b.or(anyLane(b, "PS", b.bitwise("not", infinite), denormal), uncommonControl(b, false));
    const result = (scalar ? [x] : widened(b, x)).map((v) => b.lanes("vpromote_low", "f64x2", v));
    const kind = b.i32(floatKind("toDouble", "PS", scalar ? 1 : 2 * result.length));
    writeLanes(b, 0, floatOr(b, when, result, kind, [x]));
  });

/** CVTPD2PS, CVTSD2SS; the packed one clears the upper half. */
export const doublesToSingles = (format: "PD" | "SD"): Semantics =>
  simd((b) => {
    const scalar = format === "SD";
    const x = scalar ? [readVector(b, second(b), 8)] : readLanes(b, 1);
    const halves = x.map((v) => b.lanes("vdemote_zero", "f32x4", v));
    const odd = anyLane(b, format, ...x.map((v) => b.bitwise("not", hasNormalSingle(b, v))));
    const kind = b.i32(floatKind("toSingle", format, scalar ? 1 : 2 * x.length));
    const value = floatOr(b, b.or(odd, uncommonControl(b, true)), [packed(b, halves)], kind, x)[0]!;
    if (scalar) writeLanes(b, 0, [value]);
    else writePacked(b, value);
  });

/** Elements that are 0, or whose single is normal: of magnitudes from 2^-126 up to below 2^127. */
function hasNormalSingle(b: InstructionBuilder, x: Value): Value {
  const magnitude = b.lanes("abs", "f64x2", x);
  const above = b.lanes("le", "f64x2", quads(b, 0, 0x38100000), magnitude);
  const normal = b.bitwise("and", above, b.lanes("lt", "f64x2", magnitude, quads(b, 0, 0x47e00000)));
  return b.bitwise("or", normal, b.lanes("eq", "f64x2", x, zero(b)));
}
