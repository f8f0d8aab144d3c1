import { IntervalMap } from "../base/interval-map.ts";
import { PAGE_SIZE } from "./dirty-log.ts";

/** Hands out ranges of whole pages between two addresses, lowest first. */
export class PageAllocator {
  readonly start: number;
  readonly end: number;
  readonly #taken = new IntervalMap<true>();

  /** `start` and `end` are rounded inwards to whole pages. */
  constructor(start: number, end: number) {
    this.start = Math.ceil(start / PAGE_SIZE) * PAGE_SIZE;
    this.end = Math.floor(end / PAGE_SIZE) * PAGE_SIZE;
  }

  /** The address of `length` bytes, rounded up to whole pages; -1 if there is no such gap. */
  allocate(length: number): number {
    const size = Math.ceil(length / PAGE_SIZE) * PAGE_SIZE;
    if (!(size > 0)) return -1;
    let at = this.start;
    for (const taken of this.#taken.intervals) {
      if (taken.start - at >= size) break;
      at = taken.start + taken.length;
    }
    if (at + size > this.end) return -1;
    this.#taken.insert(at, size, true);
    return at;
  }

  /** Gives back exactly what `allocate(length)` gave; false if it did not. */
  free(at: number, length: number): boolean {
    const taken = this.#taken.find(at);
    if (taken?.start !== at || taken.length !== Math.ceil(length / PAGE_SIZE) * PAGE_SIZE) return false;
    return this.#taken.remove(at);
  }
}
