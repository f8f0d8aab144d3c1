/** A place in a CodeBuffer, known when it is finished. */
export interface Label {
  at: number;
}

interface Fixup {
  readonly at: number;
  readonly label: Label;
  /** Bytes of an absolute address; 0: 4 bytes that count from their end. */
  readonly absolute: 0 | 4 | 8;
}

/** Code that is being written, with labels. */
export class CodeBuffer {
  readonly #bytes: number[] = [];
  readonly #fixups: Fixup[] = [];
  /** Linear address of the first byte. */
  readonly base: number;

  constructor(base: number) {
    this.base = base;
  }

  get length(): number {
    return this.#bytes.length;
  }

  /** Linear address of the next byte. */
  get here(): number {
    return this.base + this.length;
  }

  emit(...bytes: readonly number[]): void {
    for (const byte of bytes) this.#bytes.push(byte & 0xff);
  }

  /** `size` bytes of a number, the low ones first. */
  number(value: bigint | number, size: 1 | 2 | 4 | 8): void {
    const all = BigInt.asUintN(64, BigInt(value));
    for (let n = 0; n < size; n++) this.emit(Number((all >> BigInt(8 * n)) & 0xffn));
  }

  label(): Label {
    return { at: -1 };
  }

  place(label: Label): void {
    label.at = this.length;
  }

  /** The distance of a label from behind these 4 bytes. */
  relative(label: Label): void {
    this.#fix(label, 0);
  }

  /** The linear address of a label. */
  absolute(label: Label, size: 4 | 8 = 4): void {
    this.#fix(label, size);
  }

  #fix(label: Label, absolute: Fixup["absolute"]): void {
    this.#fixups.push({ at: this.length, label, absolute });
    this.number(0, absolute === 8 ? 8 : 4);
  }

  /** The code, with all labels known. */
  finish(): Uint8Array {
    const code = Uint8Array.from(this.#bytes);
    const view = new DataView(code.buffer);
    for (const { at, label, absolute } of this.#fixups) {
      if (label.at < 0) throw new Error("a label has no place");
      if (absolute === 0) view.setInt32(at, label.at - at - 4, true);
      else view.setUint32(at, this.base + label.at, true);
    }
    return code;
  }
}
