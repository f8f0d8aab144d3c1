import { UserError } from "../../base/assert.ts";
import type { BlockBackend, Extent, Storage } from "./block.ts";
import { isQcow2 } from "./qcow2/header.ts";

/** Zeros are written in pieces of this size. */
const ZEROS = new Uint8Array(1 << 20);

/**
 * A file whose bytes are the disk's. `probed` says that nobody named the format: then the guest may not write another
 * format's header to the start, which would decide how the file is opened next time.
 */
export class RawImage implements BlockBackend {
  readonly #storage: Storage;
  readonly #probed: boolean;

  constructor(storage: Storage, { probed = false } = {}) {
    this.#storage = storage;
    this.#probed = probed;
  }

  get size(): number {
    return this.#storage.size();
  }

  get readOnly(): boolean {
    return this.#storage.readOnly;
  }

  read(offset: number, into: Uint8Array): void {
    this.#storage.read(offset, into);
  }

  write(offset: number, data: Uint8Array): void {
    if (this.#probed && offset < 8) this.#checkStart(offset, data);
    this.#storage.write(offset, data);
  }

  writeZeroes(offset: number, length: number): void {
    for (let done = 0; done < length; ) {
      const part = Math.min(ZEROS.length, length - done);
      this.#storage.write(offset + done, ZEROS.subarray(0, part));
      done += part;
    }
  }

  /** Space is not given back: Node has no call for it. */
  discard(): void {}

  /** Changes the size, in bytes. */
  resize(size: number): void {
    this.#storage.truncate(size);
    this.#storage.flush();
  }

  flush(): void {
    this.#storage.flush();
  }

  extent(_offset: number, length: number): Extent {
    return { kind: "data", length };
  }

  close(): void {
    this.#storage.flush();
    this.#storage.close();
  }

  #checkStart(offset: number, data: Uint8Array): void {
    const start = new Uint8Array(16);
    this.#storage.read(0, start);
    start.set(data.subarray(0, start.length - offset), offset);
    if (!isQcow2(start)) return;
    throw new UserError(
      `${this.#storage.name} would look like a qcow2 image, and nobody said that it is raw`,
      "Name its format: raw.",
    );
  }
}
