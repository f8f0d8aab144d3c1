/** Instruction.base and index where there is no register, and where the base is rIP. */
export const NO_REGISTER = 16;
export const RIP = 17;

/** Number of the segment without base and limit (see SEGMENTS), and "no override". */
export const FLAT = 8;
export const NO_SEGMENT = -1;

/** Bits of Instruction.prefixes. */
export const PREFIX = { operandSize: 1, addressSize: 2, lock: 4, rep: 8, repne: 16 } as const;

/** One decoded instruction; reused for one after the other. Every field is a number. */
export class Instruction {
  /** Id of the form, valid after a successful decode: formOf gives the form. */
  form = 0;
  /** Bytes. */
  length = 0;
  /**
   * Register numbers with their REX bits; +r opcodes have theirs in reg, and a vector register that is the index of memory
   * is in rm.
   */
  reg = 0;
  rm = 0;
  vvvv = 0;
  is4 = 0;
  /** SIB byte, or -1 without one. */
  sib = -1;
  /** Memory operand: number of a general register, NO_REGISTER, or RIP (base only). */
  base = NO_REGISTER;
  index = NO_REGISTER;
  /** Power of two that multiplies the index: 0 to 3. */
  scale = 0;
  /** Displacement or absolute offset, sign-extended to 64 bits. */
  dispLow = 0;
  dispHigh = 0;
  /** Immediate (of a vector index: its scale), sign-extended to 64 bits. ENTER: Iw | Ib << 16; far pointers: the offset, then the selector in the high word. */
  immLow = 0;
  immHigh = 0;
  /** Number of the segment of the memory operand: default or override, FLAT in 64-bit mode. */
  segment = FLAT;
  addressSize: 16 | 32 | 64 = 64;
  /** REX byte, or the same bits of a VEX prefix, or 0. */
  rex = 0;
  /** See PREFIX. */
  prefixes = 0;
  /** Number of the segment override that counts, or NO_SEGMENT. */
  override = NO_SEGMENT;

  /** Forgets the previous instruction. */
  reset(): void {
    this.length = 0;
    this.reg = 0;
    this.rm = 0;
    this.vvvv = 0;
    this.is4 = 0;
    this.sib = -1;
    this.base = NO_REGISTER;
    this.index = NO_REGISTER;
    this.scale = 0;
    this.dispLow = 0;
    this.dispHigh = 0;
    this.immLow = 0;
    this.immHigh = 0;
    this.rex = 0;
    this.prefixes = 0;
    this.override = NO_SEGMENT;
  }
}
