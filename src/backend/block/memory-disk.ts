import type { BlockBackend, Extent } from "./block.ts";

/** A disk in memory, gone when it is forgotten. */
export class MemoryDisk implements BlockBackend {
  readonly bytes: Uint8Array;
  readonly readOnly: boolean;
  /** How often it was flushed. */
  flushes = 0;

  constructor(size: number, readOnly = false) {
    this.bytes = new Uint8Array(size);
    this.readOnly = readOnly;
  }

  get size(): number {
    return this.bytes.length;
  }

  read(offset: number, into: Uint8Array): void {
    into.set(this.bytes.subarray(offset, offset + into.length));
  }

  write(offset: number, data: Uint8Array): void {
    this.bytes.set(data, offset);
  }

  writeZeroes(offset: number, length: number): void {
    this.bytes.fill(0, offset, offset + length);
  }

  discard(offset: number, length: number): void {
    this.writeZeroes(offset, length);
  }

  flush(): void {
    this.flushes++;
  }

  extent(_offset: number, length: number): Extent {
    return { kind: "data", length };
  }

  close(): void {}
}
