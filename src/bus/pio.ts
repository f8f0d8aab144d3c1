import { assert } from "../base/assert.ts";
import { type AccessSize, allOnes, type RegisterBlock } from "./register-block.ts";

const PORTS = 0x10000;

interface PortRange {
  readonly name: string;
  readonly first: number;
  readonly length: number;
  readonly registers: RegisterBlock;
}

/** What answers where nobody does. */
const floating: RegisterBlock = { width: 1, read: () => 0xff, write() {} };
const UNCLAIMED: PortRange = { name: "", first: 0, length: PORTS, registers: floating };

/** The 64 Ki I/O ports: one table look-up finds the registers behind a port. Unclaimed ports read as ones. */
export class PortSpace {
  /** The first stands for all ports without an owner. */
  private readonly ranges: PortRange[] = [UNCLAIMED];
  /** For every port the index of its range. */
  private readonly owner = new Uint8Array(PORTS);

  /** Puts `registers` at `first` to `first + length - 1`. The ranges of a board must not overlap. */
  claim(name: string, first: number, length: number, registers: RegisterBlock): void {
    assert(first >= 0 && length > 0 && first + length <= PORTS, `${name}: ports out of range`);
    assert(this.ranges.length <= 0xff, "no more than 255 port ranges");
    for (let port = first; port < first + length; port++) assert(this.owner[port] === 0, `${name}: port taken`);
    this.owner.fill(this.ranges.length, first, first + length);
    this.ranges.push({ name, first, length, registers });
  }

  /** The name of the range that holds `port`; undefined if nobody claimed it. */
  ownerOf(port: number): string | undefined {
    const range = this.rangeAt(port);
    return range === UNCLAIMED ? undefined : range.name;
  }

  read(port: number, size: AccessSize): number {
    const range = this.rangeAt(port);
    if (takesWhole(range, port, size)) {
      return (range.registers.read(port - range.first, size) & allOnes(size)) >>> 0;
    }
    const half = (size >> 1) as AccessSize;
    return (this.read(port, half) | (this.read((port + half) & 0xffff, half) << (half * 8))) >>> 0;
  }

  write(port: number, size: AccessSize, value: number): void {
    const range = this.rangeAt(port);
    if (takesWhole(range, port, size)) {
      range.registers.write(port - range.first, size, (value & allOnes(size)) >>> 0);
      return;
    }
    const half = (size >> 1) as AccessSize;
    this.write(port, half, value);
    this.write((port + half) & 0xffff, half, value >>> (half * 8));
  }

  private rangeAt(port: number): PortRange {
    return this.ranges[this.owner[port & 0xffff]!]!;
  }
}

function takesWhole(range: PortRange, port: number, size: AccessSize): boolean {
  return size <= range.registers.width && port + size <= range.first + range.length;
}
