// Arithmetic that WebAssembly and the IR lack.

/** Unsigned quotient; 0 for a divisor of 0. */
export function udiv64(cpu: i32, dividend: u64, divisor: u64): u64 {
  return divisor ? dividend / divisor : 0;
}

/** Unsigned quotient of high:low; the divisor must be greater than `high`, else the result means nothing. */
export function udiv128(cpu: i32, high: u64, low: u64, divisor: u64): u64 {
  if (!divisor) return 0;
  if (!high) return low / divisor;
  return divide_normalized(high, low, divisor);
}

/** Schoolbook division with digits of 32 bits, the divisor shifted so that its top bit is set. */
function divide_normalized(high: u64, low: u64, divisor: u64): u64 {
  const shift = clz(divisor);
  const d = divisor << shift;
  const top = shift ? (high << shift) | (low >> (64 - shift)) : high;
  const bottom = low << shift;
  const q1 = digit(top, bottom >> 32, d);
  const rest = (top << 32) + (bottom >> 32) - q1 * d;
  return (q1 << 32) + digit(rest, bottom & 0xffffffff, d);
}

/** One digit of the quotient (top * 2^32 + next) / d, for top < d. */
function digit(top: u64, next: u64, d: u64): u64 {
  const dHigh = d >> 32;
  const dLow = d & 0xffffffff;
  let q = top / dHigh;
  let r = top - q * dHigh;
  while (q >> 32 != 0 || q * dLow > ((r << 32) | next)) {
    q--;
    r += dHigh;
    if (r >> 32) break;
  }
  return q;
}

/** CRC-32C (polynomial 11EDC6F41H, bits reflected) of the low bytes of `data`. */
export function crc32c(cpu: i32, crc: i32, data: u64, bytes: i32): i32 {
  let value = crc as u32;
  for (let i = 0; i < bytes; i++) {
    value ^= ((data >> (i << 3)) as u32) & 0xff;
    for (let bit = 0; bit < 8; bit++) value = (value >> 1) ^ (value & 1 ? (0x82f63b78 as u32) : 0);
  }
  return value as i32;
}
