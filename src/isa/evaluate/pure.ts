import type { Node, PureOp } from "../ir/ops.ts";
import { type Bits, floatOf, join, signed, sizeOf, split, truth, unsigned } from "./bits.ts";
import * as Float from "./float.ts";

/** A pure operation: its value from those of its arguments. */
export type PureEvaluation = (node: Node, ...args: Bits[]) => Bits;

type Unary = (a: Bits, size: number) => bigint;
type Binary = (a: Bits, b: Bits, size: number) => bigint;

const isLanes = (node: Node): boolean => node.type.includes("x");

/** An operation of one argument on a scalar or on every lane. */
function each(operation: Unary): PureEvaluation {
  return (node, a) => {
    const size = sizeOf(node.type);
    if (!isLanes(node)) return unsigned(operation(a!, size), size);
    return join(
      split(a!, size).map((x) => operation(x, size)),
      size,
    );
  };
}

/** An operation of two arguments on scalars or lane by lane. */
function pairwise(operation: Binary): PureEvaluation {
  return (node, a, b) => {
    const size = sizeOf(node.type);
    if (!isLanes(node)) return unsigned(operation(a!, b!, size), size);
    const right = split(b!, size);
    return join(
      split(a!, size).map((x, n) => operation(x, right[n]!, size)),
      size,
    );
  };
}

/** A comparison: 0 or 1 of scalars, 0 or all ones of lanes. */
function comparison(holds: (a: Bits, b: Bits, size: number) => boolean): PureEvaluation {
  const lanes = pairwise((a, b, size) => (holds(a, b, size) ? -1n : 0n));
  return (node, a, b) => (isLanes(node) ? lanes(node, a!, b!) : truth(holds(a!, b!, sizeOf(node.type))));
}

/** A shift by a count modulo the width; lanes share one count. */
function shift(operation: (a: Bits, count: bigint, size: number) => bigint): PureEvaluation {
  return (node, a, b) => {
    const size = sizeOf(node.type);
    const count = b! % BigInt(size);
    return each((x) => operation(x, count, size))(node, a!);
  };
}

const isFloat = (node: Node): boolean => node.type.startsWith("f");

/** An operation that floats have as well as integers. */
function byKind(integer: PureEvaluation, float: PureEvaluation): PureEvaluation {
  return (node, ...args) => (isFloat(node) ? float(node, ...args) : integer(node, ...args));
}

const floatEach = (calculate: (x: number) => number): PureEvaluation => each(Float.unary(calculate));
const floatPairwise = (calculate: (x: number, y: number) => number): PureEvaluation =>
  pairwise(Float.binary(calculate));
const floatCompare = (holds: (x: number, y: number) => boolean): PureEvaluation =>
  comparison((a, b, size) => holds(floatOf(a, size), floatOf(b, size)));
const signedCompare = (holds: (x: bigint, y: bigint) => boolean): PureEvaluation =>
  comparison((a, b, size) => holds(signed(a, size), signed(b, size)));

function clamp(value: bigint, size: number, isSigned: boolean): bigint {
  const top = (1n << BigInt(isSigned ? size - 1 : size)) - 1n;
  const bottom = isSigned ? -top - 1n : 0n;
  return value > top ? top : value < bottom ? bottom : value;
}

const saturating = (isSigned: boolean, operation: (x: bigint, y: bigint) => bigint): PureEvaluation =>
  pairwise((a, b, size) =>
    clamp(isSigned ? operation(signed(a, size), signed(b, size)) : operation(a, b), size, isSigned),
  );

const chooseSigned = (prefersFirst: (x: bigint, y: bigint) => boolean): PureEvaluation =>
  pairwise((a, b, size) => (prefersFirst(signed(a, size), signed(b, size)) ? a : b));
const chooseUnsigned = (prefersFirst: (x: bigint, y: bigint) => boolean): PureEvaluation =>
  pairwise((a, b) => (prefersFirst(a, b) ? a : b));

/** Lanes twice as wide, saturated, first those of a, then those of b. */
const narrow =
  (isSigned: boolean): PureEvaluation =>
  (node, a, b) => {
    const size = sizeOf(node.type);
    const wide = [...split(a!, size * 2), ...split(b!, size * 2)];
    return join(
      wide.map((lane) => clamp(signed(lane, size * 2), size, isSigned)),
      size,
    );
  };

