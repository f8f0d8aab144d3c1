// SSE arithmetic, comparisons and conversions, exact: for operands, results and settings of MXCSR that the programs
// leave out. Which those are is written at simd-float.ts of the semantics.
import {
  CPU_cr4,
  CPU_mxcsr,
  CPU_scratch,
  CR4_OSXMMEXCPT,
  FLOAT_OP_add,
  FLOAT_OP_addSub,
  FLOAT_OP_compare,
  FLOAT_OP_div,
  FLOAT_OP_dot,
  FLOAT_OP_fromHalf,
  FLOAT_OP_fromInt32,
  FLOAT_OP_fromInt64,
  FLOAT_OP_max,
  FLOAT_OP_min,
  FLOAT_OP_mul,
  FLOAT_OP_ordered,
  FLOAT_OP_round,
  FLOAT_OP_sqrt,
  FLOAT_OP_sub,
  FLOAT_OP_toDouble,
  FLOAT_OP_toHalf,
  FLOAT_OP_toInt32,
  FLOAT_OP_toInt64,
  FLOAT_OP_toSingle,
  FLOAT_OP_unordered,
  FLOAT_ROUND_mxcsr,
  FLOAT_ROUND_quiet,
  FLOAT_double,
  FLOAT_lanesMask,
  FLOAT_lanesShift,
  FLOAT_modeShift,
  FLOAT_opMask,
  VECTOR_UD,
  VECTOR_XM,
} from "../layout.generated.ts";
import { raise, trapped } from "../fault.ts";
import { probe, refuse_misaligned, store_slow } from "../mmu.ts";
import { ACCESS_WRITE } from "../paging.ts";
import {
  add,
  choose,
  divide,
  from_half,
  from_integer,
  holds,
  multiply_lane,
  relation,
  round_lane,
  square_root,
  to_double,
  to_half,
  to_integer,
  to_single,
} from "./arithmetic.ts";
import { plain, try_plain } from "./plain.ts";
import { begin, control, early, late, set_format, set_rounding } from "./number.ts";

// Offsets in CPU.scratch: the operands, and the result as it grows.
const FIRST: i32 = 32;
const SECOND: i32 = 64;
const RESULT: i32 = 96;

const FLAGS: i32 = 0x3f;
const MASKS: i32 = 7;

/**
 * Computes every lane and gives the result's low half; the high half is in CPU.scratch. Flags of MXCSR are set; #XM (#UD
 * without CR4.OSXMMEXCPT) for those that are not masked. `kind`: see float-op.ts.
 */
export function simd_float(cpu: i32, kind: i32, xLow: u64, xHigh: u64, yLow: u64, yHigh: u64): u64 {
  begin(load<i32>(cpu + CPU_mxcsr));
  if (((kind >> FLOAT_lanesShift) & FLOAT_lanesMask) == 1 && scalar(cpu, kind, xLow, yLow)) return plain;
  return compute(cpu, kind, xLow, xHigh, 0, 0, yLow, yHigh, 0, 0);
}

/** The same for operands of 256 bits: the result's upper three quadwords are in CPU.scratch. */
export function simd_float_wide(
  cpu: i32,
  kind: i32,
  x0: u64,
  x1: u64,
  x2: u64,
  x3: u64,
  y0: u64,
  y1: u64,
  y2: u64,
  y3: u64,
): u64 {
  begin(load<i32>(cpu + CPU_mxcsr));
  return compute(cpu, kind, x0, x1, x2, x3, y0, y1, y2, y3);
}

function compute(cpu: i32, kind: i32, x0: u64, x1: u64, x2: u64, x3: u64, y0: u64, y1: u64, y2: u64, y3: u64): u64 {
  const scratch = cpu + CPU_scratch;
  put(scratch + FIRST, x0, x1, x2, x3);
  put(scratch + SECOND, y0, y1, y2, y3);
  put(scratch + RESULT, 0, 0, 0, 0);
  lanes(scratch, kind);
  settle(cpu);
  v128.store(scratch, v128.load(scratch + RESULT + 8));
  store<u64>(scratch + 16, load<u64>(scratch + RESULT + 24));
  return load<u64>(scratch + RESULT);
}

/** VCVTPS2PH to memory: half as many bytes as the operand's elements have. */
export function store_halves(cpu: i32, kind: i32, linear: u64, x0: u64, x1: u64, x2: u64, x3: u64): void {
  const bytes = ((kind >> FLOAT_lanesShift) & FLOAT_lanesMask) * 2;
  if (refuse_misaligned(cpu, linear, bytes, ACCESS_WRITE) || probe(cpu, linear, bytes, ACCESS_WRITE)) return;
  begin(load<i32>(cpu + CPU_mxcsr));
  const low = compute(cpu, kind, x0, x1, x2, x3, 0, 0, 0, 0);
  if (trapped(cpu)) return;
  store_slow(cpu, linear, bytes, low, load<u64>(cpu + CPU_scratch));
}

function put(at: i32, w0: u64, w1: u64, w2: u64, w3: u64): void {
  store<u64>(at, w0);
  store<u64>(at + 8, w1);
  store<u64>(at + 16, w2);
  store<u64>(at + 24, w3);
}

/** The short way of one lane's arithmetic. */
function scalar(cpu: i32, kind: i32, x: u64, y: u64): bool {
  const double = (kind & FLOAT_double) != 0;
  const op = kind & FLOAT_opMask;
  set_format(double);
  const mask: u64 = double ? 0xffffffffffffffff : 0xffffffff;
  if (op > FLOAT_OP_sqrt || !try_plain(op, x & mask, y & mask)) return false;
  settle(cpu);
  return true;
}

