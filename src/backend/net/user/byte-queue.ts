/** Bytes that wait to be sent: chunks that are added at the end and dropped from the front. */
export class ByteQueue {
  readonly #chunks: Uint8Array[] = [];
  #skip = 0;
  length = 0;

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.length += chunk.length;
  }

  /** Copies bytes from `offset` on; there must be enough. */
  copy(offset: number, into: Uint8Array): void {
    let skip = this.#skip + offset;
    let done = 0;
    for (const chunk of this.#chunks) {
      if (done === into.length) return;
      if (skip < chunk.length) {
        const part = chunk.subarray(skip, skip + into.length - done);
        into.set(part, done);
        done += part.length;
        skip = 0;
      } else skip -= chunk.length;
    }
  }

  /** Takes bytes away from the front. */
  drop(count: number): void {
    this.length -= count;
    this.#skip += count;
    while (this.#chunks.length > 0 && this.#skip >= this.#chunks[0]!.length) this.#skip -= this.#chunks.shift()!.length;
  }
}
