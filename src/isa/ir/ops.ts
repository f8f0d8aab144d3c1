/**
 * The IR's operations: one list. Every consumer (evaluator, verifier, printer, wasm emitter) is a total mapping
 * over `Op`, so that a missing case is a compile error.
 *
 * A program is a straight line of nodes in static single assignment; a node's value is named by its index.
 * Values are i32, i64, f32, f64 or v128. 8- and 16-bit operands are zero-extended i32 values.
 */

export type ValueType = "i32" | "i64" | "f32" | "f64" | "v128";
export type LaneType = "i8x16" | "i16x8" | "i32x4" | "i64x2" | "f32x4" | "f64x2";
/** The type an operation works in: a scalar, the lanes of a vector, or none. */
export type NodeType = ValueType | LaneType | "none";

/** What a node may do besides computing its value. */
export interface Effects {
  /** Reads registers, memory or other state. */
  readonly reads: boolean;
  /** Changes registers, memory or other state. */
  readonly writes: boolean;
  /** May end the instruction with a fault or an exit before it takes effect. */
  readonly faults: boolean;
}

const pure: Effects = { reads: false, writes: false, faults: false };
const reads: Effects = { reads: true, writes: false, faults: false };
const writes: Effects = { reads: false, writes: true, faults: false };
const readsFaults: Effects = { reads: true, writes: false, faults: true };
const writesFaults: Effects = { reads: true, writes: true, faults: true };

/** Arithmetic: the same meaning as the WebAssembly instruction `type.op`. [WebAssembly 2.0 4.3] */
// biome-ignore format: table
export const PURE_OPS = {
  // constants
  const: pure,
  // integers; also lanes where WebAssembly has them
  add: pure, sub: pure, mul: pure, and: pure, or: pure, xor: pure,
  shl: pure, shr_s: pure, shr_u: pure, rotl: pure, rotr: pure,
  eq: pure, ne: pure, lt_s: pure, lt_u: pure, le_s: pure, le_u: pure,
  eqz: pure, clz: pure, ctz: pure, popcnt: pure,
  extend8_s: pure, extend16_s: pure, extend32_s: pure,
  select: pure,
  // i32 <-> i64
  wrap: pure, extend_i32_s: pure, extend_i32_u: pure,
  // floats and float lanes
  div: pure, sqrt: pure, neg: pure, abs: pure, lt: pure, le: pure, min: pure, max: pure, pmin: pure, pmax: pure,
  ceil: pure, floor: pure, trunc: pure, nearest: pure,
  promote: pure, demote: pure, convert_s: pure, convert_u: pure, trunc_sat_s: pure, trunc_sat_u: pure,
  // bit patterns: to_bits gives the integer of a float's bits, from_bits the reverse
  to_bits: pure, from_bits: pure,
  // vectors
  splat: pure, extract_u: pure, extract_s: pure, replace: pure, shuffle: pure, swizzle: pure, not: pure, andnot: pure,
  bitmask: pure, add_sat_s: pure, add_sat_u: pure, sub_sat_s: pure, sub_sat_u: pure, min_s: pure, min_u: pure,
  max_s: pure, max_u: pure, avgr_u: pure, narrow_s: pure, narrow_u: pure,
  extend_low_s: pure, extend_low_u: pure, extend_high_s: pure, extend_high_u: pure,
  dot_s: pure, q15mulr_sat_s: pure, vtrunc_sat_s: pure, vconvert_low_s: pure, vpromote_low: pure, vdemote_zero: pure,
} as const;

