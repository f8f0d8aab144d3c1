/** Values on disjoint ranges of addresses `[start, start + length)`; lookups are binary searches that make no garbage. */
export interface Interval<T> {
  readonly start: number;
  readonly length: number;
  readonly value: T;
}

export class IntervalMap<T> {
  readonly #intervals: Interval<T>[] = [];

  /** In ascending order of address. */
  get intervals(): readonly Interval<T>[] {
    return this.#intervals;
  }

  /** Adds a range. Returns false, and adds nothing, if it overlaps one that is there. */
  insert(start: number, length: number, value: T): boolean {
    if (!(length > 0)) throw new RangeError(`an interval of length ${length}`);
    const index = this.#upperBound(start);
    const before = this.#intervals[index - 1];
    const after = this.#intervals[index];
    if (before && before.start + before.length > start) return false;
    if (after && start + length > after.start) return false;
    this.#intervals.splice(index, 0, { start, length, value });
    return true;
  }

  /** Takes away the range that begins at `start`; returns whether there was one. */
  remove(start: number): boolean {
    const index = this.#upperBound(start) - 1;
    if (this.#intervals[index]?.start !== start) return false;
    this.#intervals.splice(index, 1);
    return true;
  }

  /** The range that holds `address`. */
  find(address: number): Interval<T> | undefined {
    const interval = this.#intervals[this.#upperBound(address) - 1];
    return interval && address < interval.start + interval.length ? interval : undefined;
  }

  /** Whether any address of `[start, start + length)` is taken. */
  overlaps(start: number, length: number): boolean {
    const last = this.#intervals[this.#upperBound(start + length - 1) - 1];
    return last !== undefined && last.start + last.length > start;
  }

  /** Index of the first range that begins after `address`. */
  #upperBound(address: number): number {
    let low = 0;
    let high = this.#intervals.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#intervals[middle]!.start <= address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
