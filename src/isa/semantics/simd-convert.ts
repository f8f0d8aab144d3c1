import { FLOAT, FLOAT_ROUND } from "../float-op.ts";
import type { Value } from "../ir/builder.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { quads, readVector, simd, uses, words, writeVector, writeWhole, zero } from "./simd.ts";
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

/** Not 0 if a lane's magnitude is 2^`power` or more, or it is NaN. */
function outOfRange(b: InstructionBuilder, format: Format, x: Value, power: 31 | 63): Value {
  const lanes = floatLanes(format);
  const limit = isDouble(format) ? quads(b, 0, (1023 + power) << 20) : words(b, (127 + power) << 23);
  return anyLane(b, format, b.bitwise("not", b.lanes("lt", lanes, b.lanes("abs", lanes, x), limit)));
}

/** CVTSS2SI, CVTTSD2SI...: the integer indefinite value, 1 and zeros, where the result does not fit. [SDM 1 E.4.2.2] */
export const scalarToInteger = (truncate: boolean, format: "SS" | "SD"): Semantics =>
  simd((b) => {
    const x = readVector(b, 1, formatWidth(format));
    const type = b.typeOf(0);
    const whole = truncate ? x : b.lanes("nearest", floatLanes(format), x);
    const result = b.extend(b.convert("trunc_sat_s", type, b.extractLane(floatLanes(format), whole, 0)));
    const op = type === "i64" ? "toInt64" : "toInt32";
    const kind = b.i32(floatKind(op, format) | modeOf(truncate));
    const when = b.or(outOfRange(b, format, whole, type === "i64" ? 63 : 31), uncommonControl(b, true));
    const exact = b.callIf(when, result, "simd_float", kind, lowQuad(b, x), b.i64(0), b.i64(0), b.i64(0));
    b.write(0, b.toInt(exact, type));
  });

/** Two doubles as two dwords; the upper half is 0. */
function doublesToDwords(b: InstructionBuilder, x: Value): Value {
  const lane = (n: number): Value => b.convert("trunc_sat_s", "i32", b.extractLane("f64x2", x, n));
  return b.replaceLane("i32x4", b.replaceLane("i32x4", zero(b), 0, lane(0)), 1, lane(1));
}

/** Packed floats to dwords: CVT(T)PS2DQ, CVT(T)PD2DQ, and with an MMX destination CVT(T)PS2PI, CVT(T)PD2PI. */
export const packedToInteger = (truncate: boolean, format: "PS" | "PD"): Semantics =>
  simd((b) => {
    const x = readVector(b, 1);
    const whole = truncate ? x : b.lanes("nearest", floatLanes(format), x);
    const result = isDouble(format) ? doublesToDwords(b, whole) : b.lanes("vtrunc_sat_s", "i32x4", whole);
    const lanes = isDouble(format) || uses(b, "mmx") ? 2 : 4;
    const kind = b.i32(floatKind("toInt32", format, lanes) | modeOf(truncate));
    const when = b.or(outOfRange(b, format, whole, 31), uncommonControl(b, true));
    writeVector(b, 0, floatOr(b, when, result, kind, x, zero(b)));
  });

/** CVTSI2SS, CVTSI2SD: a general register or memory to the low lane. */
export const integerToScalar = (format: "SS" | "SD"): Semantics =>
  simd((b) => {
    const source = b.read(1);
    const wide = source.type === "i64";
    const type = isDouble(format) ? "f64" : "f32";
    const float = b.convert("convert_s", type, source);
    const bits = b.extend(b.convert("to_bits", isDouble(format) ? "i64" : "i32", float));
    if (!wide && isDouble(format)) return b.setReg("reg", bits, 8);
    const kind = b.i32(floatKind(wide ? "fromInt64" : "fromInt32", format));
    const exact = b.callIf(
      uncommonControl(b, true),
      bits,
      "simd_float",
      kind,
      b.extend(source),
      b.i64(0),
      b.i64(0),
      b.i64(0),
    );
    b.setReg("reg", isDouble(format) ? exact : b.wrap(exact), isDouble(format) ? 8 : 4);
  });

/** CVTDQ2PS (four lanes) and CVTPI2PS (two, which leave the upper half). */
export const dwordsToSingles = (lanes: 2 | 4): Semantics =>
  simd((b) => {
    const x = readVector(b, 1);
    const kind = b.i32(floatKind("fromInt32", "PS", lanes));
    writeVector(b, 0, floatOr(b, uncommonControl(b, true), b.convertLanes(x), kind, x, zero(b)));
  });

/** CVTDQ2PD, CVTPI2PD: always exact. */
export const dwordsToDoubles: Semantics = simd((b) =>
  writeVector(b, 0, b.lanes("vconvert_low_s", "f64x2", readVector(b, 1, 8))),
);

/** CVTPS2PD, CVTSS2SD */
export const singlesToDoubles = (format: "PS" | "SS"): Semantics =>
  simd((b) => {
    const lanes = format === "PS" ? 2 : 1;
    const x = readVector(b, 1, lanes * 4);
    const magnitude = b.lanes("abs", "f32x4", x);
    const infinite = b.lanes("lt", "f32x4", magnitude, words(b, 0x7f800000));
    const tiny = b.lanes("lt", "f32x4", magnitude, words(b, 0x00800000));
    const denormal = b.bitwise("and", tiny, b.lanes("ne", "f32x4", x, zero(b)));
    const when = b.or(anyLane(b, "PS", b.bitwise("not", infinite), denormal), uncommonControl(b, false));
    const result = b.lanes("vpromote_low", "f64x2", x);
    writeVector(b, 0, floatOr(b, when, result, b.i32(floatKind("toDouble", "PS", lanes)), x, zero(b)));
  });

/** CVTPD2PS, CVTSD2SS; the packed one clears the upper half. */
export const doublesToSingles = (format: "PD" | "SD"): Semantics =>
  simd((b) => {
    const x = readVector(b, 1, formatWidth(format));
    const result = b.lanes("vdemote_zero", "f32x4", x);
    const magnitude = b.lanes("abs", "f64x2", x);
    // magnitudes whose single is normal: from 2^-126 up to below 2^127
    const normal = b.bitwise(
      "and",
      b.lanes("le", "f64x2", quads(b, 0, 0x38100000), magnitude),
      b.lanes("lt", "f64x2", magnitude, quads(b, 0, 0x47e00000)),
    );
    const zeros = b.lanes("eq", "f64x2", x, zero(b));
    const odd = anyLane(b, format, b.bitwise("not", b.bitwise("or", normal, zeros)));
    const kind = b.i32(floatKind("toSingle", format));
    const value = floatOr(b, b.or(odd, uncommonControl(b, true)), result, kind, x, zero(b));
    if (format === "PD") writeWhole(b, 0, value);
    else writeVector(b, 0, value);
  });
