/** Bits of the control registers. [SDM 3A 2.5] */
export const CR0 = {
  PE: 0x1,
  MP: 0x2,
  EM: 0x4,
  TS: 0x8,
  ET: 0x10,
  NE: 0x20,
  WP: 0x1_0000,
  AM: 0x4_0000,
  NW: 0x2000_0000,
  CD: 0x4000_0000,
  PG: 0x8000_0000,
} as const;

export const CR4 = {
  VME: 0x1,
  PVI: 0x2,
  TSD: 0x4,
  DE: 0x8,
  PSE: 0x10,
  PAE: 0x20,
  MCE: 0x40,
  PGE: 0x80,
  PCE: 0x100,
  OSFXSR: 0x200,
  OSXMMEXCPT: 0x400,
  UMIP: 0x800,
  LA57: 0x1000,
  VMXE: 0x2000,
  SMXE: 0x4000,
  FSGSBASE: 0x1_0000,
  PCIDE: 0x2_0000,
  OSXSAVE: 0x4_0000,
  SMEP: 0x10_0000,
  SMAP: 0x20_0000,
  PKE: 0x40_0000,
  PKS: 0x100_0000,
} as const;

/** Bits of IA32_EFER. [SDM 3A 2.2.1, table 2-1] */
export const EFER = { SCE: 0x1, LME: 0x100, LMA: 0x400, NXE: 0x800 } as const;

/** Bits of XCR0. [SDM 1 13.3] */
export const XCR0 = { X87: 0x1, SSE: 0x2, AVX: 0x4, PKRU: 0x200 } as const;

/** Bits of IA32_DEBUGCTL. [SDM 3B 18.4.1] */
export const DEBUGCTL = { LBR: 0x1, BTF: 0x2, TR: 0x40 } as const;

/** Bits of the debug registers DR6 and DR7; `fixed` always reads as 1, `L` are L0 to L3 and LE. [SDM 3B 18.2.3, 18.2.4] */
export const DR6 = { BD: 0x2000, BS: 0x4000, BT: 0x8000, fixed: 0xffff_0ff0, writable: 0xe00f } as const;
export const DR7 = { L: 0x155, GD: 0x2000, fixed: 0x400, writable: 0xffff_2bff } as const;
