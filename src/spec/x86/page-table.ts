/** Page-table entry bits, 4-level paging. [SDM 3A 4.5.4, tables 4-15 to 4-20] */
export const PTE = { P: 1 << 0, RW: 1 << 1, PS: 1 << 7 } as const;
