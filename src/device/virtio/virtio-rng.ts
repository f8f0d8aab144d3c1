import type { Random } from "../../base/random.ts";
import { VIRTIO_ID } from "../../spec/virtio/virtio.ts";
import type { BufferQueue, VirtioFunction } from "./virtio-device.ts";

const QUEUE_SIZE = 64;
/** Bytes that are given at once: a buffer may be filled in part. */
const PIECE = 256;

/** A source of random bytes. [virtio 1.2 5.4] */
export class VirtioRng implements VirtioFunction {
  readonly name = "virtio-rng";
  readonly type = VIRTIO_ID.ENTROPY;
  readonly queueSizes = [QUEUE_SIZE];
  readonly features = [];
  readonly config = new Uint8Array(0);
  readonly #random: Random;
  readonly #words = new Int32Array(PIECE / 4);
  readonly #bytes = new Uint8Array(this.#words.buffer);

  constructor(random: Random) {
    this.#random = random;
  }

  process(_queue: number, buffers: BufferQueue): void {
    for (let chain = buffers.take(); chain; chain = buffers.take()) {
      const bytes = this.#bytes.subarray(0, Math.min(PIECE, chain.writable));
      for (let n = 0; n < this.#words.length; n++) this.#words[n] = this.#random.next();
      chain.write(0, bytes);
      buffers.give(chain, bytes.length);
    }
  }
}
