/** What a loader needs of the processor's system registers to hand over a machine in protected or long mode. */

/** Control register bits. [SDM 3A 2.5] */
export const CR0_PE = 1 << 0;
export const CR0_ET = 1 << 4;
export const CR0_PG = 0x8000_0000;
export const CR4_PAE = 1 << 5;

/** IA32_EFER bits. [SDM 3A 2.2.1, table 2-1] */
export const EFER_LME = 1 << 8;
export const EFER_LMA = 1 << 10;

/** Bit 1 of RFLAGS always reads as 1. [SDM 1 3.4.3] */
export const RFLAGS_FIXED = 1 << 1;

/** Code and data segment types, accessed. [SDM 3A 3.4.5.1, table 3-1] */
export const SEGMENT_TYPE_DATA_RW = 0x3;
export const SEGMENT_TYPE_CODE_XR = 0xb;
/** System segment types. [SDM 3A 3.5, table 3-2] */
export const SEGMENT_TYPE_LDT = 0x2;
export const SEGMENT_TYPE_TSS_BUSY = 0xb;

/** Page-table entry bits, 4-level paging. [SDM 3A 4.5.4, tables 4-15 to 4-18] */
export const PTE_P = 1 << 0;
export const PTE_RW = 1 << 1;
export const PTE_PS = 1 << 7;
