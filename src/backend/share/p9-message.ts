/** The fields of 9P messages. [9p2000 intro(5)] */

import { constants } from "node:os";

/** What a request fails with. */
export class P9Error extends Error {
  /** Linux's number. */
  readonly errno: number;

  constructor(code: keyof typeof constants.errno) {
    super(code);
    this.errno = constants.errno[code];
  }
}

const HALF = 2 ** 32;

/** Reads a message's fields, one after another. Throws P9Error for what is not there. */
export class P9Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#at = at;
  }

  u8(): number {
    return this.#view.getUint8(this.#take(1));
  }

  u16(): number {
    return this.#view.getUint16(this.#take(2), true);
  }

  u32(): number {
    return this.#view.getUint32(this.#take(4), true);
  }

  /** Throws P9Error above 2^53 - 1. */
  u64(): number {
    const value = this.u32() + this.u32() * HALF;
    if (value > Number.MAX_SAFE_INTEGER) throw new P9Error("EOVERFLOW");
    return value;
  }

  /** Bytes in place. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  /** A string's bytes, as a copy: names on Linux are bytes. */
  string(): Buffer {
    return Buffer.from(this.bytes(this.u16()));
  }

  #take(length: number): number {
    const at = this.#at;
    if (at + length > this.#bytes.length) throw new P9Error("EINVAL");
    this.#at += length;
    return at;
  }
}

/** Writes a message's fields, one after another. Throws P9Error if there is no room. */
export class P9Writer {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Where the next field goes. */
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.at = at;
  }

  get room(): number {
    return this.#bytes.length - this.at;
  }

  u8(value: number): void {
    this.#view.setUint8(this.#take(1), value);
  }

  u16(value: number): void {
    this.#view.setUint16(this.#take(2), value, true);
  }

  u32(value: number): void {
    this.#view.setUint32(this.#take(4), value, true);
  }

  /** A whole number of 0 or more. */
  u64(value: number): void {
    this.u32(value % HALF);
    this.u32(Math.floor(value / HALF));
  }

  string(value: Uint8Array): void {
    this.u16(value.length);
    this.#bytes.set(value, this.#take(value.length));
  }

  /** A place for bytes. */
  bytes(length: number): Uint8Array {
    const at = this.#take(length);
    return this.#bytes.subarray(at, at + length);
  }

  #take(length: number): number {
    const { at } = this;
    if (length > this.room) throw new P9Error("EMSGSIZE");
    this.at += length;
    return at;
  }
}