/** Sets the sticky flags, and raises what is not masked: results are not computed once an operand's exception is raised. */
export function settle(cpu: i32): void {
  const enabled = ~(control >> MASKS) & FLAGS;
  const found = early & enabled ? early : early | late;
  store<i32>(cpu + CPU_mxcsr, control | found);
  if (found & enabled) raise(cpu, load<u64>(cpu + CPU_cr4) & CR4_OSXMMEXCPT ? VECTOR_XM : VECTOR_UD, 0);
}

/** The width of an operation's operands and of its results. */
function source_width(op: i32, double: bool): i32 {
  if (op == FLOAT_OP_fromHalf) return 2;
  if (op == FLOAT_OP_fromInt32) return 4;
  return op == FLOAT_OP_fromInt64 || double ? 8 : 4;
}

function result_width(op: i32, double: bool): i32 {
  if (op == FLOAT_OP_toHalf) return 2;
  if (op == FLOAT_OP_toInt32 || op == FLOAT_OP_toSingle) return 4;
  return op == FLOAT_OP_toInt64 ||
    op == FLOAT_OP_toDouble ||
    double ||
    op == FLOAT_OP_ordered ||
    op == FLOAT_OP_unordered
    ? 8
    : 4;
}

function lanes(scratch: i32, kind: i32): void {
  const op = kind & FLOAT_opMask;
  const double = (kind & FLOAT_double) != 0;
  const count = (kind >> FLOAT_lanesShift) & FLOAT_lanesMask;
  const mode = kind >> FLOAT_modeShift;
  const from = source_width(op, double);
  const to = result_width(op, double);
  const rounds = op == FLOAT_OP_toInt32 || op == FLOAT_OP_toInt64 || op == FLOAT_OP_round || op == FLOAT_OP_toHalf;
  if (rounds && !(mode & FLOAT_ROUND_mxcsr)) set_rounding(mode & 3);
  if (op == FLOAT_OP_dot) return dot(scratch, double, count, mode);
  for (let i = 0; i < count; i++) {
    set_format(double);
    const x = read(scratch + FIRST + i * from, from);
    const y = read(scratch + SECOND + i * from, from);
    const result = op <= FLOAT_OP_sqrt ? arithmetic(op, x, y) : other(op, x, y, mode, i);
    if (to == 8) store<u64>(scratch + RESULT + i * 8, result);
    else if (to == 4) store<u32>(scratch + RESULT + i * 4, result as u32);
    else store<u16>(scratch + RESULT + i * 2, result as u16);
  }
}

/**
 * Sums the products that bits 4-7 of the immediate name, by pairs, into the lanes that bits 0-3 name. The order in which
 * a lane adds them matters only where several are NaN; it is that of Intel's processors. [SDM 2A DPPS]
 */
function dot(scratch: i32, double: bool, count: i32, mask: i32): void {
  set_format(double);
  for (let i = 0; i < count; i++) {
    const chosen = ((mask >> (i & 3)) & 1) != 0;
    const sum = double
      ? pair_sum(scratch, 8, i, mask)
      : add(pair_sum(scratch, 4, i ^ 1, mask), pair_sum(scratch, 4, i ^ 3, mask), false);
    if (double) store<u64>(scratch + RESULT + i * 8, chosen ? sum : 0);
    else store<u32>(scratch + RESULT + i * 4, chosen ? (sum as u32) : 0);
  }
}

/** The product of lane i and that of its neighbour. */
function pair_sum(scratch: i32, width: i32, i: i32, mask: i32): u64 {
  return add(product(scratch, width, i, mask), product(scratch, width, i ^ 1, mask), false);
}

function product(scratch: i32, width: i32, i: i32, mask: i32): u64 {
  if (!((mask >> (4 + (i & 3))) & 1)) return 0;
  return multiply_lane(read(scratch + FIRST + i * width, width), read(scratch + SECOND + i * width, width));
}

function read(at: i32, width: i32): u64 {
  return width == 8 ? load<u64>(at) : width == 4 ? (load<u32>(at) as u64) : (load<u16>(at) as u64);
}

function arithmetic(op: i32, x: u64, y: u64): u64 {
  if (try_plain(op, x, y)) return plain;
  if (op == FLOAT_OP_add) return add(x, y, false);
  if (op == FLOAT_OP_sub) return add(x, y, true);
  if (op == FLOAT_OP_mul) return multiply_lane(x, y);
  if (op == FLOAT_OP_div) return divide(x, y);
  if (op == FLOAT_OP_min) return choose(x, y, false);
  if (op == FLOAT_OP_max) return choose(x, y, true);
  return square_root(x);
}

function other(op: i32, x: u64, y: u64, mode: i32, lane: i32): u64 {
  if (op == FLOAT_OP_compare) return holds(x, y, mode) ? 0xffffffffffffffff : 0;
  if (op == FLOAT_OP_ordered) return relation(x, y, true) as u64;
  if (op == FLOAT_OP_unordered) return relation(x, y, false) as u64;
  if (op == FLOAT_OP_toDouble) return to_double(x);
  if (op == FLOAT_OP_toHalf) return to_half(x);
  if (op == FLOAT_OP_fromHalf) return from_half(x);
  if (op == FLOAT_OP_toSingle) return to_single(x);
  if (op == FLOAT_OP_toInt32) return to_integer(x, 32);
  if (op == FLOAT_OP_toInt64) return to_integer(x, 64);
  if (op == FLOAT_OP_fromInt32) return from_integer(x as i32 as i64);
  if (op == FLOAT_OP_fromInt64) return from_integer(x as i64);
  if (op == FLOAT_OP_round) return round_lane(x, !(mode & FLOAT_ROUND_quiet));
  return add(x, y, (lane & 1) == 0);
}
