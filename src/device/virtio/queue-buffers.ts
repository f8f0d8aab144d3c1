import type { GuestMemory } from "../../memory/guest-memory.ts";
import { DescriptorChain } from "./descriptor-chain.ts";
import type { BufferQueue } from "./virtio-device.ts";
import type { Virtqueue } from "./virtqueue.ts";

/** The buffers of one queue, as its function takes them. Made with the queue, so that a notification makes no garbage. */
export class QueueBuffers implements BufferQueue {
  readonly queue: Virtqueue;
  /** The function asked for a buffer and there was none. */
  lacks = false;
  #before = 0;
  readonly #memory: GuestMemory;
  /** Used again for every request. */
  readonly #chains: DescriptorChain[] = [];

  constructor(queue: Virtqueue, memory: GuestMemory) {
    this.queue = queue;
    this.#memory = memory;
  }

  take(): DescriptorChain | undefined {
    this.#before = this.queue.state.available;
    return this.#pop(0);
  }

  putBack(): void {
    this.queue.rewind(this.#before);
  }

  takeGroup(length: number, most: number): readonly DescriptorChain[] | undefined {
    const before = this.queue.state.available;
    for (let n = 0, bytes = 0; ; n++) {
      if (bytes >= length || n === most) return this.#chains.slice(0, n);
      const chain = this.#pop(n);
      if (chain === undefined) {
        this.queue.rewind(before);
        return undefined;
      }
      bytes += chain.writable;
    }
  }

  give(chain: DescriptorChain, written: number): void {
    this.queue.push(chain, written);
  }

  #pop(n: number): DescriptorChain | undefined {
    this.#chains[n] ??= new DescriptorChain(this.#memory);
    this.lacks = !this.queue.pop(this.#chains[n]);
    return this.lacks ? undefined : this.#chains[n];
  }
}
