import { assert } from "../base/assert.ts";
import { type AccessSize, allOnes, type RegisterBlock } from "./register-block.ts";

interface MmioRange {
  readonly name: string;
  readonly first: number;
  readonly end: number;
  readonly registers: RegisterBlock;
}

/**
 * The part of guest-physical space that is registers. Addresses are numbers below 2^53. Ranges are kept sorted and the
 * last one hit is tried first. Unclaimed addresses read as ones.
 */
export class MmioSpace {
  private readonly ranges: MmioRange[] = [];
  private last: MmioRange | undefined;

  /** Puts `registers` at `first` to `first + length - 1`. The ranges of a board must not overlap. */
  claim(name: string, first: number, length: number, registers: RegisterBlock): void {
    const end = first + length;
    assert(first >= 0 && length > 0 && Number.isSafeInteger(end), `${name}: addresses out of range`);
    for (const other of this.ranges) assert(end <= other.first || first >= other.end, `${name} overlaps ${other.name}`);
    this.ranges.push({ name, first, end, registers });
    this.ranges.sort((a, b) => a.first - b.first);
  }

  /** Takes back what was put at exactly `first`. */
  release(first: number): void {
    const index = this.ranges.findIndex((range) => range.first === first);
    assert(index >= 0, "only what was claimed is released");
    this.ranges.splice(index, 1);
    this.last = undefined;
  }

  /** Whether nobody has claimed a part of the range. */
  isFree(first: number, length: number): boolean {
    return this.ranges.every((range) => first + length <= range.first || first >= range.end);
  }

  /** The name of the range that holds `address`; undefined if nobody claimed it. */
  ownerOf(address: number): string | undefined {
    return this.rangeAt(address)?.name;
  }

  /** Reads 1, 2 or 4 bytes; an 8-byte access is two of 4, the low half first. */
  read(address: number, size: AccessSize): number {
    const range = this.rangeAt(address);
    if (range !== undefined && size <= range.registers.width && address + size <= range.end) {
      return (range.registers.read(address - range.first, size) & allOnes(size)) >>> 0;
    }
    if (size === 1) return 0xff;
    const half = (size >> 1) as AccessSize;
    return (this.read(address, half) | (this.read(address + half, half) << (half * 8))) >>> 0;
  }

  /** Writes 1, 2 or 4 bytes; an 8-byte access is two of 4, the low half first. */
  write(address: number, size: AccessSize, value: number): void {
    const range = this.rangeAt(address);
    if (range !== undefined && size <= range.registers.width && address + size <= range.end) {
      range.registers.write(address - range.first, size, (value & allOnes(size)) >>> 0);
      return;
    }
    if (size === 1) return;
    const half = (size >> 1) as AccessSize;
    this.write(address, half, value);
    this.write(address + half, half, value >>> (half * 8));
  }

  private rangeAt(address: number): MmioRange | undefined {
    const last = this.last;
    if (last !== undefined && address >= last.first && address < last.end) return last;
    let low = 0;
    let high = this.ranges.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const range = this.ranges[middle]!;
      if (address >= range.end) low = middle + 1;
      else if (address < range.first) high = middle;
      else {
        this.last = range;
        return range;
      }
    }
    return undefined;
  }
}