/** The low or high half of the lanes half as wide, extended. */
const extendHalf =
  (high: boolean, isSigned: boolean): PureEvaluation =>
  (node, a) => {
    const size = sizeOf(node.type);
    const lanes = split(a!, size / 2);
    const half = high ? lanes.slice(lanes.length / 2) : lanes.slice(0, lanes.length / 2);
    return join(
      half.map((lane) => (isSigned ? signed(lane, size / 2) : lane)),
      size,
    );
  };

const extend = (from: number): PureEvaluation => each((a) => signed(unsigned(a, from), from));

const bitCount = (a: Bits): bigint => BigInt(a.toString(2).replaceAll("0", "").length);
const leadingZeros: Unary = (a, size) => BigInt(a === 0n ? size : size - a.toString(2).length);
const trailingZeros: Unary = (a, size) =>
  BigInt(a === 0n ? size : a.toString(2).length - a.toString(2).lastIndexOf("1") - 1);

const laneOf = (node: Node): number => node.words![0]!;

const extract =
  (isSigned: boolean): PureEvaluation =>
  (node, a) => {
    const size = sizeOf(node.type);
    const lane = split(a!, size)[laneOf(node)]!;
    return unsigned(isSigned ? signed(lane, size) : lane, Math.max(32, size));
  };

const fromIntegers =
  (isSigned: boolean): PureEvaluation =>
  (node, a) => {
    if (isLanes(node)) return each((lane, size) => Float.fromLane(lane, size, isSigned))(node, a!);
    const from = sizeOf(node.from!);
    return Float.fromInteger(isSigned ? signed(a!, from) : a!, sizeOf(node.type));
  };

const truncate =
  (isSigned: boolean): PureEvaluation =>
  (node, a) =>
    Float.truncateSaturated(a!, sizeOf(node.from!), sizeOf(node.type), isSigned);

function constant(node: Node): Bits {
  return node.words!.reduceRight((all, word) => (all << 32n) | BigInt(word >>> 0), 0n);
}

const same: PureEvaluation = (_, a) => a!;
const lowHalf = (a: Bits): Bits[] => split(a, 32).slice(0, 2);

