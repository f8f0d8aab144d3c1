import { CPU, GPR, type SegmentName, segmentOffset } from "../state.ts";
import { HELPERS, type HelperName } from "./helpers.ts";
import {
  type FlagKind,
  type LaneType,
  laneValue,
  type Node,
  type Program,
  type PureOp,
  type RegSlot,
  type ValueType,
} from "./ops.ts";

/** A value of the program under construction. */
export interface Value {
  readonly index: number;
  readonly type: ValueType;
}

type Int = "i32" | "i64";

/** Builds one straight-line program; semantics functions call its methods in the order of the manual's Operation. */
export class Builder {
  readonly nodes: Node[] = [];

  program(): Program {
    return { nodes: this.nodes };
  }

  // Constants

  i32(value: number): Value {
    return this.#add({ op: "const", type: "i32", args: [], words: [value | 0] }, "i32");
  }

  /** A 64-bit constant: a safe integer, or the low word with an explicit high word. */
  i64(low: number, high = Math.floor(low / 0x1_0000_0000)): Value {
    return this.#add({ op: "const", type: "i64", args: [], words: [low | 0, high | 0] }, "i64");
  }

  /** A 128-bit constant of four words, lowest first. */
  v128(w0: number, w1: number, w2: number, w3: number): Value {
    return this.#add({ op: "const", type: "v128", args: [], words: [w0 | 0, w1 | 0, w2 | 0, w3 | 0] }, "v128");
  }

  /** An integer constant of the same type as `like`. */
  constant(like: Value, value: number): Value {
    return like.type === "i64" ? this.i64(value) : this.i32(value);
  }

  // Pure operations

  /** Any pure op on the type of its first argument, giving that type. */
  op(op: PureOp, ...args: Value[]): Value {
    return this.#add({ op, type: args[0]!.type, args: args.map((a) => a.index) }, args[0]!.type);
  }

  add(a: Value, b: Value): Value {
    return this.op("add", a, b);
  }
  sub(a: Value, b: Value): Value {
    return this.op("sub", a, b);
  }
  mul(a: Value, b: Value): Value {
    return this.op("mul", a, b);
  }
  and(a: Value, b: Value): Value {
    return this.op("and", a, b);
  }
  or(a: Value, b: Value): Value {
    return this.op("or", a, b);
  }
  xor(a: Value, b: Value): Value {
    return this.op("xor", a, b);
  }
  shl(a: Value, b: Value): Value {
    return this.op("shl", a, b);
  }
  shrU(a: Value, b: Value): Value {
    return this.op("shr_u", a, b);
  }
  shrS(a: Value, b: Value): Value {
    return this.op("shr_s", a, b);
  }
  not(a: Value): Value {
    return this.xor(a, this.constant(a, -1));
  }
  neg(a: Value): Value {
    return this.sub(this.constant(a, 0), a);
  }

  /** A comparison: i32 0 or 1 whatever the operands' type. */
  compare(op: "eq" | "ne" | "lt_s" | "lt_u" | "le_s" | "le_u" | "lt" | "le", a: Value, b: Value): Value {
    return this.#add({ op, type: a.type, args: [a.index, b.index] }, "i32");
  }
  eq(a: Value, b: Value): Value {
    return this.compare("eq", a, b);
  }
  ne(a: Value, b: Value): Value {
    return this.compare("ne", a, b);
  }
  isZero(a: Value): Value {
    return this.#add({ op: "eqz", type: a.type, args: [a.index] }, "i32");
  }

  /** condition (i32) ? a : b; no branch. */
  select(condition: Value, a: Value, b: Value): Value {
    return this.#add({ op: "select", type: a.type, args: [a.index, b.index, condition.index] }, a.type);
  }

  /** The low 32 bits of an i64; an i32 as it is. */
  wrap(a: Value): Value {
    return a.type === "i32" ? a : this.#add({ op: "wrap", type: "i32", args: [a.index] }, "i32");
  }

  /** An i32 zero- or sign-extended to i64; an i64 as it is. */
  extend(a: Value, signed = false): Value {
    if (a.type === "i64") return a;
    return this.#add({ op: signed ? "extend_i32_s" : "extend_i32_u", type: "i64", args: [a.index] }, "i64");
  }

  /** Converts between the integer types: wraps or zero-extends. */
  toInt(a: Value, type: Int): Value {
    return type === "i64" ? this.extend(a) : this.wrap(a);
  }

  /** Sign-extends the low `bits` of an integer within its type. */
  signExtend(a: Value, bits: number): Value {
    if (bits === (a.type === "i64" ? 64 : 32)) return a;
    return this.op(bits === 8 ? "extend8_s" : bits === 16 ? "extend16_s" : "extend32_s", a);
  }

