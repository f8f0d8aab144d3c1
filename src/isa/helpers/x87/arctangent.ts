// FPATAN. [SDM 2A]
import { decide_nan, exponent, is_denormal, is_infinite, normalized, set_zero, SIGN, stops_denormal } from "./value.ts";
import {
  add,
  divide_small,
  is_less,
  low,
  multiply,
  multiply_fraction,
  shift_left,
  shift_right_sticky,
  subtract,
} from "./wide.ts";
import {
  float_divide,
  float_fixed,
  float_multiply,
  float_set,
  float_step_down,
  floatExponent,
  floatHigh,
  floatLow,
  ONE,
  set_float,
  square,
  TINY,
} from "./wide-float.ts";

/** pi/4, times 2^128. */
const QUARTER_PI_HIGH: u64 = 0xc90fdaa22168c234;
const QUARTER_PI_LOW: u64 = 0xc4c6628b80dc1cd1;

/** Terms of the series of the arctangent of at most 1/15: each gives 7.8 bits. */
const TERMS: i32 = 17;

/** The arctangent of eighths / 8, times 2^127; the low half is given apart. */
function table_high(eighths: i32): u64 {
  switch (eighths) {
    case 1:
      return 0x0feadd4d5617b6e3;
    case 2:
      return 0x1f5b75f92c80dd62;
    case 3:
      return 0x2dec3283c9bde11c;
    case 4:
      return 0x3b58ce0ac3769ed1;
    case 5:
      return 0x47802eaf7bfacfcd;
    case 6:
      return 0x525e3e8c9a7b8492;
    case 7:
      return 0x5c029f15e118cf39;
    default:
      return 0x6487ed5110b4611a;
  }
}

function table_low(eighths: i32): u64 {
  switch (eighths) {
    case 1:
      return 0x2c897989f3e888ef;
    case 2:
      return 0xadb8f3debef442fc;
    case 3:
      return 0xe2a8c848b73f9120;
    case 4:
      return 0x5bf9117b2f0ea340;
    case 5:
      return 0xae41af0b32e21ba3;
    case 6:
      return 0x0cd43f9522bed64f;
    case 7:
      return 0xe596d2a90852221e;
    default:
      return 0x62633145c06e0e68;
  }
}

/** z := arctangent of z for the wide float, at most 1/15. */
function multiply_by_series(): void {
  if (floatExponent < TINY) return float_step_down();
  const squareHigh = square(floatExponent, floatHigh, floatLow);
  const squareLow = low;
  let high: u64 = 0;
  let rest: u64 = 0;
  for (let k = TERMS; k >= 0; k--) {
    const product = multiply_fraction(squareHigh, squareLow, high, rest);
    const productLow = low;
    const term = divide_small(ONE, 0, (2 * k + 1) as u64);
    high = subtract(term, low, product, productLow);
    rest = low;
  }
  float_multiply(floatExponent, floatHigh, floatLow, 0, high, rest);
}

/** Sets the wide float to the arctangent of a / (b * 2^distance), at most 1, for normalized a and b. */
function arctangent(a: u64, b: u64, distance: i32): void {
  const eighths = distance > 5 ? 0 : nearest_eighth(a, b, distance);
  if (!eighths) {
    float_divide(-distance, a, 0, 0, b, 0);
    return multiply_by_series();
  }
  // arctan(a/b) = arctan(i/8) + arctan((8 a - i b) / (8 b + i a))
  const eightA = shift_left(0, a, 3);
  const eightALow = low;
  const scaledB = multiply(b, (eighths as u64) << distance);
  const scaledBLow = low;
  const negative = is_less(eightA, eightALow, scaledB, scaledBLow);
  const difference = negative
    ? subtract(scaledB, scaledBLow, eightA, eightALow)
    : subtract(eightA, eightALow, scaledB, scaledBLow);
  const differenceLow = low;
  if (!(difference | differenceLow)) return float_set(0, table_high(eighths), table_low(eighths));
  const eightB = shift_left(0, b, 3 + distance);
  const eightBLow = low;
  const scaledA = multiply(a, eighths as u64);
  const sum = add(eightB, eightBLow, scaledA, low);
  float_set(127, sum, low);
  const e = floatExponent;
  const high = floatHigh;
  const rest = floatLow;
  float_set(127, difference, differenceLow);
  float_divide(floatExponent, floatHigh, floatLow, e, high, rest);
  multiply_by_series();
  add_table(eighths, negative);
}

/** 8 a / (b * 2^distance), rounded. */
function nearest_eighth(a: u64, b: u64, distance: i32): i32 {
  return (((((a >> 32) << 4) >> distance) / (b >> 32) + 1) >> 1) as i32;
}

function add_table(eighths: i32, negative: bool): void {
  const high = table_high(eighths);
  const rest = table_low(eighths);
  const fraction = float_fixed(127);
  const sum = negative ? subtract(high, rest, fraction, low) : add(high, rest, fraction, low);
  float_set(0, sum, low);
}

/** Sets the wide float to quarters * pi/4, plus or minus itself. */
function reflect(quarters: u64, plus: bool): void {
  const fraction = float_fixed(125);
  const fractionLow = low;
  set_quarters(quarters);
  const quarter = shift_right_sticky(floatHigh, floatLow, 2 - floatExponent);
  const sum = plus ? add(quarter, low, fraction, fractionLow) : subtract(quarter, low, fraction, fractionLow);
  float_set(2, sum, low);
}

/** Sets the wide float to quarters * pi/4. */
function set_quarters(quarters: u64): void {
  const carried = multiply(QUARTER_PI_LOW, quarters);
  const rest = low;
  const high = multiply(QUARTER_PI_HIGH, quarters);
  const sum = add(high, low, 0, carried);
  // sum:low:rest * 2^-128, of which sum has two bits
  float_set(1, (sum << 62) | (low >> 2), (low << 62) | (rest >> 2));
}

/** FPATAN: the result is the angle of the point (x, y). */
export function angle(ySE: i32, y: u64, xSE: i32, x: u64): void {
  if (decide_nan(ySE, y, xSE, x)) return;
  if (stops_denormal(is_denormal(xSE, x) || is_denormal(ySE, y))) return;
  const sign = ySE & SIGN;
  const left = (xSE & SIGN) != 0;
  const xInfinite = is_infinite(xSE, x);
  const yInfinite = is_infinite(ySE, y);
  if (xInfinite && yInfinite) set_quarters(left ? 3 : 1);
  else if (yInfinite || (!x && y != 0)) set_quarters(2);
  else if (xInfinite || !y) {
    if (!left) return set_zero(sign);
    set_quarters(4);
  } else set_angle(left, exponent(ySE, y), normalized(y), exponent(xSE, x), normalized(x));
  set_float(sign);
}

/** Sets the wide float to the angle of a point in the upper half-plane, away from the axes. */
function set_angle(left: bool, ey: i32, y: u64, ex: i32, x: u64): void {
  if (ey > ex || (ey == ex && y > x)) {
    arctangent(x, y, ey - ex);
    reflect(2, left);
  } else {
    arctangent(y, x, ex - ey);
    if (left) reflect(4, false);
  }
}
