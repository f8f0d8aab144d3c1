import { randomFillSync } from "node:crypto";
import type { Random } from "../base/random.ts";

/** The host's own randomness, fetched a page at a time. */
export class HostRandom implements Random {
  readonly #words = new Int32Array(1024);
  #left = 0;

  next(): number {
    if (this.#left === 0) {
      randomFillSync(this.#words);
      this.#left = this.#words.length;
    }
    return this.#words[--this.#left]!;
  }
}
