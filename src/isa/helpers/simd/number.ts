// Numbers of single and double precision as bit patterns in a u64, and their rounding by MXCSR. [SDM 1 4.8, 11.5]
import {
  MXCSR_DAZ,
  MXCSR_DE,
  MXCSR_FZ,
  MXCSR_IE,
  MXCSR_OE,
  MXCSR_PE,
  MXCSR_RC,
  MXCSR_UE,
} from "../layout.generated.ts";

/** The format of operands and results. */
export let isDouble: bool = false;
let isHalf: bool = false;
/** Bits of the fraction. */
let fraction: i32 = 23;
let bias: i32 = 127;

/** MXCSR as the instruction found it. */
export let control: i32 = 0;
/** Exceptions found before computing (IE, DE, ZE) and after (OE, UE, PE). */
export let early: i32 = 0;
export let late: i32 = 0;
/** Rounding mode as in MXCSR.RC: nearest, down, up, toward zero. */
export let rounding: i32 = 0;

const RC_SHIFT: i32 = 13;
const DOWN: i32 = 1;
const UP: i32 = 2;
/** Distance of the masks from the flags in MXCSR. */
const MASKS: i32 = 7;
const LEADING: u64 = 1 << 62;

export function begin(mxcsr: i32): void {
  control = mxcsr;
  rounding = (mxcsr & MXCSR_RC) >> RC_SHIFT;
  early = 0;
  late = 0;
}

export function set_rounding(mode: i32): void {
  rounding = mode;
}

export function set_format(double: bool): void {
  isDouble = double;
  isHalf = false;
  fraction = double ? 52 : 23;
  bias = double ? 1023 : 127;
}

/** Half precision: only converted from and to. [SDM 1 4.2.2, 14.4.1] */
export function set_half(): void {
  isDouble = false;
  isHalf = true;
  fraction = 10;
  bias = 15;
}

export function signal(flags: i32): void {
  early |= flags & 7;
  late |= flags & ~7;
}

function sign_shift(): i32 {
  return isDouble ? 63 : isHalf ? 15 : 31;
}

/** Number of the sign: 0 or 1. */
export function sign_of(bits: u64): i32 {
  return ((bits >> (sign_shift() as u64)) & 1) as i32;
}

export function with_sign(sign: i32, magnitude: u64): u64 {
  return magnitude | ((sign as u64) << (sign_shift() as u64));
}

export function magnitude(bits: u64): u64 {
  return bits & (((1 as u64) << (sign_shift() as u64)) - 1);
}

/** The bits of infinity, which are the exponent's. */
export function infinity(): u64 {
  return isDouble ? 0x7ff0000000000000 : isHalf ? 0x7c00 : 0x7f800000;
}

export function quiet_bit(): u64 {
  return (1 as u64) << ((fraction - 1) as u64);
}

/** The result of an invalid operation. */
export function default_nan(): u64 {
  return isDouble ? 0xfff8000000000000 : 0xffc00000;
}

export function is_nan(bits: u64): bool {
  return magnitude(bits) > infinity();
}

export function is_signaling(bits: u64): bool {
  return is_nan(bits) && !(bits & quiet_bit());
}

export function is_infinite(bits: u64): bool {
  return magnitude(bits) == infinity();
}

export function is_zero(bits: u64): bool {
  return magnitude(bits) == 0;
}

export function is_denormal(bits: u64): bool {
  return magnitude(bits) != 0 && (bits & infinity()) == 0;
}

/** An operand with a denormal taken as 0 under DAZ. */
export function operand(bits: u64): u64 {
  return control & MXCSR_DAZ && is_denormal(bits) ? with_sign(sign_of(bits), 0) : bits;
}

/** Signals what a NaN operand signals and gives the result: the first NaN, made quiet. [SDM 1 4.8.3.5] */
export function propagate(x: u64, y: u64): u64 {
  if (is_signaling(x) || is_signaling(y)) signal(MXCSR_IE);
  return (is_nan(x) ? x : y) | quiet_bit();
}

export function invalid(): u64 {
  signal(MXCSR_IE);
  return default_nan();
}