  /** Zero-extends the low `bits` (8, 16, 32 or 64) of an integer within its type. */
  zeroExtend(a: Value, bits: number): Value {
    if (bits === (a.type === "i64" ? 64 : 32)) return a;
    if (bits === 32) return this.extend(this.wrap(a));
    return this.and(a, this.constant(a, bits === 8 ? 0xff : 0xffff));
  }

  /** A float or conversion op with an explicit result type: promote, demote, convert_s, trunc_sat_s, to_bits, from_bits... */
  convert(op: PureOp, to: ValueType, a: Value): Value {
    return this.#add({ op, type: to, args: [a.index], from: a.type }, to);
  }

  /** A lane-wise vector op. Shifts take an i32 count as their second argument; bitmask yields i32. */
  lanes(op: PureOp, lanes: LaneType, ...args: Value[]): Value {
    return this.#add({ op, type: lanes, args: args.map((a) => a.index) }, op === "bitmask" ? "i32" : "v128");
  }

  /** Signed dwords as single precision floats, lane by lane. */
  convertLanes(a: Value): Value {
    return this.#add({ op: "convert_s", type: "f32x4", args: [a.index], from: "v128" }, "v128");
  }

  /** A bitwise op on whole vectors: and, or, xor, not, andnot (a & ~b). */
  bitwise(op: "and" | "or" | "xor" | "not" | "andnot", ...args: Value[]): Value {
    return this.#add({ op, type: "v128", args: args.map((a) => a.index) }, "v128");
  }

  splat(lanes: LaneType, a: Value): Value {
    return this.#add({ op: "splat", type: lanes, args: [a.index] }, "v128");
  }

  extractLane(lanes: LaneType, a: Value, lane: number, signed = false): Value {
    const type = laneValue(lanes);
    return this.#add({ op: signed ? "extract_s" : "extract_u", type: lanes, args: [a.index], words: [lane] }, type);
  }

  replaceLane(lanes: LaneType, a: Value, lane: number, value: Value): Value {
    return this.#add({ op: "replace", type: lanes, args: [a.index, value.index], words: [lane] }, "v128");
  }

  /** i8x16.shuffle with 16 constant lanes of a (0-15) and b (16-31). */
  shuffle(a: Value, b: Value, lanes: readonly number[]): Value {
    return this.#add({ op: "shuffle", type: "i8x16", args: [a.index, b.index], words: lanes }, "v128");
  }

  // State

  /** Reads a state field; width in bytes, default that of the type. */
  get(at: number, type: ValueType, width = typeWidth(type), signed = false): Value {
    return this.#add({ op: "get", type, args: [], at, width, signed }, type);
  }

  set(at: number, value: Value, width = typeWidth(value.type)): void {
    this.#add({ op: "set", type: value.type, args: [value.index], at, width }, value.type);
  }

  /** Reads `bits` of a general register by number (see GPR), zero-extended; 64 bits give an i64, less an i32. */
  gpr(register: keyof typeof GPR, bits: number): Value {
    return this.get(CPU.gpr + 8 * GPR[register], bits === 64 ? "i64" : "i32", bits / 8);
  }

  /** Writes `bits` of a general register; 32 bits clear the upper half. [SDM 1 3.4.1.1] */
  setGpr(register: keyof typeof GPR, value: Value, bits: number): void {
    const at = CPU.gpr + 8 * GPR[register];
    if (bits === 32) this.set(at, this.extend(this.wrap(value)), 8);
    else this.set(at, value, bits / 8);
  }

  /** Reads `width` bytes of the register in an operand slot, from byte `at` on: up to 4 bytes as i32, 8 as i64, 16 as v128. */
  getReg(slot: RegSlot, width: number, type: ValueType = widthType(width), at = 0): Value {
    return this.#add({ op: "get_reg", type, args: [], slot, width, ...(at ? { at } : {}) }, type);
  }

  /** Writes `width` bytes of the register in an operand slot from byte `at` on, leaving its other bytes. */
  setReg(slot: RegSlot, value: Value, width: number, at = 0): void {
    this.#add({ op: "set_reg", type: value.type, args: [value.index], slot, width, ...(at ? { at } : {}) }, value.type);
  }

  // The instruction's own fields

  /** The field of an operand slot as an i32: state offset of its register, or its number (x87, control, debug registers). */
  field(slot: RegSlot): Value {
    return this.#add({ op: "field", type: "i32", args: [], slot }, "i32");
  }

