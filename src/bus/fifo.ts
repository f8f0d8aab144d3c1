/** A bounded queue of numbers up to 16 bits, allocated once. */
export class Fifo {
  private readonly slots: Uint16Array;
  private head = 0;
  private count = 0;

  constructor(capacity: number) {
    this.slots = new Uint16Array(capacity);
  }

  get length(): number {
    return this.count;
  }

  get full(): boolean {
    return this.count === this.slots.length;
  }

  clear(): void {
    this.head = 0;
    this.count = 0;
  }

  /** Appends `value`; false, and nothing changes, if the queue is full. */
  push(value: number): boolean {
    if (this.full) return false;
    this.slots[(this.head + this.count++) % this.slots.length] = value;
    return true;
  }

  /** The element `index` places behind the oldest; 0 if there is none. */
  at(index: number): number {
    return index < this.count ? this.slots[(this.head + index) % this.slots.length]! : 0;
  }

  /** Keeps only the bits of `mask` in the oldest element. */
  maskOldest(mask: number): void {
    if (this.count > 0) this.slots[this.head]! &= mask;
  }

  /** Takes the oldest element; 0 if there is none. */
  shift(): number {
    if (this.count === 0) return 0;
    const value = this.slots[this.head]!;
    this.head = (this.head + 1) % this.slots.length;
    this.count--;
    return value;
  }

  /** The elements, oldest first. */
  toArray(): number[] {
    return Array.from({ length: this.count }, (_, index) => this.at(index));
  }

  /** Replaces the contents; what does not fit is dropped. */
  fill(values: readonly number[]): void {
    this.clear();
    for (const value of values) this.push(value);
  }
}