/** What an instruction reads from its own encoding and state, and what it does. */
export const EFFECT_OPS = {
  /** A fixed state field: offset, access width in bytes, sign extension. */
  get: reads,
  set: writes,
  /** The register an operand slot names. */
  get_reg: reads,
  set_reg: writes,
  /** What an operand slot's field holds: the state offset of its register, or the number for x87, control and debug registers. */
  field: pure,
  /** The immediate, sign-extended to 64 bits or cut to 32. */
  imm: pure,
  /** The effective address of the memory operand: offset within its segment, cut to the address size. */
  ea: reads,
  /** State offset of the memory operand's segment record. */
  segment: pure,
  /** All ones in the instruction's address size: 0xffff, 0xffffffff or ~0. */
  address_mask: pure,
  /** rip of this instruction and of the one after it. */
  rip_this: reads,
  rip_next: reads,
  /** Linear address of an offset in a segment; checks limit, rights and canonical form where the segment needs it. */
  linear: readsFaults,
  /** Memory at a linear address: a store of 32 bytes takes two v128. `load` with intent "write" faults as a write would. */
  load: readsFaults,
  store: writesFaults,
  /** A store that was made safe by a load with intent "write" of the same address: cannot fault any more. */
  store_probed: writes,
  /** Raises an exception when the condition is not 0. */
  trap_if: { reads: false, writes: false, faults: true } as Effects,
  /** Arithmetic flags from an operation; kinds in FlagKind. */
  flags: { reads: true, writes: true, faults: false } as Effects,
  /** 0 or 1: an Intel condition code. [SDM 1 B.1] */
  cond: reads,
  /** All of EFLAGS as an i32. */
  eflags: reads,
  /** A helper of helpers.ts; effects by its declaration. */
  call: writesFaults,
  /** Ends the instruction and the block: continues at the given rip. */
  jump: writes,
  /** Ends the instruction and the block: state.rip was written by a helper. */
  end: writes,
} as const;

export type PureOp = keyof typeof PURE_OPS;
export type EffectOp = keyof typeof EFFECT_OPS;
export type Op = PureOp | EffectOp;

/** The operand slots of an instruction that name a register. */
export type RegSlot = "reg" | "rm" | "vvvv" | "is4";

/**
 * How arithmetic flags follow from an operation. Arguments are zero-extended operands of `bits`:
 * - add, sub: (a, b, result); the result includes a carry in, if there was one.
 * - inc, dec: (a, result); CF stays.
 * - logic: (result); CF = OF = AF = 0.
 * - shift: (result, cf, of); AF = 0.
 * - cf: (cf); cfof: (cf, of); zf: (zf): these change only the flags named.
 * - raw: (eflags image): all six.
 */
export type FlagKind = "add" | "sub" | "inc" | "dec" | "logic" | "shift" | "cf" | "cfof" | "zf" | "raw";

/** A node of a program. Which of the optional fields an op uses is written at the builder's method that makes it. */
export interface Node {
  readonly op: Op;
  readonly type: NodeType;
  readonly args: readonly number[];
  /** const: the value as lo/hi words (v128: four words). shuffle: 16 lanes. extract, replace: one lane. */
  readonly words?: readonly number[];
  /** get, set: state offset. get_reg, set_reg: bytes from the register's start (0 if left out). cond: condition code. trap_if: vector. */
  readonly at?: number;
  /** get, set, get_reg, set_reg, load, store: access width in bytes. flags: operand width in bits. */
  readonly width?: number;
  /** get, load: sign-extend. */
  readonly signed?: boolean;
  /** get_reg, set_reg, field. */
  readonly slot?: RegSlot;
  /** load: "write" when a store of the same address follows. */
  readonly intent?: "read" | "write";
  /** store: LOCK semantics: succeeds only if memory still holds args[2], else the instruction starts again. */
  readonly locked?: boolean;
  /** flags */
  readonly kind?: FlagKind;
  /** call: the helper's name. */
  readonly helper?: string;
  /** call: only if the last argument (i32) is not 0; otherwise the value is that of the argument before it. */
  readonly conditional?: true;
  /** convert, trunc_sat, extract...: the other type. */
  readonly from?: NodeType;
}

export interface Program {
  readonly nodes: readonly Node[];
}

/** The effects of a node's op (a call's are narrowed by its helper's declaration in the verifier). */
export function effectsOf(op: Op): Effects {
  return op in PURE_OPS ? PURE_OPS[op as PureOp] : EFFECT_OPS[op as EffectOp];
}

const COMPARISONS: ReadonlySet<Op> = new Set<Op>(["eq", "ne", "lt_s", "lt_u", "le_s", "le_u", "lt", "le", "eqz"]);

/** The type of a node's value; "none" for a node that has none. */
export function resultType(node: Node): ValueType | "none" {
  if (!node.type.includes("x")) return COMPARISONS.has(node.op) ? "i32" : (node.type as ValueType | "none");
  if (node.op === "bitmask") return "i32";
  if (node.op === "extract_u" || node.op === "extract_s") return laneValue(node.type as LaneType);
  return "v128";
}

/** The scalar type of one lane as extract and splat see it. */
export function laneValue(lanes: LaneType): ValueType {
  if (lanes === "i64x2") return "i64";
  return lanes === "f32x4" ? "f32" : lanes === "f64x2" ? "f64" : "i32";
}
