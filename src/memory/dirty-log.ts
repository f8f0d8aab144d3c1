/** One bit for every page of a memory slot that was written since the log was last read. Safe between threads. */

/** log2 of the page size that slots and dirty bits count in. */
export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 1 << PAGE_SHIFT;

/** 32-bit words of a bitmap for `pages` pages: whole 64-bit words, as KVM_GET_DIRTY_LOG's. */
export function bitmapWords(pages: number): number {
  return Math.ceil(pages / 64) * 2;
}

export class DirtyLog {
  readonly pages: number;
  /** Bit `page & 31` of word `page >> 5`. An engine's compiled code sets bits here itself. */
  readonly bitmap: Int32Array;

  /** `bitmap` has `bitmapWords(pages)` zero words; for several threads it lies in shared memory. */
  constructor(pages: number, bitmap: Int32Array) {
    if (bitmap.length !== bitmapWords(pages)) throw new RangeError(`${bitmap.length} words for ${pages} pages`);
    this.pages = pages;
    this.bitmap = bitmap;
  }

  /** Marks the pages that hold bytes `offset` to `offset + length - 1` of the slot. */
  mark(offset: number, length: number): void {
    if (length <= 0) return;
    const last = Math.floor((offset + length - 1) / PAGE_SIZE);
    for (let page = Math.floor(offset / PAGE_SIZE); page <= last; page++)
      Atomics.or(this.bitmap, page >>> 5, 1 << (page & 31));
  }

  /** Copies the bits into `into`, as `take` does, and leaves them. */
  copy(into: Uint8Array): void {
    const out = this.#writable(into);
    for (let word = 0; word < this.bitmap.length; word++) out.setInt32(word * 4, Atomics.load(this.bitmap, word), true);
  }

  /** Clears the bits of `pages` pages from `first` on that are set in `bits`, whose bit 0 is that of `first`; tells those that were set. */
  clear(first: number, pages: number, bits: Uint8Array, cleared: (page: number) => void): void {
    for (let n = 0; n < pages; n++) {
      if (!((bits[n >> 3]! >> (n & 7)) & 1)) continue;
      const bit = 1 << ((first + n) & 31);
      if (Atomics.and(this.bitmap, (first + n) >>> 5, ~bit) & bit) cleared(first + n);
    }
  }

  /** Copies the bits into `into` (little-endian words, at least as long as the bitmap) and clears them. */
  take(into: Uint8Array): void {
    const out = this.#writable(into);
    for (let word = 0; word < this.bitmap.length; word++)
      out.setInt32(word * 4, Atomics.exchange(this.bitmap, word, 0), true);
  }

  #writable(into: Uint8Array): DataView {
    if (into.length < this.bitmap.length * 4) throw new RangeError(`bitmap of ${into.length} bytes is too short`);
    return new DataView(into.buffer, into.byteOffset, into.byteLength);
  }
}
