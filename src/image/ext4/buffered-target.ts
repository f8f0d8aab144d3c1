import type { WriteTarget } from "./block-run.ts";

const BUFFER_BYTES = 1 << 20;

/** Gathers writes that follow one another closely into large ones; gaps between them become zeros. */
export class BufferedTarget implements WriteTarget {
  readonly #target: WriteTarget;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #start = 0;
  #length = 0;

  constructor(target: WriteTarget) {
    this.#target = target;
  }

  /** What is passed over must not have been written before. */
  write(offset: number, data: Uint8Array): void {
    const at = offset - this.#start;
    const isNear = this.#length > 0 && at >= this.#length && at < this.#length + 4096;
    if (!isNear || at + data.length > BUFFER_BYTES) this.flush();
    if (data.length > BUFFER_BYTES / 2) return this.#target.write(offset, data);
    if (this.#length === 0) this.#start = offset;
    const place = offset - this.#start;
    this.#buffer.fill(0, this.#length, place);
    this.#buffer.set(data, place);
    this.#length = place + data.length;
  }

  flush(): void {
    if (this.#length > 0) this.#target.write(this.#start, this.#buffer.subarray(0, this.#length));
    this.#length = 0;
  }
}
