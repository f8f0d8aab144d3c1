/** Bits of MXCSR. `masks` are the exception masks, `control` all that is not a sticky flag. [SDM 1 10.2.3] */
export const MXCSR = {
  IE: 0x1,
  DE: 0x2,
  ZE: 0x4,
  OE: 0x8,
  UE: 0x10,
  PE: 0x20,
  flags: 0x3f,
  DAZ: 0x40,
  masks: 0x1f80,
  RC: 0x6000,
  FZ: 0x8000,
  control: 0xffc0,
  /** Bits that exist (MXCSR_MASK); setting another raises #GP. */
  writable: 0xffff,
  reset: 0x1f80,
} as const;
