import type { GuestMemory } from "../../memory/guest-memory.ts";

/** The most pieces of a buffer that are taken. */
export const SEGMENTS_MAXIMUM = 1024;

/** A driver broke the rules of a queue: the device stops until it is reset. [virtio 1.2 2.1.2] */
export class QueueError extends Error {}

/**
 * A buffer that the driver made available: pieces of guest memory, first those that the device reads, then those that it
 * writes. One object is filled anew for each buffer.
 */
export class DescriptorChain {
  /** What tells the buffer apart when it is given back. */
  id = 0;
  /** Descriptors of the ring that the buffer takes up. */
  descriptors = 0;
  /** Pieces, and how many of them are read. */
  count = 0;
  readCount = 0;
  /** Bytes of all pieces that are read, and of all that are written. */
  readable = 0;
  writable = 0;
  readonly #addresses = new Float64Array(SEGMENTS_MAXIMUM);
  readonly #lengths = new Float64Array(SEGMENTS_MAXIMUM);
  readonly #memory: GuestMemory;

  constructor(memory: GuestMemory) {
    this.#memory = memory;
  }

  clear(): void {
    this.count = 0;
    this.readCount = 0;
    this.readable = 0;
    this.writable = 0;
    this.descriptors = 0;
  }

  /** Adds a piece. Throws QueueError for too many, and for one to read behind one to write. */
  add(address: number, length: number, write: boolean): void {
    if (this.count === SEGMENTS_MAXIMUM) throw new QueueError("a buffer has too many pieces");
    if (!write && this.count > this.readCount) throw new QueueError("a buffer's piece to read follows one to write");
    this.#addresses[this.count] = address;
    this.#lengths[this.count] = length;
    this.count++;
    if (write) this.writable += length;
    else {
      this.readable += length;
      this.readCount++;
    }
  }

  /** Copies bytes from the pieces to read, `offset` bytes into them. Throws RangeError for memory that is not there. */
  read(offset: number, into: Uint8Array): void {
    let done = 0;
    this.forEach(false, offset, into.length, (address, length) => {
      this.#memory.read(address, into.subarray(done, done + length));
      done += length;
    });
  }

  /** Copies bytes to the pieces to write. */
  write(offset: number, from: Uint8Array): void {
    let done = 0;
    this.forEach(true, offset, from.length, (address, length) => {
      this.#memory.write(address, from.subarray(done, done + length));
      done += length;
    });
  }

  /** Calls `visit` with the guest memory of a range of the pieces to write (or to read). Throws QueueError if it is not there. */
  forEach(writable: boolean, offset: number, length: number, visit: (address: number, length: number) => void): void {
    let skip = offset;
    let left = length;
    for (let n = writable ? this.readCount : 0; left > 0; n++) {
      if (n >= (writable ? this.count : this.readCount)) throw new QueueError("a buffer is too short");
      const size = this.#lengths[n]!;
      if (skip < size) {
        const part = Math.min(size - skip, left);
        visit(this.#addresses[n]! + skip, part);
        left -= part;
        skip = 0;
      } else skip -= size;
    }
  }
}
