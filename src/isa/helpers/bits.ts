// Bits gathered and scattered by a mask. [SDM 2B PDEP, PEXT]

/** The low bits of a value at the places of the mask's ones. */
export function deposit_bits(cpu: i32, value: u64, mask: u64): u64 {
  let result: u64 = 0;
  for (let rest = mask; rest != 0; rest &= rest - 1) {
    if (value & 1) result |= rest & (0 - rest);
    value >>= 1;
  }
  return result;
}

/** The bits of a value at the places of the mask's ones, next to each other. */
export function extract_bits(cpu: i32, value: u64, mask: u64): u64 {
  let result: u64 = 0;
  let place: u64 = 1;
  for (let rest = mask; rest != 0; rest &= rest - 1) {
    if (value & rest & (0 - rest)) result |= place;
    place <<= 1;
  }
  return result;
}
