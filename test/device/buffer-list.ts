import { DescriptorChain } from "../../src/device/virtio/descriptor-chain.ts";
import type { BufferQueue } from "../../src/device/virtio/virtio-device.ts";
import { createFlatMemory } from "../../src/memory/slot-memory.ts";

const BUFFER_BYTES = 0x1_0000;
const PLACES = 8;

/** Buffers for a virtio function without a queue around them. */
export class BufferList implements BufferQueue {
  readonly #memory = createFlatMemory(PLACES * BUFFER_BYTES);
  readonly #offered: DescriptorChain[] = [];
  readonly #given: Uint8Array[] = [];
  #next = 0;
  #last: DescriptorChain | undefined;

  /** Makes a buffer available: bytes for the device to read, or a length for it to write. */
  offer(piece: Uint8Array | number): void {
    const chain = new DescriptorChain(this.#memory);
    const address = (this.#next++ % PLACES) * BUFFER_BYTES;
    const length = typeof piece === "number" ? piece : piece.length;
    if (typeof piece !== "number") this.#memory.write(address, piece);
    chain.id = address;
    if (length > 0) chain.add(address, length, typeof piece === "number");
    this.#offered.push(chain);
  }

  take(): DescriptorChain | undefined {
    this.#last = this.#offered.shift();
    return this.#last;
  }

  takeGroup(): undefined {
    return undefined;
  }

  putBack(): void {
    if (this.#last) this.#offered.unshift(this.#last);
  }

  give(chain: DescriptorChain, written: number): void {
    const bytes = new Uint8Array(written);
    this.#memory.read(chain.id, bytes);
    this.#given.push(bytes);
  }

  /** How many wait. */
  get waiting(): number {
    return this.#offered.length;
  }

  /** What was written to the buffers that were given back since the last call. */
  takeGiven(): Uint8Array[] {
    return this.#given.splice(0);
  }
}
