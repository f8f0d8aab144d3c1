import {
  type LaneType,
  laneValue,
  type Node,
  type NodeType,
  type Op,
  type PureOp,
  resultType,
  type ValueType,
} from "./ops.ts";

const INT = ["i32", "i64"] as const;
const FLOAT = ["f32", "f64"] as const;
const SCALAR = [...INT, ...FLOAT] as const;
const INT_LANES = ["i8x16", "i16x8", "i32x4", "i64x2"] as const;
const FLOAT_LANES = ["f32x4", "f64x2"] as const;
const LANES = [...INT_LANES, ...FLOAT_LANES] as const;
const NARROW_LANES = ["i8x16", "i16x8"] as const;
const WORD_LANES = ["i8x16", "i16x8", "i32x4"] as const;
const WIDE_LANES = ["i16x8", "i32x4", "i64x2"] as const;

/**
 * What a pure operation takes: the types it works in, and its arguments. "t" is the type's own value (v128 for lanes),
 * "lane" a value of one lane, "count" an i32 for lanes and "t" for a scalar, "from" the type that the node names.
 */
export interface PureSignature {
  readonly types: readonly NodeType[];
  readonly args: readonly ("t" | "lane" | "count" | "from" | ValueType)[];
  /** The types it converts from, which the node names one of; lanes convert from v128 and name none. */
  readonly from?: Readonly<Partial<Record<NodeType, readonly ValueType[]>>>;
  /** The immediate lanes: how many, and the number each is below. */
  readonly immediates?: (type: LaneType) => { readonly count: number; readonly below: number };
}

const unary = (...types: NodeType[]): PureSignature => ({ types, args: ["t"] });
const binary = (...types: NodeType[]): PureSignature => ({ types, args: ["t", "t"] });
const shift: PureSignature = { types: [...INT, ...INT_LANES], args: ["t", "count"] };
const conversion = (from: Readonly<Partial<Record<NodeType, readonly ValueType[]>>>): PureSignature => ({
  types: Object.keys(from) as NodeType[],
  args: ["from"],
  from,
});
const fromIntegers = conversion({ f32: INT, f64: INT, f32x4: [] });
const toIntegers = conversion({ i32: FLOAT, i64: FLOAT });
const oneLane = (type: LaneType): { count: number; below: number } => ({ count: 1, below: laneCount(type) });

/** Lanes of a vector type. */
export function laneCount(type: LaneType): number {
  return Number(type.slice(type.indexOf("x") + 1));
}