/** Every pure operation on bit patterns. [WebAssembly 2.0 4.3] */
export const PURE_EVALUATIONS: Readonly<Record<PureOp, PureEvaluation>> = {
  const: constant,
  add: byKind(
    pairwise((a, b) => a + b),
    floatPairwise((x, y) => x + y),
  ),
  sub: byKind(
    pairwise((a, b) => a - b),
    floatPairwise((x, y) => x - y),
  ),
  mul: byKind(
    pairwise((a, b) => a * b),
    floatPairwise((x, y) => x * y),
  ),
  and: pairwise((a, b) => a & b),
  or: pairwise((a, b) => a | b),
  xor: pairwise((a, b) => a ^ b),
  shl: shift((a, count) => a << count),
  shr_s: shift((a, count, size) => signed(a, size) >> count),
  shr_u: shift((a, count) => a >> count),
  rotl: shift((a, count, size) => (a << count) | (a >> (BigInt(size) - count))),
  rotr: shift((a, count, size) => (a >> count) | (a << (BigInt(size) - count))),
  eq: byKind(
    comparison((a, b) => a === b),
    floatCompare((x, y) => x === y),
  ),
  ne: byKind(
    comparison((a, b) => a !== b),
    floatCompare((x, y) => x !== y),
  ),
  lt_s: signedCompare((x, y) => x < y),
  lt_u: comparison((a, b) => a < b),
  le_s: signedCompare((x, y) => x <= y),
  le_u: comparison((a, b) => a <= b),
  eqz: (_, a) => truth(a === 0n),
  clz: each(leadingZeros),
  ctz: each(trailingZeros),
  popcnt: each(bitCount),
  extend8_s: extend(8),
  extend16_s: extend(16),
  extend32_s: extend(32),
  select: (_, a, b, condition) => (condition === 0n ? b! : a!),
  wrap: (_, a) => unsigned(a!, 32),
  extend_i32_s: (_, a) => unsigned(signed(a!, 32), 64),
  extend_i32_u: same,
  div: floatPairwise((x, y) => x / y),
  sqrt: floatEach(Math.sqrt),
  neg: byKind(
    each((a) => -a),
    each((a, size) => a ^ (1n << BigInt(size - 1))),
  ),
  abs: byKind(
    each((a, size) => (signed(a, size) < 0n ? -a : a)),
    each((a, size) => unsigned(a, size - 1)),
  ),
  lt: floatCompare((x, y) => x < y),
  le: floatCompare((x, y) => x <= y),
  min: floatPairwise(Float.lesser),
  max: floatPairwise(Float.greater),
  pmin: pairwise((a, b, size) => (floatOf(b, size) < floatOf(a, size) ? b : a)),
  pmax: pairwise((a, b, size) => (floatOf(a, size) < floatOf(b, size) ? b : a)),
  ceil: floatEach(Math.ceil),
  floor: floatEach(Math.floor),
  trunc: floatEach(Math.trunc),
  nearest: floatEach(Float.nearest),
  promote: (_, a) => Float.convert(a!, 32, 64),
  demote: (_, a) => Float.convert(a!, 64, 32),
  convert_s: fromIntegers(true),
  convert_u: fromIntegers(false),
  trunc_sat_s: truncate(true),
  trunc_sat_u: truncate(false),
  to_bits: same,
  from_bits: same,
  splat: (node, a) => join(new Array<bigint>(128 / sizeOf(node.type)).fill(a!), sizeOf(node.type)),
  extract_u: extract(false),
  extract_s: extract(true),
  replace: (node, a, value) => join(split(a!, sizeOf(node.type)).with(laneOf(node), value!), sizeOf(node.type)),
  shuffle: (node, a, b) =>
    join(
      node.words!.map((lane) => [...split(a!, 8), ...split(b!, 8)][lane]!),
      8,
    ),
  swizzle: (_, a, b) =>
    join(
      split(b!, 8).map((lane) => (lane < 16n ? split(a!, 8)[Number(lane)]! : 0n)),
      8,
    ),
  not: (_, a) => unsigned(~a!, 128),
  andnot: (_, a, b) => a! & unsigned(~b!, 128),
  bitmask: (node, a) =>
    split(a!, sizeOf(node.type)).reduceRight((all, lane) => (all << 1n) | (lane >> BigInt(sizeOf(node.type) - 1)), 0n),
  add_sat_s: saturating(true, (x, y) => x + y),
  add_sat_u: saturating(false, (x, y) => x + y),
  sub_sat_s: saturating(true, (x, y) => x - y),
  sub_sat_u: saturating(false, (x, y) => x - y),
  min_s: chooseSigned((x, y) => x < y),
  min_u: chooseUnsigned((x, y) => x < y),
  max_s: chooseSigned((x, y) => x > y),
  max_u: chooseUnsigned((x, y) => x > y),
  avgr_u: pairwise((a, b) => (a + b + 1n) >> 1n),
  narrow_s: narrow(true),
  narrow_u: narrow(false),
  extend_low_s: extendHalf(false, true),
  extend_low_u: extendHalf(false, false),
  extend_high_s: extendHalf(true, true),
  extend_high_u: extendHalf(true, false),
  dot_s: (_, a, b) => {
    const products = split(a!, 16).map((x, n) => signed(x, 16) * signed(split(b!, 16)[n]!, 16));
    return join(
      [0, 2, 4, 6].map((n) => products[n]! + products[n + 1]!),
      32,
    );
  },
  q15mulr_sat_s: pairwise((a, b) => clamp((signed(a, 16) * signed(b, 16) + 0x4000n) >> 15n, 16, true)),
  vtrunc_sat_s: each((a) => Float.truncateSaturated(a, 32, 32, true)),
  vconvert_low_s: (_, a) =>
    join(
      lowHalf(a!).map((lane) => Float.fromInteger(signed(lane, 32), 64)),
      64,
    ),
  vpromote_low: (_, a) =>
    join(
      lowHalf(a!).map((lane) => Float.convert(lane, 32, 64)),
      64,
    ),
  vdemote_zero: (_, a) => join([...split(a!, 64).map((lane) => Float.convert(lane, 64, 32)), 0n, 0n], 32),
};
