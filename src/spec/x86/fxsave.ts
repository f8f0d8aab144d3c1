/** Byte offsets in the FXSAVE area, 64-bit format. [SDM 1 10.5.1, table 10-2; SDM 2A FXSAVE] */
export const FXSAVE = {
  FCW: 0,
  FSW: 2,
  FTW: 4,
  FOP: 6,
  FIP: 8,
  FDP: 16,
  MXCSR: 24,
  MXCSR_MASK: 28,
  ST0: 32,
  XMM0: 160,
} as const;
