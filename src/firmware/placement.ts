import { UserError } from "../base/assert.ts";
import { E820 } from "../spec/x86/e820.ts";
import { FOUR_GIB, LOW_MEMORY } from "../spec/x86/low-memory.ts";
import { readableSize } from "./bytes.ts";
import type { MemoryMapEntry, MemoryRange } from "./memory-map.ts";

/** Where a block may be put: the lowest or highest free place wholly inside `from` to `to`, at a multiple of `align`. */
export interface PlaceRequest {
  readonly size: number;
  /** Power of two; 16 if not given. */
  readonly align?: number;
  readonly from?: number;
  readonly to?: number;
  readonly prefer: "lowest" | "highest";
}

interface Claim extends MemoryRange {
  readonly what: string;
}

/**
 * Who has which part of the guest's RAM while a loader fills it. Nothing is placed outside RAM or on top of something
 * else, whatever addresses and sizes a kernel's file names.
 */
export class Placement {
  readonly #ram: readonly MemoryRange[];
  readonly #claims: Claim[] = [];

  constructor(map: readonly MemoryMapEntry[]) {
    this.#ram = map.filter((entry) => entry.type === E820.RAM);
  }

  /** Takes a range at a fixed address. `what` names its owner in messages: "the kernel". */
  claim(what: string, addr: number, size: number): void {
    if (size === 0) return;
    if (!this.#ram.some((ram) => addr >= ram.addr && addr + size <= ram.addr + ram.size))
      throw this.#outside(what, addr, size);
    const other = this.#claims.find((claim) => overlaps(claim, addr, size));
    if (other)
      throw new UserError(
        `${what} (${hex(addr)} to ${hex(addr + size - 1)}) lies on top of ${other.what} (${hex(other.addr)} to ${hex(other.addr + other.size - 1)})`,
        "Link the kernel for addresses from 1 MiB up, without overlaps.",
      );
    this.#claims.push({ what, addr, size });
  }

  /** Finds and takes a place; undefined if there is none. */
  place(what: string, request: PlaceRequest): number | undefined {
    const { size, align = 16, from = 0, to = FOUR_GIB, prefer } = request;
    const places = this.#gaps()
      .map((gap) => fitInto(gap, { size, align, from, to, prefer }))
      .filter((addr) => addr !== undefined);
    if (places.length === 0) return undefined;
    const addr = prefer === "lowest" ? Math.min(...places) : Math.max(...places);
    this.claim(what, addr, size);
    return addr;
  }

  /** A place for the small structures that a kernel is handed: base memory if there is room, else as high as possible. */
  placeBootData(what: string, size: number): number {
    const addr =
      this.place(what, { size, to: LOW_MEMORY.EBDA, from: 0x1000, prefer: "lowest" }) ??
      this.place(what, { size, prefer: "highest" });
    if (addr === undefined) throw this.noRoom(what, size);
    return addr;
  }

  /** The error for a block that fits nowhere. */
  noRoom(what: string, size: number): UserError {
    const needed = this.#claims.reduce((sum, claim) => sum + claim.size, 0) + size + LOW_MEMORY.EXTENDED;
    return new UserError(
      `${what} (${readableSize(size)}) does not fit in the machine's memory of ${readableSize(this.#top())}`,
      `Give the machine at least ${mebibytes(needed)} MiB of memory.`,
    );
  }

  #outside(what: string, addr: number, size: number): UserError {
    const end = addr + size;
    const message = `${what} needs memory from ${hex(addr)} to ${hex(end - 1)}, which the machine (${readableSize(this.#top())}) does not have`;
    if (addr >= LOW_MEMORY.EXTENDED && end <= 0xc000_0000)
      return new UserError(message, `Give the machine at least ${mebibytes(end)} MiB of memory.`);
    return new UserError(
      message,
      "The file names an address where a PC has no memory: check that it is a kernel for x86 PCs and undamaged.",
    );
  }

  /** RAM below 4 GiB, as the user counts it. */
  #top(): number {
    return Math.max(...this.#ram.filter((ram) => ram.addr < FOUR_GIB).map((ram) => ram.addr + ram.size));
  }

  #gaps(): MemoryRange[] {
    return this.#claims.reduce<MemoryRange[]>(
      (gaps, claim) => gaps.flatMap((gap) => without(gap, claim)),
      [...this.#ram],
    );
  }
}

function overlaps(range: MemoryRange, addr: number, size: number): boolean {
  return addr < range.addr + range.size && range.addr < addr + size;
}

function without(gap: MemoryRange, claim: MemoryRange): MemoryRange[] {
  if (!overlaps(gap, claim.addr, claim.size)) return [gap];
  const end = claim.addr + claim.size;
  const parts = [
    { addr: gap.addr, size: claim.addr - gap.addr },
    { addr: end, size: gap.addr + gap.size - end },
  ];
  return parts.filter((part) => part.size > 0);
}

function fitInto(gap: MemoryRange, request: Required<PlaceRequest>): number | undefined {
  const { size, align, from, to, prefer } = request;
  const start = roundUp(Math.max(gap.addr, from), align);
  const last = Math.floor((Math.min(gap.addr + gap.size, to) - size) / align) * align;
  if (last < start) return undefined;
  return prefer === "lowest" ? start : last;
}

/** `align` is a power of two; exact to 2^53. */
export function roundUp(value: number, align: number): number {
  return Math.ceil(value / align) * align;
}

function mebibytes(bytes: number): number {
  return Math.ceil(bytes / 2 ** 20);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}
