import type { LaneType, NodeType, ValueType } from "../ir/ops.ts";
import { laneCount } from "../ir/signatures.ts";

/** A value of the evaluator: the bit pattern of its type, never negative. */
export type Bits = bigint;

const SIZES: Readonly<Record<ValueType, number>> = { i32: 32, i64: 64, f32: 32, f64: 64, v128: 128 };

/** Bits of one value of a scalar or vector type, or of one lane. */
export function sizeOf(type: NodeType): number {
  if (type.includes("x")) return 128 / laneCount(type as LaneType);
  return SIZES[type as ValueType];
}

export const unsigned = (value: bigint, size: number): Bits => BigInt.asUintN(size, value);
export const signed = (value: Bits, size: number): bigint => BigInt.asIntN(size, value);
export const truth = (condition: boolean): Bits => (condition ? 1n : 0n);

/** A vector's lanes, lowest first. */
export function split(value: Bits, size: number): Bits[] {
  return Array.from({ length: 128 / size }, (_, n) => BigInt.asUintN(size, value >> BigInt(n * size)));
}

/** The vector of lanes. */
export function join(lanes: readonly bigint[], size: number): Bits {
  return lanes.reduceRight((all, lane) => (all << BigInt(size)) | BigInt.asUintN(size, lane), 0n);
}

const scratch = new DataView(new ArrayBuffer(8));

/** The number of a bit pattern of 32 or 64 bits. */
export function floatOf(bits: Bits, size: number): number {
  if (size === 32) {
    scratch.setUint32(0, Number(bits));
    return scratch.getFloat32(0);
  }
  scratch.setBigUint64(0, bits);
  return scratch.getFloat64(0);
}

/** The bit pattern of a number that is no NaN, rounded to nearest. */
export function bitsOf(value: number, size: number): Bits {
  if (size === 32) {
    scratch.setFloat32(0, value);
    return BigInt(scratch.getUint32(0));
  }
  scratch.setFloat64(0, value);
  return scratch.getBigUint64(0);
}

/** Bits of the fraction of a float. */
const fractionBits = (size: number): number => (size === 32 ? 23 : 52);

export function isNan(bits: Bits, size: number): boolean {
  return Number.isNaN(floatOf(bits, size));
}

/** A NaN with its quiet bit set. */
export function quiet(bits: Bits, size: number): Bits {
  return bits | (1n << BigInt(fractionBits(size) - 1));
}

/** The QNaN floating-point indefinite. [SDM 1 4.8.3.7] */
export function indefinite(size: number): Bits {
  const fraction = BigInt(fractionBits(size) - 1);
  return ((1n << BigInt(size)) - 1n) & ~((1n << fraction) - 1n);
}
