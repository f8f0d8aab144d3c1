import { MXCSR } from "../../spec/x86/mxcsr.ts";
import { FLOAT, FLOAT_OP, PREDICATES } from "../float-op.ts";
import type { Value } from "../ir/builder.ts";
import type { PureOp } from "../ir/ops.ts";
import { CPU } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import {
  first,
  imm8,
  isVex,
  type Lanes,
  mapLanes,
  pair,
  quads,
  readLanes,
  readVector,
  second,
  simd,
  words,
  writeEach,
  writeLanes,
} from "./simd.ts";

/** The four formats of an SSE or AVX instruction by the ending of its mnemonic. */
export type Format = "PS" | "PD" | "SS" | "SD";

export const isDouble = (format: Format): boolean => format.endsWith("D");
const isScalar = (format: Format): boolean => format.startsWith("S");
export const floatLanes = (format: Format): "f32x4" | "f64x2" => (isDouble(format) ? "f64x2" : "f32x4");
const elementWidth = (format: Format): number => (isDouble(format) ? 8 : 4);
/** Bytes of a lane of an operand. */
export const formatWidth = (format: Format): number => (isScalar(format) ? elementWidth(format) : 16);

/** An operand of a format: one element, or all lanes. */
export function readFloat(b: InstructionBuilder, index: number, format: Format): Value[] {
  return isScalar(format) ? readLanes(b, index, elementWidth(format)) : readLanes(b, index);
}

/** Elements of an operand. */
export function elements(format: Format, x: Lanes): number {
  return (formatWidth(format) / elementWidth(format)) * x.length;
}

