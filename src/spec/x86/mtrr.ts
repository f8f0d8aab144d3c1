/** Memory type range registers. [SDM 3A 12.11] */

/** IA32_MTRRCAP: the number of variable ranges, then fixed ranges and write combining. */
export const MTRR_VARIABLE_RANGES = 8;
export const MTRRCAP = MTRR_VARIABLE_RANGES | 0x100 | 0x400;
/** IA32_MTRR_DEF_TYPE: MTRRs enabled, fixed ranges enabled, and the type of memory that no range names. */
export const MTRR_DEF_TYPE_E = 1 << 11;
export const MTRR_DEF_TYPE_BITS = 0xcff;
/** Bits of a variable range's base and mask below the address that are reserved. */
export const MTRR_BASE_RESERVED = 0xf00;
export const MTRR_MASK_RESERVED = 0x7ff;
/** Types that a range can have: UC, WC, WT, WP, WB. */
export const MTRR_TYPES: readonly number[] = [0, 1, 4, 5, 6];
export const MEMORY_TYPE_WB = 6;
