import type { Node, PureOp } from "../../../isa/ir/ops.ts";

type Namer = (node: Node) => string;

const plain: Namer = (node) => `${node.type}.${node.op}`;
const suffixed =
  (name: string): Namer =>
  (node) =>
    `${node.type}.${name}`;

/** Lanes half or twice as wide. */
const HALF: Readonly<Record<string, string>> = { i16x8: "i8x16", i32x4: "i16x8", i64x2: "i32x4" };
const TWICE: Readonly<Record<string, string>> = { i8x16: "i16x8", i16x8: "i32x4" };

const fromHalf =
  (name: string, sign: string): Namer =>
  (node) =>
    `${node.type}.${name}_${HALF[node.type]}_${sign}`;
const narrow =
  (sign: string): Namer =>
  (node) =>
    `${node.type}.narrow_${TWICE[node.type]}_${sign}`;
const wideLanes = (node: Node): boolean => !(node.type === "i8x16" || node.type === "i16x8");
const convert =
  (sign: string): Namer =>
  (node) =>
    node.type === "f32x4" ? `f32x4.convert_i32x4_${sign}` : `${node.type}.convert_${node.from}_${sign}`;

/** The WebAssembly instruction of every pure operation. Constants and select are written by the emitter itself. */
// biome-ignore format: table
export const PURE_NAMES: Readonly<Record<Exclude<PureOp, "const" | "select">, Namer>> = {
  add: plain, sub: plain, mul: plain, and: plain, or: plain, xor: plain, shl: plain, shr_s: plain, shr_u: plain, rotl: plain, rotr: plain,
  eq: plain, ne: plain, lt_s: plain, lt_u: plain, le_s: plain, le_u: plain, eqz: plain, clz: plain, ctz: plain, popcnt: plain,
  extend8_s: plain, extend16_s: plain, extend32_s: plain,
  wrap: suffixed("wrap_i64"), extend_i32_s: plain, extend_i32_u: plain,
  div: plain, sqrt: plain, neg: plain, abs: plain, lt: plain, le: plain, min: plain, max: plain, pmin: plain, pmax: plain,
  ceil: plain, floor: plain, trunc: plain, nearest: plain,
  promote: suffixed("promote_f32"), demote: suffixed("demote_f64"), convert_s: convert("s"), convert_u: convert("u"),
  trunc_sat_s: (node) => `${node.type}.trunc_sat_${node.from}_s`, trunc_sat_u: (node) => `${node.type}.trunc_sat_${node.from}_u`,
  to_bits: (node) => `${node.type}.reinterpret_${node.from}`, from_bits: (node) => `${node.type}.reinterpret_${node.from}`,
  splat: plain, replace: suffixed("replace_lane"), shuffle: plain, swizzle: plain, not: plain, andnot: plain, bitmask: plain,
  extract_u: (node) => `${node.type}.extract_lane${wideLanes(node) ? "" : "_u"}`,
  extract_s: (node) => `${node.type}.extract_lane${wideLanes(node) ? "" : "_s"}`,
  add_sat_s: plain, add_sat_u: plain, sub_sat_s: plain, sub_sat_u: plain, min_s: plain, min_u: plain, max_s: plain, max_u: plain, avgr_u: plain,
  narrow_s: narrow("s"), narrow_u: narrow("u"),
  extend_low_s: fromHalf("extend_low", "s"), extend_low_u: fromHalf("extend_low", "u"),
  extend_high_s: fromHalf("extend_high", "s"), extend_high_u: fromHalf("extend_high", "u"),
  dot_s: suffixed("dot_i16x8_s"), q15mulr_sat_s: plain,
  vtrunc_sat_s: suffixed("trunc_sat_f32x4_s"), vconvert_low_s: suffixed("convert_low_i32x4_s"),
  vpromote_low: suffixed("promote_low_f32x4"), vdemote_zero: suffixed("demote_f64x2_zero"),
};
