import { MXCSR } from "../../spec/x86/mxcsr.ts";
import { FLOAT, FLOAT_OP } from "../float-op.ts";
import type { Value } from "../ir/builder.ts";
import type { PureOp } from "../ir/ops.ts";
import { CPU } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { imm8, pair, quads, readVector, simd, words, writeVector } from "./simd.ts";

/** The four formats of an SSE instruction by the ending of its mnemonic. */
export type Format = "PS" | "PD" | "SS" | "SD";

export const isDouble = (format: Format): boolean => format.endsWith("D");
const isScalar = (format: Format): boolean => format.startsWith("S");
export const floatLanes = (format: Format): "f32x4" | "f64x2" => (isDouble(format) ? "f64x2" : "f32x4");
const elementWidth = (format: Format): number => (isDouble(format) ? 8 : 4);
/** Bytes of an operand. */
export const formatWidth = (format: Format): number => (isScalar(format) ? elementWidth(format) : 16);

/** First argument of `simd_float`. */
export function floatKind(
  op: keyof typeof FLOAT_OP,
  format: Format,
  lanes = formatWidth(format) / elementWidth(format),
): number {
  return FLOAT_OP[op] | (isDouble(format) ? FLOAT.double : 0) | (lanes << FLOAT.lanesShift);
}

/** Not 0 unless MXCSR has its common controls; `inexact` asks besides that PE is set already, so that it need not be found out. */
export function uncommonControl(b: InstructionBuilder, inexact: boolean): Value {
  const pe = inexact ? MXCSR.PE : 0;
  const mxcsr = b.and(b.get(CPU.mxcsr, "i32"), b.i32(MXCSR.control | pe));
  return b.xor(mxcsr, b.i32(MXCSR.masks | pe));
}

/** Lanes that are denormal (not 0). */
function denormal(b: InstructionBuilder, format: Format, v: Value): Value {
  const lanes = floatLanes(format);
  const small = b.lanes("lt", lanes, b.lanes("abs", lanes, v), smallest(b, format));
  return b.bitwise("and", small, b.lanes("ne", lanes, v, b.v128(0, 0, 0, 0)));
}

/** The smallest normal number in every lane. */
function smallest(b: InstructionBuilder, format: Format): Value {
  return isDouble(format) ? quads(b, 0, 0x00100000) : words(b, 0x00800000);
}

function infinity(b: InstructionBuilder, format: Format): Value {
  return isDouble(format) ? quads(b, 0, 0x7ff00000) : words(b, 0x7f800000);
}

/** Lanes that are infinite or NaN. */
function notFinite(b: InstructionBuilder, format: Format, v: Value): Value {
  const lanes = floatLanes(format);
  return b.bitwise("not", b.lanes("lt", lanes, b.lanes("abs", lanes, v), infinity(b, format)));
}

/** Lanes that are 0 or denormal, or rounded up to the smallest normal number: the exact result may have been tiny. */
function tiny(b: InstructionBuilder, format: Format, v: Value): Value {
  const lanes = floatLanes(format);
  return b.lanes("le", lanes, b.lanes("abs", lanes, v), smallest(b, format));
}

export function isNan(b: InstructionBuilder, format: Format, v: Value): Value {
  return b.lanes("ne", floatLanes(format), v, v);
}

/** Not 0 if one of the masks is set in a lane of the format. */
export function anyLane(b: InstructionBuilder, format: Format, ...masks: Value[]): Value {
  const mask = masks.reduce((x, y) => b.bitwise("or", x, y));
  const bits = b.lanes("bitmask", isDouble(format) ? "i64x2" : "i32x4", mask);
  return isScalar(format) ? b.and(bits, b.i32(1)) : bits;
}

/**
 * `result` unless `special` is not 0: then what the helper computes from the operands, exactly and with MXCSR's
 * rounding, flags and exceptions.
 */
export function floatOr(b: InstructionBuilder, special: Value, result: Value, kind: Value, x: Value, y: Value): Value {
  const half = (v: Value, lane: number): Value => b.extractLane("i64x2", v, lane);
  const low = b.callIf(special, half(result, 0), "simd_float", kind, half(x, 0), half(x, 1), half(y, 0), half(y, 1));
  return pair(b, low, b.select(special, b.get(CPU.scratch, "i64"), half(result, 1)));
}

/** Whether an operation's flags or NaN need the helper: an operand is denormal, or the result tells of anything else. */
export function special(b: InstructionBuilder, format: Format, op: PureOp, x: Value, y: Value, result: Value): Value {
  const masks = [notFinite(b, format, result), denormal(b, format, x), denormal(b, format, y)];
  if (op === "mul" || op === "div") masks.push(tiny(b, format, result));
  return b.or(anyLane(b, format, ...masks), uncommonControl(b, true));
}

/** DEST := DEST op SRC. [SDM 1 11.5] */
export const arithmetic = (op: "add" | "sub" | "mul" | "div", format: Format): Semantics =>
  simd((b) => {
    const width = formatWidth(format);
    const x = readVector(b, 0, width);
    const y = readVector(b, 1, width);
    const result = b.lanes(op, floatLanes(format), x, y);
    const when = special(b, format, op, x, y, result);
    writeVector(b, 0, floatOr(b, when, result, b.i32(floatKind(op, format)), x, y));
  });

