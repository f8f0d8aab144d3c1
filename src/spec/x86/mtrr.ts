/** Memory type range registers. [SDM 3A 12.11.2.1] */

/** IA32_MTRR_DEF_TYPE: MTRRs enabled, and the type of memory that no range names. */
export const MTRR_DEF_TYPE_E = 1 << 11;
export const MEMORY_TYPE_WB = 6;
