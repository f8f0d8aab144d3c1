/** Bytes of one access as a chip sees it. */
export type AccessSize = 1 | 2 | 4;

/**
 * What a chip shows to a bus: registers at offsets from wherever the board puts them. The chip knows neither its port
 * nor its address. Values are unsigned 32-bit numbers, little-endian.
 */
export interface RegisterBlock {
  /** The widest access the chip's bus interface takes; the bus splits wider ones, as an ISA bridge does. */
  readonly width: AccessSize;
  /** Reads `size` bytes at `offset`. Never throws: a register that is not there reads as the chip's bus floats. */
  read(offset: number, size: AccessSize): number;
  /** Writes the low `size` bytes of `value` at `offset`. Never throws; what the chip does not know it ignores. */
  write(offset: number, size: AccessSize, value: number): void;
}

/** What nobody drives reads as ones. */
export function allOnes(size: AccessSize): number {
  return 0xffff_ffff >>> (32 - size * 8);
}
