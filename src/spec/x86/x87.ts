/** Bits of the x87 status word. [SDM 1 8.1.3] */
export const FSW = {
  IE: 0x1,
  DE: 0x2,
  ZE: 0x4,
  OE: 0x8,
  UE: 0x10,
  PE: 0x20,
  SF: 0x40,
  ES: 0x80,
  C0: 0x100,
  C1: 0x200,
  C2: 0x400,
  TOP: 0x3800,
  C3: 0x4000,
  B: 0x8000,
  exceptions: 0x3f,
  conditions: 0x4700,
} as const;

/** Bits of the x87 control word: `fixed` always reads as 1; `initial` is its value after FNINIT. [SDM 1 8.1.5] */
export const FCW = { masks: 0x3f, fixed: 0x40, PC: 0x300, RC: 0xc00, writable: 0x1f3f, initial: 0x37f } as const;

/** Rounding control, in the order of its encoding. [SDM 1 table 4-8] */
export const RC = { nearest: 0, down: 1, up: 2, zero: 3 } as const;