export const sqrt = (format: Format): Semantics =>
  simd((b) => {
    const x = readVector(b, 1, formatWidth(format));
    const result = b.lanes("sqrt", floatLanes(format), x);
    const odd = anyLane(b, format, notFinite(b, format, result), denormal(b, format, x));
    const when = b.or(odd, uncommonControl(b, true));
    writeVector(b, 0, floatOr(b, when, result, b.i32(floatKind("sqrt", format)), x, x));
  });

/** An operand of a comparison needs the helper: it is NaN or denormal, or MXCSR is uncommon. */
function specialOperands(b: InstructionBuilder, format: Format, x: Value, y: Value): Value {
  const masks = [isNan(b, format, x), isNan(b, format, y), denormal(b, format, x), denormal(b, format, y)];
  return b.or(anyLane(b, format, ...masks), uncommonControl(b, false));
}

/** The second operand wins where one is NaN or both are 0. [SDM 2B MINPS] */
export const minMax = (op: "min" | "max", format: Format): Semantics =>
  simd((b) => {
    const width = formatWidth(format);
    const x = readVector(b, 0, width);
    const y = readVector(b, 1, width);
    const result = b.lanes(op === "min" ? "pmin" : "pmax", floatLanes(format), y, x);
    const when = specialOperands(b, format, x, y);
    writeVector(b, 0, floatOr(b, when, result, b.i32(floatKind(op, format)), x, y));
  });

/** Predicates 0-7 in the immediate: EQ, LT, LE, UNORD and their opposites. [SDM 2A CMPPS] */
export const compare = (format: Format): Semantics =>
  simd((b) => {
    const width = formatWidth(format);
    const lanes = floatLanes(format);
    const x = readVector(b, 0, width);
    const y = readVector(b, 1, width);
    const predicate = b.and(imm8(b), b.i32(7));
    const bit = (n: number): Value => b.and(predicate, b.i32(n));
    const unordered = b.bitwise("or", isNan(b, format, x), isNan(b, format, y));
    const upper = b.select(bit(1), unordered, b.lanes("le", lanes, x, y));
    const lower = b.select(bit(1), b.lanes("lt", lanes, x, y), b.lanes("eq", lanes, x, y));
    const invert = b.splat("i32x4", b.select(bit(4), b.i32(-1), b.i32(0)));
    const result = b.bitwise("xor", b.select(bit(2), upper, lower), invert);
    const kind = b.or(b.i32(floatKind("compare", format)), b.shl(predicate, b.i32(FLOAT.modeShift)));
    writeVector(b, 0, floatOr(b, specialOperands(b, format, x, y), result, kind, x, y));
  });

/** COMISS, UCOMISS...: ZF, PF, CF = 111 unordered, 000 greater, 001 less, 100 equal. [SDM 2A COMISS] */
export const compareFlags = (quiet: boolean, format: Format): Semantics =>
  simd((b) => {
    const x = readVector(b, 0, formatWidth(format));
    const y = readVector(b, 1, formatWidth(format));
    const lanes = floatLanes(format);
    const flag = (mask: Value, bits: number): Value => b.and(b.extractLane("i32x4", mask, 0), b.i32(bits));
    const unordered = b.bitwise("or", isNan(b, format, x), isNan(b, format, y));
    const parts = [flag(b.lanes("eq", lanes, x, y), 0x40), flag(b.lanes("lt", lanes, x, y), 1), flag(unordered, 0x45)];
    const image = b.extend(parts.reduce((p, q) => b.or(p, q)));
    const kind = b.i32(floatKind(quiet ? "unordered" : "ordered", format));
    const low = (v: Value): Value => b.extractLane("i64x2", v, 0);
    const when = specialOperands(b, format, x, y);
    const flags = b.callIf(when, image, "simd_float", kind, low(x), b.i64(0), low(y), b.i64(0));
    b.flags("raw", 32, [b.wrap(flags)]);
  });

/**
 * RCPPS, RSQRTPS: the processor promises a relative error up to 1.5 * 2^-12; the result here is that of single
 * precision arithmetic. Denormal operands count as 0, denormal results are 0, and MXCSR is neither read nor written.
 */
export const reciprocal = (root: boolean, format: Format): Semantics =>
  simd((b) => {
    const x = readVector(b, 1, formatWidth(format));
    const sign = words(b, 0x80000000);
    const flush = (v: Value): Value => {
      const gone = b.bitwise("andnot", b.lanes("lt", "f32x4", b.lanes("abs", "f32x4", v), smallest(b, "PS")), sign);
      return b.bitwise("andnot", v, gone);
    };
    const operand = flush(x);
    const divisor = root ? b.lanes("sqrt", "f32x4", operand) : operand;
    const result = flush(b.lanes("div", "f32x4", words(b, 0x3f800000), divisor));
    const quiet = b.bitwise("or", x, words(b, 0x00400000));
    const fromNan = choose(b, isNan(b, "PS", x), quiet, words(b, 0xffc00000));
    writeVector(b, 0, choose(b, isNan(b, "PS", result), fromNan, result));
  });

function choose(b: InstructionBuilder, mask: Value, x: Value, y: Value): Value {
  return b.bitwise("or", b.bitwise("and", x, mask), b.bitwise("andnot", y, mask));
}
