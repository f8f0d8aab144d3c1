/** One vCPU's state in linear memory, field by field: offsets are those of isa/state.ts. */
export class CpuCells {
  /** Address of the vCPU's state. */
  readonly base: number;
  readonly #view: DataView;
  readonly #words: Int32Array;

  constructor(buffer: ArrayBuffer | SharedArrayBuffer, base: number) {
    this.base = base;
    this.#view = new DataView(buffer);
    this.#words = new Int32Array(buffer);
  }

  /** A 32-bit field, signed. */
  i32(at: number): number {
    return this.#words[(this.base + at) >>> 2]!;
  }

  setI32(at: number, value: number): void {
    this.#words[(this.base + at) >>> 2] = value;
  }

  /** The same, and every thread sees it before what this one does next. */
  storeI32(at: number, value: number): void {
    Atomics.store(this.#words, (this.base + at) >>> 2, value);
  }

  /** The halves of a 64-bit field, unsigned. */
  lo(at: number): number {
    return this.#words[(this.base + at) >>> 2]! >>> 0;
  }

  hi(at: number): number {
    return this.#words[(this.base + at + 4) >>> 2]! >>> 0;
  }

  setWide(at: number, lo: number, hi: number): void {
    this.#words[(this.base + at) >>> 2] = lo;
    this.#words[(this.base + at + 4) >>> 2] = hi;
  }

  /** A 64-bit field as a number: exact below 2^53. */
  number(at: number): number {
    return this.hi(at) * 0x1_0000_0000 + this.lo(at);
  }

  setNumber(at: number, value: number): void {
    this.setWide(at, value | 0, Math.floor(value / 0x1_0000_0000));
  }

  /** Copies a 64-bit field to or from a record of KVM's. */
  copyWide(at: number, to: DataView, offset: number): void {
    to.setUint32(offset, this.lo(at), true);
    to.setUint32(offset + 4, this.hi(at), true);
  }

  loadWide(at: number, from: DataView, offset: number): void {
    this.setWide(at, from.getUint32(offset, true), from.getUint32(offset + 4, true));
  }

  /** A view of bytes of the state. */
  bytes(at: number, length: number): Uint8Array {
    return new Uint8Array(this.#view.buffer, this.base + at, length);
  }
}
