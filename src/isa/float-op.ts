/**
 * The first argument of the helper `simd_float`: an operation of FLOAT_OP in bits 0-4, FLOAT.double if the operands (of
 * fromInt32 and fromInt64: the results) are doubles, the number of lanes from bit 6, and from bit 10 a predicate (compare)
 * or a rounding (toInt32, toInt64, round).
 */
export const FLOAT_OP = {
  add: 0,
  sub: 1,
  mul: 2,
  div: 3,
  min: 4,
  max: 5,
  sqrt: 6,
  compare: 7,
  /** COMISS and UCOMISS: give EFLAGS. */
  ordered: 8,
  unordered: 9,
  toDouble: 10,
  toSingle: 11,
  toInt32: 12,
  toInt64: 13,
  fromInt32: 14,
  fromInt64: 15,
  round: 16,
  /** Subtracts in even lanes, adds in odd ones. */
  addSub: 17,
  /** DPPS, DPPD; the predicate is the immediate. */
  dot: 18,
  /** VCVTPS2PH, with a rounding as the mode, and VCVTPH2PS. */
  toHalf: 19,
  fromHalf: 20,
} as const;

export const FLOAT = {
  opMask: 0x1f,
  double: 0x20,
  lanesShift: 6,
  lanesMask: 15,
  modeShift: 10,
} as const;

/** The mode of toInt32 and toInt64, and of ROUNDPS's immediate: bits 0-1 rounding, 4 rounding by MXCSR, 8 no PE. [SDM 2B ROUNDPS] */
export const FLOAT_ROUND = { nearest: 0, down: 1, up: 2, zero: 3, mxcsr: 4, quiet: 8 } as const;

/**
 * The predicates 0-15 of CMPPS that hold for each relation of the operands, a bit each, and those that signal quiet NaNs;
 * 16-31 are the same with signaling the other way. [SDM 2A table 3-1]
 */
export const PREDICATES = {
  equal: 0xa5a5,
  less: 0x9696,
  greater: 0xf0f0,
  unordered: 0x8778,
  signaling: 0x6666,
} as const;

/**
 * The first argument of the helper `fused_multiply`: FUSED.double, how many elements, which of the operands are multiplied
 * (132, 213, 231), whether the product is negated, and what is done to the addend.
 */
export const FUSED = {
  double: 1,
  negate: 2,
  orderShift: 2,
  addendShift: 4,
  lanesShift: 6,
} as const;
export const FUSED_ORDER = { first132: 0, first213: 1, first231: 2 } as const;
export const FUSED_ADDEND = { add: 0, subtract: 1, addSubtract: 2, subtractAdd: 3 } as const;
