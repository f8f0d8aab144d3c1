import { type Bits, bitsOf, floatOf, indefinite, isNan, quiet, signed, unsigned } from "./bits.ts";

/**
 * Arithmetic on floats as bit patterns. Of the NaNs that WebAssembly allows as results the one is chosen that SSE gives:
 * the first operand that is a NaN, made quiet; else the indefinite. [SDM 1 4.8.3.5]
 */
export function unary(calculate: (x: number) => number): (a: Bits, size: number) => Bits {
  return (a, size) => (isNan(a, size) ? quiet(a, size) : result(calculate(floatOf(a, size)), size));
}

/** A float32 result computed in float64 and rounded once more is correct for +, -, *, / and the square root. */
export function binary(calculate: (x: number, y: number) => number): (a: Bits, b: Bits, size: number) => Bits {
  return (a, b, size) => {
    if (isNan(a, size)) return quiet(a, size);
    if (isNan(b, size)) return quiet(b, size);
    return result(calculate(floatOf(a, size), floatOf(b, size)), size);
  };
}

function result(value: number, size: number): Bits {
  return Number.isNaN(value) ? indefinite(size) : bitsOf(value, size);
}

/** Rounds to an integer, ties to even; keeps the sign of 0. */
export function nearest(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  const even = floor % 2 === 0 ? floor : floor + 1;
  const rounded = rest < 0.5 ? floor : rest > 0.5 ? floor + 1 : even;
  return rounded === 0 && (x < 0 || Object.is(x, -0)) ? -0 : Number.isFinite(x) ? rounded : x;
}

/** Changes the format: float32 to float64 or back; a NaN keeps the top of its payload. */
export function convert(a: Bits, from: number, to: number): Bits {
  if (!isNan(a, from)) return bitsOf(floatOf(a, from), to);
  const sign = (a >> BigInt(from - 1)) << BigInt(to - 1);
  const wider = to === 64;
  const payload = wider ? (a & 0x7f_ffffn) << 29n : (a & 0xf_ffff_ffff_ffffn) >> 29n;
  return quiet(sign | (indefinite(to) & ~(1n << BigInt(to - 1))) | payload, to);
}

/** An integer rounded to the nearest float, ties to even. */
export function fromInteger(value: bigint, size: number): Bits {
  if (size === 64) return bitsOf(Number(value), 64);
  return bitsOf(Number(roundToPrecision(value, 24)), 32);
}

/** A value rounded to its `precision` highest bits, so that a later rounding to that precision is exact. */
function roundToPrecision(value: bigint, precision: number): bigint {
  const magnitude = value < 0n ? -value : value;
  const excess = BigInt(Math.max(0, magnitude.toString(2).length - precision));
  if (excess === 0n) return value;
  const half = 1n << (excess - 1n);
  const rest = magnitude & ((1n << excess) - 1n);
  const kept = magnitude >> excess;
  const up = rest > half || (rest === half && (kept & 1n) === 1n);
  const rounded = (kept + (up ? 1n : 0n)) << excess;
  return value < 0n ? -rounded : rounded;
}

/** Truncates to an integer of `to` bits; NaN gives 0, what does not fit the nearest integer that does. */
export function truncateSaturated(a: Bits, from: number, to: number, isSigned: boolean): Bits {
  if (isNan(a, from)) return 0n;
  const value = floatOf(a, from);
  const top = isSigned ? (1n << BigInt(to - 1)) - 1n : (1n << BigInt(to)) - 1n;
  const bottom = isSigned ? -(1n << BigInt(to - 1)) : 0n;
  if (value === Infinity) return unsigned(top, to);
  if (value === -Infinity) return unsigned(bottom, to);
  const whole = BigInt(Math.trunc(value));
  return unsigned(whole > top ? top : whole < bottom ? bottom : whole, to);
}

/** WebAssembly's min and max: a NaN wins, -0 is less than 0. */
export function lesser(x: number, y: number): number {
  return Math.min(x, y);
}

export function greater(x: number, y: number): number {
  return Math.max(x, y);
}

/** A lane of an integer as a float of the same width. */
export function fromLane(lane: Bits, size: number, isSigned: boolean): Bits {
  return fromInteger(isSigned ? signed(lane, size) : lane, size);
}