/** First argument of `simd_float`. */
export function floatKind(op: keyof typeof FLOAT_OP, format: Format, lanes: number): number {
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
export function floatOr(
  b: InstructionBuilder,
  special: Value,
  result: Lanes,
  kind: Value,
  x: Lanes,
  y: Lanes = [],
): Value[] {
  const half = (v: Value, lane: number): Value => b.extractLane("i64x2", v, lane);
  const halves = (v: Value | undefined): Value[] => (v ? [half(v, 0), half(v, 1)] : [b.i64(0), b.i64(0)]);
  const [low, high] = result as [Value, Value?];
  const wide = result.length > 1 || x.length > 1;
  const operands = wide
    ? [...halves(x[0]), ...halves(x[1]), ...halves(y[0]), ...halves(y[1])]
    : [...halves(x[0]), ...halves(y[0])];
  const lowest = b.callIf(special, half(low, 0), wide ? "simd_float_wide" : "simd_float", kind, ...operands);
  const found = (at: number, otherwise: Value): Value => b.select(special, b.get(CPU.scratch + at, "i64"), otherwise);
  const value = pair(b, lowest, found(0, half(low, 1)));
  return high ? [value, pair(b, found(8, half(high, 0)), found(16, half(high, 1)))] : [value];
}

/** Whether an operation's flags or NaN need the helper: an operand is denormal, or the result tells of anything else. */
export function special(b: InstructionBuilder, format: Format, op: PureOp, x: Lanes, y: Lanes, result: Lanes): Value {
  const masks = [
    ...result.map((v) => notFinite(b, format, v)),
    ...[...x, ...y].map((v) => denormal(b, format, v)),
    ...(op === "mul" || op === "div" ? result.map((v) => tiny(b, format, v)) : []),
  ];
  return b.or(anyLane(b, format, ...masks), uncommonControl(b, true));
}

type LaneFunction<R> = (b: InstructionBuilder, x: Value, y: Value) => R;

/**
 * DEST := FIRST op SECOND: `op` says what special results look like, `exact` is what the helper does. Given besides: the
 * operands that are combined, and how, for each lane.
 */
export const floatBinary = (
  format: Format,
  op: "add" | "sub" | "mul" | "div",
  exact: keyof typeof FLOAT_OP,
  how: { operands?: LaneFunction<[Value, Value]>; result?: LaneFunction<Value> } = {},
): Semantics =>
  simd((b) => {
    const [one, other] = sources(b, format);
    const pairs = one.map((p, n): [Value, Value] => how.operands?.(b, p, other[n]!) ?? [p, other[n]!]);
    const [x, y] = [pairs.map(([p]) => p), pairs.map(([, q]) => q)];
    const result = mapLanes(x, y, (p, q) => how.result?.(b, p, q) ?? b.lanes(op, floatLanes(format), p, q));
    const kind = b.i32(floatKind(exact, format, elements(format, x)));
    writeLanes(b, 0, floatOr(b, special(b, format, op, x, y, result), result, kind, x, y));
  });

function sources(b: InstructionBuilder, format: Format): [Value[], Value[]] {
  const x = readFloat(b, first(b), format);
  return [x, readFloat(b, second(b), format)];
}

/** DEST := FIRST op SECOND. [SDM 1 11.5] */
export const arithmetic = (op: "add" | "sub" | "mul" | "div", format: Format): Semantics => floatBinary(format, op, op);

export const sqrt = (format: Format): Semantics =>
  simd((b) => {
    const x = readFloat(b, second(b), format);
    const result = x.map((v) => b.lanes("sqrt", floatLanes(format), v));
    const masks = [...result.map((v) => notFinite(b, format, v)), ...x.map((v) => denormal(b, format, v))];
    const when = b.or(anyLane(b, format, ...masks), uncommonControl(b, true));
    writeLanes(b, 0, floatOr(b, when, result, b.i32(floatKind("sqrt", format, elements(format, x))), x));
  });

/** An operand of a comparison needs the helper: it is NaN or denormal, or MXCSR is uncommon. */
function specialOperands(b: InstructionBuilder, format: Format, operands: Lanes): Value {
  const masks = operands.flatMap((v) => [isNan(b, format, v), denormal(b, format, v)]);
  return b.or(anyLane(b, format, ...masks), uncommonControl(b, false));
}

/** The second operand wins where one is NaN or both are 0. [SDM 2B MINPS] */
export const minMax = (op: "min" | "max", format: Format): Semantics =>
  simd((b) => {
    const [x, y] = sources(b, format);
    const result = mapLanes(x, y, (p, q) => b.lanes(op === "min" ? "pmin" : "pmax", floatLanes(format), q, p));
    const when = specialOperands(b, format, [...x, ...y]);
    writeLanes(b, 0, floatOr(b, when, result, b.i32(floatKind(op, format, elements(format, x))), x, y));
  });

/** The immediate's predicate: of 8, with VEX of 32. [SDM 2A CMPPS] */
export const compare = (format: Format): Semantics =>
  simd((b) => {
    const lanes = floatLanes(format);
    const predicate = b.and(imm8(b), b.i32(isVex(b) ? 31 : 7));
    const [x, y] = sources(b, format);
    const within = b.and(predicate, b.i32(15));
    const holds = (predicates: number): Value =>
      b.splat("i32x4", b.neg(b.and(b.shrU(b.i32(predicates), within), b.i32(1))));
    const relations = [
      [holds(PREDICATES.equal), (p: Value, q: Value) => b.lanes("eq", lanes, p, q)],
      [holds(PREDICATES.less), (p: Value, q: Value) => b.lanes("lt", lanes, p, q)],
      [holds(PREDICATES.greater), (p: Value, q: Value) => b.lanes("lt", lanes, q, p)],
      [holds(PREDICATES.unordered), (p: Value, q: Value) => b.bitwise("or", isNan(b, format, p), isNan(b, format, q))],
    ] as const;
    const result = mapLanes(x, y, (p, q) =>
      relations
        .map(([mask, relation]) => b.bitwise("and", mask, relation(p, q)))
        .reduce((one, other) => b.bitwise("or", one, other)),
    );
    const kind = b.or(
      b.i32(floatKind("compare", format, elements(format, x))),
      b.shl(predicate, b.i32(FLOAT.modeShift)),
    );
    writeLanes(b, 0, floatOr(b, specialOperands(b, format, [...x, ...y]), result, kind, x, y));
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
    const kind = b.i32(floatKind(quiet ? "unordered" : "ordered", format, 1));
    const low = (v: Value): Value => b.extractLane("i64x2", v, 0);
    const when = specialOperands(b, format, [x, y]);
    const flags = b.callIf(when, image, "simd_float", kind, low(x), b.i64(0), low(y), b.i64(0));
    b.flags("raw", 32, [b.wrap(flags)]);
  });

/**
 * RCPPS, RSQRTPS: the processor promises a relative error up to 1.5 * 2^-12; the result here is that of single
 * precision arithmetic. Denormal operands count as 0, denormal results are 0, and MXCSR is neither read nor written.
 */
export const reciprocal = (root: boolean, format: Format): Semantics =>
  simd((b) => {
    const x = readFloat(b, second(b), format);
    writeEach(b, x, (v) => approximate(b, root, v));
  });

function approximate(b: InstructionBuilder, root: boolean, x: Value): Value {
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
  return choose(b, isNan(b, "PS", result), fromNan, result);
}

function choose(b: InstructionBuilder, mask: Value, x: Value, y: Value): Value {
  return b.bitwise("or", b.bitwise("and", x, mask), b.bitwise("andnot", y, mask));
}
