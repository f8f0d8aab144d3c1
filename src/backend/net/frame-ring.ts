import { assert } from "../../base/assert.ts";

/** Words at the start of a ring's memory. */
const HEAD = 0;
const TAIL = 1;
const HEADER_WORDS = 4;
const LENGTH_BYTES = 4;
/** In place of a length: the rest of the ring is left out. */
const WRAP = 0xffff_ffff;

/**
 * Frames on their way from one thread to another: one writes, one reads. A frame stands in one piece: `reserve` gives its
 * place, `commit` sends it; `peek` gives the oldest, `drop` takes it away. Nothing is allocated but views.
 */
export class FrameRing {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #capacity: number;
  #reserved = -1;

  /** A new ring for `capacity` bytes (a multiple of 4), or the other end of one that there is. */
  constructor(from: number | SharedArrayBuffer) {
    this.memory = typeof from === "number" ? new SharedArrayBuffer(from + 4 * HEADER_WORDS) : from;
    this.#words = new Int32Array(this.memory, 0, HEADER_WORDS);
    this.#bytes = new Uint8Array(this.memory, 4 * HEADER_WORDS);
    this.#view = new DataView(this.memory, 4 * HEADER_WORDS);
    this.#capacity = this.#bytes.length;
    assert(this.#capacity % 4 === 0, "a ring is made of words");
  }

  /** The word that changes when a frame was sent; for waiting. */
  get cells(): Int32Array {
    return this.#words;
  }

  /** The value of the word that changes when a frame was sent. */
  get sent(): number {
    return Atomics.load(this.#words, HEAD);
  }

  /** Room for a frame; undefined if the reader has to take some first. */
  reserve(length: number): Uint8Array | undefined {
    const needed = (LENGTH_BYTES + length + 3) & ~3;
    const head = Atomics.load(this.#words, HEAD);
    const tail = Atomics.load(this.#words, TAIL);
    if (head >= tail) {
      if (head + needed < this.#capacity || (head + needed === this.#capacity && tail > 0))
        return this.#place(head, length);
      if (needed >= tail) return undefined;
      if (head < this.#capacity) this.#view.setUint32(head, WRAP, true);
      return this.#place(0, length);
    }
    return head + needed < tail ? this.#place(head, length) : undefined;
  }

  /** Sends what was reserved; `length` is at most what was asked for. */
  commit(length: number): void {
    assert(this.#reserved >= 0, "a frame is reserved before it is sent");
    this.#view.setUint32(this.#reserved, length, true);
    const next = (this.#reserved + LENGTH_BYTES + length + 3) & ~3;
    this.#reserved = -1;
    Atomics.store(this.#words, HEAD, next === this.#capacity ? 0 : next);
  }

  /** Wakes who waits for the word `sent`. */
  notify(): void {
    Atomics.notify(this.#words, HEAD);
  }

  /** The oldest frame, in place; undefined if there is none. */
  peek(): Uint8Array | undefined {
    const at = this.#first();
    if (at < 0) return undefined;
    return this.#bytes.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + this.#view.getUint32(at, true));
  }

  /** Takes the oldest frame away. */
  drop(): void {
    const at = this.#first();
    if (at < 0) return;
    const next = (at + LENGTH_BYTES + this.#view.getUint32(at, true) + 3) & ~3;
    Atomics.store(this.#words, TAIL, next === this.#capacity ? 0 : next);
  }

  #place(at: number, length: number): Uint8Array {
    this.#reserved = at;
    return this.#bytes.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length);
  }

  #first(): number {
    const tail = Atomics.load(this.#words, TAIL);
    const head = Atomics.load(this.#words, HEAD);
    if (tail === head) return -1;
    if (tail < this.#capacity && this.#view.getUint32(tail, true) !== WRAP) return tail;
    return head === 0 ? -1 : 0;
  }
}
