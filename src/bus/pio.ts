import { assert } from "../base/assert.ts";
import { type AccessSize, allOnes, type RegisterBlock } from "./register-block.ts";

const PORTS = 0x10000;

interface PortRange {
  readonly name: string;
  readonly first: number;
  readonly length: number;
  readonly registers: RegisterBlock;
}

/** The 64 Ki I/O ports: one table look-up finds the registers behind a port. Unclaimed ports read as ones. */
export class PortSpace {
  private readonly ranges: PortRange[] = [];
  /** For every port, 1 + the index of its range; 0 where there is none. */
  private readonly owner = new Uint8Array(PORTS);

  /** Puts `registers` at `first` to `first + length - 1`. The ranges of a board must not overlap. */
  claim(name: string, first: number, length: number, registers: RegisterBlock): void {
    assert(first >= 0 && length > 0 && first + length <= PORTS, `${name}: ports out of range`);
    assert(this.ranges.length < 0xff, "more than 255 port ranges");
    for (let port = first; port < first + length; port++) assert(this.owner[port] === 0, `${name}: port taken`);
    this.ranges.push({ name, first, length, registers });
    this.owner.fill(this.ranges.length, first, first + length);
  }

  /** The name of the range that holds `port`; undefined if nobody claimed it. */
  ownerOf(port: number): string | undefined {
    return this.rangeAt(port)?.name;
  }

  read(port: number, size: AccessSize): number {
    const range = this.rangeAt(port);
    if (range !== undefined && takesWhole(range, port, size)) {
      return (range.registers.read(port - range.first, size) & allOnes(size)) >>> 0;
    }
    if (size === 1) return 0xff;
    const half = (size >> 1) as AccessSize;
    return (this.read(port, half) | (this.read((port + half) & 0xffff, half) << (half * 8))) >>> 0;
  }

  write(port: number, size: AccessSize, value: number): void {
    const range = this.rangeAt(port);
    if (range !== undefined && takesWhole(range, port, size)) {
      range.registers.write(port - range.first, size, (value & allOnes(size)) >>> 0);
      return;
    }
    if (size === 1) return;
    const half = (size >> 1) as AccessSize;
    this.write(port, half, value);
    this.write((port + half) & 0xffff, half, value >>> (half * 8));
  }

  private rangeAt(port: number): PortRange | undefined {
    return this.ranges[this.owner[port & 0xffff]! - 1];
  }
}

function takesWhole(range: PortRange, port: number, size: AccessSize): boolean {
  return size <= range.registers.width && port + size <= range.first + range.length;
}