  imm(type: Int): Value {
    return this.#add({ op: "imm", type, args: [] }, type);
  }
  ea(): Value {
    return this.#add({ op: "ea", type: "i64", args: [] }, "i64");
  }
  segment(): Value {
    return this.#add({ op: "segment", type: "i32", args: [] }, "i32");
  }
  addressMask(): Value {
    return this.#add({ op: "address_mask", type: "i64", args: [] }, "i64");
  }
  ripThis(): Value {
    return this.#add({ op: "rip_this", type: "i64", args: [] }, "i64");
  }
  ripNext(): Value {
    return this.#add({ op: "rip_next", type: "i64", args: [] }, "i64");
  }

  // Memory

  /** Linear address of an offset in a segment (default: the memory operand's), checked for an access of `width` bytes. */
  linear(offset: Value, width: number, intent: "read" | "write", segment?: SegmentName): Value {
    const at = segment === undefined ? {} : { at: segmentOffset(segment) };
    return this.#add({ op: "linear", type: "i64", args: [offset.index], width, intent, ...at }, "i64");
  }

  load(linear: Value, width: number, intent: "read" | "write" = "read", type: ValueType = widthType(width)): Value {
    return this.#add({ op: "load", type, args: [linear.index], width, intent }, type);
  }

  store(linear: Value, value: Value, width: number): void {
    this.#add({ op: "store", type: value.type, args: [linear.index, value.index], width }, value.type);
  }

  /** Stores 32 bytes, or nothing. */
  storeWide(linear: Value, low: Value, high: Value): void {
    this.#add({ op: "store", type: "v128", args: [linear.index, low.index, high.index], width: 32 }, "v128");
  }

  /** Stores after a load with intent "write" of the same address: cannot fault. */
  storeProbed(linear: Value, value: Value, width: number): void {
    this.#add({ op: "store_probed", type: value.type, args: [linear.index, value.index], width }, value.type);
  }

  /** LOCK: stores if memory still holds `expected`, else the instruction starts again. */
  storeLocked(linear: Value, value: Value, expected: Value, width: number): void {
    const args = [linear.index, value.index, expected.index];
    this.#add({ op: "store", type: value.type, args, width, locked: true }, value.type);
  }

  // Control and flags

  /** Raises an exception (error code 0 where the vector has one) if the condition (i32) is not 0. */
  trapIf(condition: Value, vector: number): void {
    this.#add({ op: "trap_if", type: "none", args: [condition.index], at: vector }, "i32");
  }

  /** Sets arithmetic flags (see FlagKind); with `when` (i32), only if that is not 0. */
  flags(kind: FlagKind, bits: number, args: Value[], when?: Value): void {
    const all = when ? [...args, when] : args;
    this.#add({ op: "flags", type: when ? "i32" : "none", args: all.map((a) => a.index), kind, width: bits }, "i32");
  }

  /** 0 or 1: condition code 0 (O) to 15 (NLE). [SDM 1 B.1] */
  cond(code: number): Value {
    return this.#add({ op: "cond", type: "i32", args: [], at: code }, "i32");
  }

  eflags(): Value {
    return this.#add({ op: "eflags", type: "i32", args: [] }, "i32");
  }

  call(helper: HelperName, ...args: Value[]): Value {
    const { result } = HELPERS[helper];
    const node: Node = { op: "call", type: result, args: args.map((a) => a.index), helper };
    return this.#add(node, result === "none" ? "i32" : result);
  }

  /** Calls a helper only if the condition (i32) is not 0; the value is `otherwise` if it was not called. */
  callIf(condition: Value, otherwise: Value, helper: HelperName, ...args: Value[]): Value {
    const { result } = HELPERS[helper];
    const all = [...args, otherwise, condition].map((a) => a.index);
    return this.#add({ op: "call", type: result, args: all, helper, conditional: true }, otherwise.type);
  }

  /** Ends the block: execution continues at `rip` (i64 offset in CS). */
  jump(rip: Value): void {
    this.#add({ op: "jump", type: "none", args: [rip.index] }, "i64");
  }

  /** Ends the block after a helper wrote state.rip. */
  end(): void {
    this.#add({ op: "end", type: "none", args: [] }, "i32");
  }

  #add(node: Node, type: ValueType): Value {
    this.nodes.push(node);
    return { index: this.nodes.length - 1, type };
  }
}

/** Bytes of a value type. */
export function typeWidth(type: ValueType): number {
  return type === "v128" ? 16 : type === "i64" || type === "f64" ? 8 : 4;
}

/** The type that holds `width` bytes: i32 up to 4, i64 for 8, v128 for 16. */
export function widthType(width: number): ValueType {
  return width === 16 ? "v128" : width === 8 ? "i64" : "i32";
}
