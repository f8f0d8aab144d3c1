import { assert } from "../../base/assert.ts";
import { waitForNotify } from "../shared-wait.ts";

/** Cells in front of the bytes. Positions count bytes since the start, modulo 2^32; the ring's size is a power of two. */
const HEAD = 0; // bytes ever written; only the writer changes it
const TAIL = 1; // bytes ever read; only the reader changes it
const CLOSED = 2;
const READER_WAITS = 4; // 1 while the reader sleeps; the cell after it counts its wake-ups and is what it sleeps on
const WRITER_WAITS = 6; // the same for the writer
const HEADER_BYTES = 64;

/**
 * Bytes from one thread to another through shared memory: one writer, one reader, no locks. Either end may live in a
 * thread that may block (`wait…`) or in one that must not (`…Ready`).
 */
export class ByteRing {
  /** What the other thread needs to build its end: post it and pass it to the constructor. */
  readonly shared: SharedArrayBuffer;
  private readonly cells: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly mask: number;

  constructor(shared: SharedArrayBuffer) {
    this.shared = shared;
    this.cells = new Int32Array(shared, 0, HEADER_BYTES / 4);
    this.bytes = new Uint8Array(shared, HEADER_BYTES);
    this.mask = this.bytes.length - 1;
    assert(this.bytes.length > 0 && (this.bytes.length & this.mask) === 0, "a ring's size is a power of two");
  }

  /** A new ring of `capacity` bytes, a power of two. */
  static create(capacity: number): ByteRing {
    return new ByteRing(new SharedArrayBuffer(HEADER_BYTES + capacity));
  }

  /** Bytes that can be read now. */
  get available(): number {
    return (Atomics.load(this.cells, HEAD) - Atomics.load(this.cells, TAIL)) >>> 0;
  }

  /** Bytes that can be written now. */
  get space(): number {
    return this.bytes.length - this.available;
  }

  get closed(): boolean {
    return Atomics.load(this.cells, CLOSED) !== 0;
  }

  /** Ends it for both sides: nobody waits any longer; what is still in the ring can be read. */
  close(): void {
    Atomics.store(this.cells, CLOSED, 1);
    this.wake(READER_WAITS);
    this.wake(WRITER_WAITS);
  }

  /** Writer: appends a byte; false if there is no room. */
  push(byte: number): boolean {
    const head = this.cells[HEAD]!;
    if (this.space === 0) return false;
    this.bytes[head & this.mask] = byte;
    this.publish(HEAD, head + 1, READER_WAITS);
    return true;
  }

  /** Writer: appends as many bytes as fit and returns their number. */
  write(from: Uint8Array): number {
    const head = this.cells[HEAD]!;
    const count = Math.min(this.space, from.length);
    const first = Math.min(count, this.bytes.length - (head & this.mask));
    this.bytes.set(from.subarray(0, first), head & this.mask);
    this.bytes.set(from.subarray(first, count), 0);
    if (count > 0) this.publish(HEAD, head + count, READER_WAITS);
    return count;
  }

  /** Reader: takes a byte; -1 if there is none. */
  shift(): number {
    if (this.available === 0) return -1;
    const tail = this.cells[TAIL]!;
    const byte = this.bytes[tail & this.mask]!;
    this.publish(TAIL, tail + 1, WRITER_WAITS);
    return byte;
  }

  /** Reader: takes all there is, as a copy. */
  readAll(): Uint8Array<ArrayBuffer> {
    const into = new Uint8Array(this.available);
    this.read(into);
    return into;
  }

  /** Reader: takes as many bytes as there are and fit, and returns their number. */
  read(into: Uint8Array): number {
    const count = Math.min(this.available, into.length);
    const tail = this.cells[TAIL]!;
    const first = Math.min(count, this.bytes.length - (tail & this.mask));
    into.set(this.bytes.subarray(tail & this.mask, (tail & this.mask) + first), 0);
    into.set(this.bytes.subarray(0, count - first), first);
    if (count > 0) this.publish(TAIL, tail + count, WRITER_WAITS);
    return count;
  }

  /** Writer: blocks the thread until there is room or the ring is closed. */
  waitForSpace(): void {
    while (this.full()) {
      const wakeUps = this.announce(WRITER_WAITS);
      if (this.full()) Atomics.wait(this.cells, WRITER_WAITS + 1, wakeUps);
    }
  }

  /** Writer: resolves when there is room or the ring is closed. */
  async spaceReady(): Promise<void> {
    while (this.full()) {
      const wakeUps = this.announce(WRITER_WAITS);
      if (this.full()) await waitForNotify(this.cells, WRITER_WAITS + 1, wakeUps);
    }
  }

  /** Reader: resolves when there is something to read or the ring is closed. */
  async dataReady(): Promise<void> {
    while (this.empty()) {
      const wakeUps = this.announce(READER_WAITS);
      if (this.empty()) await waitForNotify(this.cells, READER_WAITS + 1, wakeUps);
    }
  }

  private full(): boolean {
    return this.space === 0 && !this.closed;
  }

  private empty(): boolean {
    return this.available === 0 && !this.closed;
  }

  private publish(position: number, value: number, waiter: number): void {
    Atomics.store(this.cells, position, value | 0);
    if (Atomics.load(this.cells, waiter) !== 0) this.wake(waiter);
  }

  private wake(waiter: number): void {
    Atomics.store(this.cells, waiter, 0);
    Atomics.add(this.cells, waiter + 1, 1);
    Atomics.notify(this.cells, waiter + 1);
  }

  /** Says that one is about to sleep. The caller looks once more before it does, so that no wake-up is lost. */
  private announce(waiter: number): number {
    const wakeUps = Atomics.load(this.cells, waiter + 1);
    Atomics.store(this.cells, waiter, 1);
    return wakeUps;
  }
}
