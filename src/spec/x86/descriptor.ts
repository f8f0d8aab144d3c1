/** Code and data segment types, accessed. [SDM 3A 3.4.5.1, table 3-1] */
export const SEGMENT_TYPE = { DATA_READ_WRITE: 0x3, CODE_EXECUTE_READ: 0xb } as const;

/** System segment types. [SDM 3A 3.5, table 3-2] */
export const SYSTEM_SEGMENT_TYPE = { LDT: 0x2, TSS_BUSY: 0xb } as const;

/** Bit 1 of RFLAGS always reads as 1. [SDM 1 3.4.3] */
export const RFLAGS_FIXED = 1 << 1;