/** Every pure operation's signature, as WebAssembly has it. [WebAssembly 2.0 3.3] */
export const PURE_SIGNATURES: Readonly<Record<PureOp, PureSignature>> = {
  const: { types: [...INT, "v128"], args: [] },
  add: binary(...SCALAR, ...LANES),
  sub: binary(...SCALAR, ...LANES),
  mul: binary(...SCALAR, "i16x8", "i32x4", "i64x2", ...FLOAT_LANES),
  and: binary(...INT, "v128"),
  or: binary(...INT, "v128"),
  xor: binary(...INT, "v128"),
  shl: shift,
  shr_s: shift,
  shr_u: shift,
  rotl: binary(...INT),
  rotr: binary(...INT),
  eq: binary(...SCALAR, ...LANES),
  ne: binary(...SCALAR, ...LANES),
  lt_s: binary(...INT, ...INT_LANES),
  lt_u: binary(...INT, ...WORD_LANES),
  le_s: binary(...INT, ...INT_LANES),
  le_u: binary(...INT, ...WORD_LANES),
  eqz: unary(...INT),
  clz: unary(...INT),
  ctz: unary(...INT),
  popcnt: unary(...INT, "i8x16"),
  extend8_s: unary(...INT),
  extend16_s: unary(...INT),
  extend32_s: unary("i64"),
  select: { types: [...SCALAR, "v128"], args: ["t", "t", "i32"] },
  wrap: { types: ["i32"], args: ["i64"] },
  extend_i32_s: { types: ["i64"], args: ["i32"] },
  extend_i32_u: { types: ["i64"], args: ["i32"] },
  div: binary(...FLOAT, ...FLOAT_LANES),
  sqrt: unary(...FLOAT, ...FLOAT_LANES),
  neg: unary(...FLOAT, ...LANES),
  abs: unary(...FLOAT, ...LANES),
  lt: binary(...FLOAT, ...FLOAT_LANES),
  le: binary(...FLOAT, ...FLOAT_LANES),
  min: binary(...FLOAT, ...FLOAT_LANES),
  max: binary(...FLOAT, ...FLOAT_LANES),
  pmin: binary(...FLOAT_LANES),
  pmax: binary(...FLOAT_LANES),
  ceil: unary(...FLOAT, ...FLOAT_LANES),
  floor: unary(...FLOAT, ...FLOAT_LANES),
  trunc: unary(...FLOAT, ...FLOAT_LANES),
  nearest: unary(...FLOAT, ...FLOAT_LANES),
  promote: { types: ["f64"], args: ["f32"] },
  demote: { types: ["f32"], args: ["f64"] },
  convert_s: fromIntegers,
  convert_u: fromIntegers,
  trunc_sat_s: toIntegers,
  trunc_sat_u: toIntegers,
  to_bits: conversion({ i32: ["f32"], i64: ["f64"] }),
  from_bits: conversion({ f32: ["i32"], f64: ["i64"] }),
  splat: { types: LANES, args: ["lane"] },
  extract_u: { types: LANES, args: ["t"], immediates: oneLane },
  extract_s: { types: LANES, args: ["t"], immediates: oneLane },
  replace: { types: LANES, args: ["t", "lane"], immediates: oneLane },
  shuffle: { types: ["i8x16"], args: ["t", "t"], immediates: () => ({ count: 16, below: 32 }) },
  swizzle: binary("i8x16"),
  not: unary("v128"),
  andnot: binary("v128"),
  bitmask: unary(...INT_LANES),
  add_sat_s: binary(...NARROW_LANES),
  add_sat_u: binary(...NARROW_LANES),
  sub_sat_s: binary(...NARROW_LANES),
  sub_sat_u: binary(...NARROW_LANES),
  min_s: binary(...WORD_LANES),
  min_u: binary(...WORD_LANES),
  max_s: binary(...WORD_LANES),
  max_u: binary(...WORD_LANES),
  avgr_u: binary(...NARROW_LANES),
  narrow_s: binary(...NARROW_LANES),
  narrow_u: binary(...NARROW_LANES),
  extend_low_s: unary(...WIDE_LANES),
  extend_low_u: unary(...WIDE_LANES),
  extend_high_s: unary(...WIDE_LANES),
  extend_high_u: unary(...WIDE_LANES),
  dot_s: binary("i32x4"),
  q15mulr_sat_s: binary("i16x8"),
  vtrunc_sat_s: unary("i32x4"),
  vconvert_low_s: unary("f64x2"),
  vpromote_low: unary("f64x2"),
  vdemote_zero: unary("f32x4"),
};

/** Operations whose type is that of what they write. */
const WRITERS: ReadonlySet<Op> = new Set<Op>(["set", "set_reg", "store", "store_probed", "flags"]);

/** Whether a node gives a value that others may use. */
export function hasValue(node: Node): boolean {
  return resultType(node) !== "none" && !WRITERS.has(node.op);
}

/** The type that an argument of a pure node has. */
export function argumentType(node: Node, arg: PureSignature["args"][number]): ValueType {
  const lanes = node.type.includes("x");
  if (arg === "t") return lanes ? "v128" : (node.type as ValueType);
  if (arg === "lane") return laneValue(node.type as LaneType);
  if (arg === "count") return lanes ? "i32" : (node.type as ValueType);
  if (arg === "from") return lanes ? "v128" : (node.from as ValueType);
  return arg;
}
