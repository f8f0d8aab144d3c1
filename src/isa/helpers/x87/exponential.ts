// F2XM1. [SDM 2A]
import { FSW_PE } from "../layout.generated.ts";
import { signal } from "./exceptions.ts";
import {
  BIAS,
  decides_nan,
  exponent,
  is_denormal,
  is_infinite,
  normalized,
  set_infinity,
  set_operand,
  set_result,
  SIGN,
  stops_denormal,
} from "./value.ts";
import { add, divide_small, low, multiply_fraction, subtract } from "./wide.ts";
import { float_fixed, float_multiply, floatExponent, floatHigh, floatLow, ONE, set_float } from "./wide-float.ts";

/** The natural logarithm of 2, times 2^128. */
const LN2_HIGH: u64 = 0xb17217f7d1cf79ab;
const LN2_LOW: u64 = 0xc9e3b39803f2f6af;

/** Terms of the series: 0.7^32 / 32! is below 2^-130. */
const TERMS: i32 = 32;

/** The result is 2 to the power of a value from -1 to 1, less 1; the manual leaves others open, which stay as they are. */
export function exponential(se: i32, sig: u64): void {
  if (decides_nan(se, sig) || stops_denormal(is_denormal(se, sig))) return;
  const biased = exponent(se, sig);
  if (!sig) return set_result(se, sig);
  if (biased >= BIAS) return set_outermost(se, sig);
  const negative = (se & SIGN) != 0;
  float_multiply(biased - BIAS, normalized(sig), 0, -1, LN2_HIGH, LN2_LOW);
  const e = floatExponent;
  const high = floatHigh;
  const rest = floatLow;
  const sumHigh = series(negative);
  float_multiply(e, high, rest, 0, sumHigh, low);
  set_float(se & SIGN);
}

/** For 1 and more: 1 gives 1, -1 gives -1/2, -infinity gives -1. */
function set_outermost(se: i32, sig: u64): void {
  if (is_infinite(se, sig)) return se & SIGN ? set_result(SIGN | BIAS, ONE) : set_infinity(0);
  signal(FSW_PE);
  if (se == (SIGN | BIAS) && sig == ONE) set_result(SIGN | (BIAS - 1), ONE);
  else set_operand(se, sig);
}

/** (e^u - 1) / u for the last wide float u, or -u, as a fixed-point number with 127 bits of fraction. */
function series(negative: bool): u64 {
  const u = float_fixed(128);
  const uLow = low;
  let high = ONE;
  let rest: u64 = 0;
  for (let n = TERMS; n >= 2; n--) {
    const product = multiply_fraction(u, uLow, high, rest);
    const term = divide_small(product, low, n as u64);
    high = negative ? subtract(ONE, 0, term, low) : add(ONE, 0, term, low);
    rest = low;
  }
  low = rest;
  return high;
}
