// Fused multiplication and addition of numbers in the middle of the range, by the host's arithmetic: the errors of product
// and sums are exact, and a sum rounded to odd is rounded again without harm. [Boldo, Melquiond 2008]
import { MXCSR_PE } from "../layout.generated.ts";
import { isDouble, rounding, signal } from "./number.ts";
import { is_central, product_error, sum_error } from "./plain.ts";

/** The last result. */
export let fused: u64 = 0;

/** The error of the last sum rounded to odd. */
let lost: f64 = 0;

/** a + b; where that is not exact, the neighbour whose last bit is 1. */
function odd_sum(a: f64, b: f64): f64 {
  const sum = a + b;
  lost = sum_error(a, b, sum);
  const bits = reinterpret<u64>(sum);
  if (lost == 0 || bits & 1) return sum;
  return reinterpret<f64>(lost > 0 == sum > 0 ? bits + 1 : bits - 1);
}

/** Does it where that is possible: the result is in `fused` and PE is signalled. */
export function try_fused(a: u64, b: u64, c: u64, negate: bool, subtract: bool): bool {
  if (rounding != 0 || !is_middle(a) || !is_middle(b) || !is_middle(c)) return false;
  if (isDouble) doubles(reinterpret<f64>(a), reinterpret<f64>(b), reinterpret<f64>(c), negate, subtract);
  else singles(single(a), single(b), single(c), negate, subtract);
  return true;
}

function is_middle(bits: u64): bool {
  return is_central(bits) && (isDouble ? bits << 1 : bits << 33) != 0;
}

function single(bits: u64): f64 {
  return reinterpret<f32>(bits as u32) as f64;
}

function done(result: u64, exact: bool): void {
  fused = result;
  if (!exact) signal(MXCSR_PE);
}

function doubles(a: f64, b: f64, c: f64, negate: bool, subtract: bool): void {
  const x = negate ? -a : a;
  const z = subtract ? -c : c;
  const product = x * b;
  const productError = product_error(x, b, product);
  const middle = z + productError;
  const middleError = sum_error(z, productError, middle);
  const sum = product + middle;
  const rest = odd_sum(middleError, sum_error(product, middle, sum));
  const result = sum + rest;
  done(reinterpret<u64>(result), lost == 0 && sum_error(sum, rest, result) == 0);
}

/** A product of singles is exact as a double. */
function singles(a: f64, b: f64, c: f64, negate: bool, subtract: bool): void {
  const sum = odd_sum(negate ? -(a * b) : a * b, subtract ? -c : c);
  const result = sum as f32;
  done(reinterpret<u32>(result) as u64, lost == 0 && (result as f64) == sum);
}
