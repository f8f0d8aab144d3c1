// 128-bit unsigned arithmetic in pairs of u64. A function returns the high half; the low half is in `low`.

/** The low half of the last result. */
export let low: u64 = 0;

const HALF: u64 = 0xffffffff;

/** a * b */
export function multiply(a: u64, b: u64): u64 {
  const a0 = a & HALF;
  const a1 = a >> 32;
  const b0 = b & HALF;
  const b1 = b >> 32;
  const bottom = a0 * b0;
  const cross = a1 * b0 + (bottom >> 32);
  const middle = a0 * b1 + (cross & HALF);
  low = (middle << 32) | (bottom & HALF);
  return a1 * b1 + (cross >> 32) + (middle >> 32);
}

/** The high half of a * b. */
function multiply_high(a: u64, b: u64): u64 {
  const kept = low;
  const high = multiply(a, b);
  low = kept;
  return high;
}

/** The high 128 bits of the 256-bit product, less than 3 units of the last place too small. */
export function multiply_fraction(aHigh: u64, aLow: u64, bHigh: u64, bLow: u64): u64 {
  const first = multiply_high(aHigh, bLow);
  const second = multiply_high(aLow, bHigh);
  const high = multiply(aHigh, bHigh);
  const sum = low + first;
  low = sum + second;
  return high + (sum < first ? 1 : 0) + (low < second ? 1 : 0);
}

/** a + b, carry dropped. */
export function add(aHigh: u64, aLow: u64, bHigh: u64, bLow: u64): u64 {
  low = aLow + bLow;
  return aHigh + bHigh + (low < aLow ? 1 : 0);
}

/** a - b, borrow dropped. */
export function subtract(aHigh: u64, aLow: u64, bHigh: u64, bLow: u64): u64 {
  low = aLow - bLow;
  return aHigh - bHigh - (aLow < bLow ? 1 : 0);
}

/** a < b */
export function is_less(aHigh: u64, aLow: u64, bHigh: u64, bLow: u64): bool {
  return aHigh < bHigh || (aHigh == bHigh && aLow < bLow);
}

/** a << count, for a count under 128. */
export function shift_left(high: u64, lowHalf: u64, count: i32): u64 {
  if (count == 0) {
    low = lowHalf;
    return high;
  }
  if (count >= 64) {
    low = 0;
    return lowHalf << (count - 64);
  }
  low = lowHalf << count;
  return (high << count) | (lowHalf >> (64 - count));
}

/** a >> count; the last bit of the result is also set when a bit that is 1 was shifted out. */
export function shift_right_sticky(high: u64, lowHalf: u64, count: i32): u64 {
  if (count == 0) {
    low = lowHalf;
    return high;
  }
  if (count >= 128) {
    low = (high | lowHalf) != 0 ? 1 : 0;
    return 0;
  }
  if (count > 64) {
    const lost = (high << (128 - count)) | lowHalf;
    low = (high >> (count - 64)) | (lost != 0 ? 1 : 0);
    return 0;
  }
  if (count == 64) {
    low = high | (lowHalf != 0 ? 1 : 0);
    return 0;
  }
  low = (lowHalf >> count) | (high << (64 - count)) | (lowHalf << (64 - count) != 0 ? 1 : 0);
  return high >> count;
}

/** Leading zero bits. */
export function leading_zeros(high: u64, lowHalf: u64): i32 {
  return (high ? clz(high) : 64 + clz(lowHalf)) as i32;
}

/**
 * a / b for a divisor with its top bit set: 128 bits of quotient with the first worth 1 when a >= b, else 1/2.
 * The last bit is also set when there is a remainder.
 */
export function divide_fraction(aHigh: u64, aLow: u64, bHigh: u64, bLow: u64): u64 {
  let restHigh = aHigh;
  let restLow = aLow;
  let high: u64 = 0;
  let last: u64 = 0;
  let carry = false;
  if (is_less(aHigh, aLow, bHigh, bLow)) {
    carry = restHigh >> 63 != 0;
    restHigh = (restHigh << 1) | (restLow >> 63);
    restLow <<= 1;
  }
  for (let i = 0; i < 128; i++) {
    high = (high << 1) | (last >> 63);
    last <<= 1;
    if (carry || !is_less(restHigh, restLow, bHigh, bLow)) {
      restHigh = subtract(restHigh, restLow, bHigh, bLow);
      restLow = low;
      last |= 1;
    }
    carry = restHigh >> 63 != 0;
    restHigh = (restHigh << 1) | (restLow >> 63);
    restLow <<= 1;
  }
  low = last | (carry || (restHigh | restLow) != 0 ? 1 : 0);
  return high;
}

/** a / divisor for a divisor below 2^32. */
export function divide_small(high: u64, lowHalf: u64, divisor: u64): u64 {
  const q3 = high / divisor;
  const first = ((high - q3 * divisor) << 32) | (lowHalf >> 32);
  const q1 = first / divisor;
  const second = ((first - q1 * divisor) << 32) | (lowHalf & HALF);
  low = (q1 << 32) | (second / divisor);
  return q3;
}