/** Exponent and significand of the last number taken apart: significand / 2^62 * 2^exponent. */
export let exponent: i32 = 0;
export let significand: u64 = 0;

/** Takes a finite number that is not 0 apart. */
export function take_apart(bits: u64): void {
  const biased = ((bits & infinity()) >> (fraction as u64)) as i32;
  const low = bits & (((1 as u64) << (fraction as u64)) - 1);
  const place = (62 - fraction) as u64;
  if (biased) {
    exponent = biased - bias;
    significand = LEADING | (low << place);
    return;
  }
  const shift = clz(low << place) - 1;
  exponent = 1 - bias - (shift as i32);
  significand = (low << place) << shift;
}

/** Shifts right; the last bit is also set when a bit that is 1 was shifted out. */
export function shift_sticky(value: u64, count: i32): u64 {
  if (count == 0) return value;
  if (count > 63) return value != 0 ? 1 : 0;
  return (value >> (count as u64)) | (value << ((64 - count) as u64) != 0 ? 1 : 0);
}

/** Whether the magnitude grows by a unit: `rest` is what lies behind it, as a fraction of 2^64. */
export function grows(sign: i32, odd: bool, rest: u64): bool {
  const tie: u64 = 1 << 63;
  if (rounding == 0) return rest > tie || (rest == tie && odd);
  return rest != 0 && (sign ? rounding == DOWN : rounding == UP);
}

/** The significand rounded to the format; it may become 2^63. */
function rounded(sign: i32, value: u64): u64 {
  const drop = (62 - fraction) as u64;
  const unit = (1 as u64) << drop;
  const up = grows(sign, (value & unit) != 0, value << (64 - drop));
  return (value & ~(unit - 1)) + (up ? unit : 0);
}

/** The number significand / 2^62 * 2^exponent, rounded; the significand's top bit is bit 62, its last one sticky. */
export function finish(sign: i32, exp: i32, value: u64): u64 {
  const result = rounded(sign, value);
  const scale = exp + ((result >> 63) as i32);
  if (scale > bias) return overflow(sign, result == value);
  if (exp < 1 - bias) return underflow(sign, exp, value, scale < 1 - bias, result == value);
  if (result != value) signal(MXCSR_PE);
  return with_sign(sign, assemble(scale, result));
}

function assemble(scale: i32, value: u64): u64 {
  const digits = (value >> ((62 - fraction) as u64)) & (((1 as u64) << (fraction as u64)) - 1);
  return digits | (((scale + bias) as u64) << (fraction as u64));
}

/** Above the normal range. When the overflow is reported, PE tells whether rounding with an unbounded exponent lost something. [SDM 1 4.9.1.4] */
function overflow(sign: i32, exact: bool): u64 {
  const masked = (control >> MASKS) & MXCSR_OE;
  signal(exact && !masked ? MXCSR_OE : MXCSR_OE | MXCSR_PE);
  const infinite = rounding == 0 || (sign ? rounding == DOWN : rounding == UP);
  return with_sign(sign, infinite ? infinity() : infinity() - 1);
}

/**
 * Below the normal range; tiny: still so after rounding with an unbounded exponent, exact: that rounding lost nothing.
 * The latter decides on PE when the underflow is reported. [SDM 1 4.9.1.5]
 */
function underflow(sign: i32, exp: i32, value: u64, tiny: bool, exact: bool): u64 {
  const masked = (control >> MASKS) & MXCSR_UE;
  if (tiny && !masked) signal(exact ? MXCSR_UE : MXCSR_UE | MXCSR_PE);
  if (tiny && masked && control & MXCSR_FZ && !isHalf) {
    signal(MXCSR_UE | MXCSR_PE);
    return with_sign(sign, 0);
  }
  const shifted = shift_sticky(value, 1 - bias - exp);
  const result = rounded(sign, shifted);
  if (result != shifted && (masked || !tiny)) signal(tiny ? MXCSR_UE | MXCSR_PE : MXCSR_PE);
  return with_sign(sign, result >> ((62 - fraction) as u64));
}

/** Signals DE for operands that are denormal. */
export function signal_denormal(x: u64, y: u64): void {
  if (is_denormal(x) || is_denormal(y)) signal(MXCSR_DE);
}
