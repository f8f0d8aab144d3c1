// Arithmetic of numbers in the middle of the range, by the host's: nothing can happen to them but that the result is
// inexact, and rounding errors are found without loss. [Shewchuk 1997, theorems 7 and 18]
import {
  FLOAT_OP_add,
  FLOAT_OP_div,
  FLOAT_OP_max,
  FLOAT_OP_min,
  FLOAT_OP_mul,
  FLOAT_OP_sqrt,
  FLOAT_OP_sub,
  MXCSR_PE,
} from "../layout.generated.ts";
import { isDouble, rounding, signal } from "./number.ts";

/** The last result. */
export let plain: u64 = 0;

/** 2^27 + 1 cuts a double in halves. */
const SPLITTER: f64 = 134217729;

/** 0, or so far from the ends of the range that no operation comes near them. */
export function is_central(bits: u64): bool {
  const size = isDouble ? (bits >> 52) & 0x7ff : (bits >> 23) & 0xff;
  if (isDouble) return size - 0x300 < 0x200 || bits << 1 == 0;
  return size - 0x60 < 0x40 || (bits as u32) << 1 == 0;
}

/** The error of s = a + b. */
export function sum_error(a: f64, b: f64, s: f64): f64 {
  const part = s - a;
  return a - (s - part) + (b - part);
}

/** The error of p = a * b. */
export function product_error(a: f64, b: f64, p: f64): f64 {
  const aScaled = a * SPLITTER;
  const aHigh = aScaled - (aScaled - a);
  const aLow = a - aHigh;
  const bScaled = b * SPLITTER;
  const bHigh = bScaled - (bScaled - b);
  const bLow = b - bHigh;
  return aLow * bLow - (p - aHigh * bHigh - aLow * bHigh - aHigh * bLow);
}

/** Whether q is a / b, not rounded. */
function is_quotient(a: f64, b: f64, q: f64): bool {
  const p = q * b;
  return p == a && product_error(q, b, p) == 0;
}

/** Does an operation where that is possible: the result is in `plain` and PE is signalled. */
export function try_plain(op: i32, x: u64, y: u64): bool {
  if (
    rounding != 0 ||
    op == FLOAT_OP_min ||
    op == FLOAT_OP_max ||
    !is_central(x) ||
    (op != FLOAT_OP_sqrt && !is_central(y))
  )
    return false;
  return isDouble
    ? doubles(op, reinterpret<f64>(x), reinterpret<f64>(y))
    : singles(op, reinterpret<f32>(x as u32), reinterpret<f32>(y as u32));
}

function done(result: u64, exact: bool): bool {
  plain = result;
  if (!exact) signal(MXCSR_PE);
  return true;
}

function doubles(op: i32, x: f64, y: f64): bool {
  if (op == FLOAT_OP_add || op == FLOAT_OP_sub) {
    const b = op == FLOAT_OP_add ? y : -y;
    const s = x + b;
    return done(reinterpret<u64>(s), sum_error(x, b, s) == 0);
  }
  if (op == FLOAT_OP_mul) {
    const p = x * y;
    return done(reinterpret<u64>(p), product_error(x, y, p) == 0);
  }
  if (op == FLOAT_OP_div && y != 0) {
    const q = x / y;
    return done(reinterpret<u64>(q), is_quotient(x, y, q));
  }
  if (op != FLOAT_OP_sqrt || !(x > 0)) return false;
  const root = Math.sqrt(x);
  return done(reinterpret<u64>(root), is_quotient(x, root, root));
}

/** Singles as doubles: products are exact, and rounding twice gives the same as once. */
function singles(op: i32, a: f32, b: f32): bool {
  const x = a as f64;
  const y = b as f64;
  if (op == FLOAT_OP_add || op == FLOAT_OP_sub) {
    const other = op == FLOAT_OP_add ? y : -y;
    const s = x + other;
    return single(s as f32, (s as f32 as f64) == s && sum_error(x, other, s) == 0);
  }
  if (op == FLOAT_OP_mul) return single((x * y) as f32, ((x * y) as f32 as f64) == x * y);
  if (op == FLOAT_OP_div && b != 0) {
    const q = a / b;
    return single(q, (q as f64) * y == x);
  }
  if (op != FLOAT_OP_sqrt || !(a > 0)) return false;
  const root = Mathf.sqrt(a);
  return single(root, (root as f64) * (root as f64) == x);
}

function single(result: f32, exact: bool): bool {
  return done(reinterpret<u32>(result) as u64, exact);
}
