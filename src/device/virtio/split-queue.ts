import type { GuestMemory } from "../../memory/guest-memory.ts";
import { DESC_BYTES, DESC_F, RING, RING_F, SPLIT_DESC } from "../../spec/virtio/virtio.ts";
import { type DescriptorChain, QueueError } from "./descriptor-chain.ts";
import type { QueueConfig, QueueState, Virtqueue } from "./virtqueue.ts";

/** A queue of a descriptor table, an available ring and a used ring. [virtio 1.2 2.7] */
export class SplitQueue implements Virtqueue {
  readonly state: QueueState;
  readonly #memory: GuestMemory;
  readonly #config: QueueConfig;

  constructor(memory: GuestMemory, config: QueueConfig, state: QueueState = { available: 0, used: 0, signalled: 0 }) {
    this.#memory = memory;
    this.#config = config;
    this.state = { ...state };
  }

  pop(into: DescriptorChain): boolean {
    const { size, driver } = this.#config;
    const waiting = (this.#memory.readU16(driver + RING.IDX) - this.state.available) & 0xffff;
    if (waiting === 0) return false;
    if (waiting > size) throw new QueueError("more buffers are available than the queue holds");
    const head = this.#memory.readU16(driver + RING.ENTRIES + 2 * (this.state.available % size));
    this.#collect(head, into);
    this.state.available = (this.state.available + 1) & 0xffff;
    return true;
  }

  rewind(available: number): void {
    this.state.available = available;
  }

  push(chain: DescriptorChain, written: number): void {
    const { size, device } = this.#config;
    const entry = device + RING.ENTRIES + RING.USED_ENTRY_BYTES * (this.state.used % size);
    this.#memory.writeU32(entry, chain.id);
    this.#memory.writeU32(entry + 4, written);
    this.state.used = (this.state.used + 1) & 0xffff;
  }

  publish(): void {
    this.#memory.writeU16(this.#config.device + RING.IDX, this.state.used);
  }

  takeInterrupt(): boolean {
    const { driver, size, eventIdx } = this.#config;
    const { used, signalled } = this.state;
    if (used === signalled) return false;
    this.state.signalled = used;
    if (!eventIdx) return (this.#memory.readU16(driver + RING.FLAGS) & RING_F.NO_INTERRUPT) === 0;
    const event = this.#memory.readU16(driver + RING.ENTRIES + 2 * size);
    return ((used - event - 1) & 0xffff) < ((used - signalled) & 0xffff);
  }

  wantNotifications(wanted: boolean): void {
    const { device, size, eventIdx } = this.#config;
    if (!eventIdx) this.#memory.writeU16(device + RING.FLAGS, wanted ? 0 : RING_F.NO_NOTIFY);
    else if (wanted) {
      const event = device + RING.ENTRIES + RING.USED_ENTRY_BYTES * size;
      this.#memory.writeU16(event, this.state.available);
    }
  }

  /** Walks a chain from its head; an indirect table stands for the rest of it. */
  #collect(head: number, into: DescriptorChain): void {
    let table = this.#config.desc;
    let entries = this.#config.size;
    let index = head;
    into.clear();
    into.id = head;
    for (let steps = 0; ; steps++) {
      if (index >= entries || steps >= entries) throw new QueueError("a chain of descriptors leads nowhere");
      const at = table + index * DESC_BYTES;
      const flags = this.#memory.readU16(at + SPLIT_DESC.FLAGS);
      const length = this.#memory.readU32(at + SPLIT_DESC.LEN);
      const address = this.#memory.readU64(at + SPLIT_DESC.ADDR);
      if (flags & DESC_F.INDIRECT) {
        this.#checkIndirect(table, flags, length);
        [table, entries, index, steps] = [address, length / DESC_BYTES, 0, -1];
        continue;
      }
      into.add(address, length, (flags & DESC_F.WRITE) !== 0);
      if ((flags & DESC_F.NEXT) === 0) return;
      index = this.#memory.readU16(at + SPLIT_DESC.NEXT);
    }
  }

  #checkIndirect(table: number, flags: number, length: number): void {
    if (!this.#config.indirect || table !== this.#config.desc || flags & DESC_F.NEXT)
      throw new QueueError("an indirect descriptor is where none may be");
    if (length === 0 || length % DESC_BYTES !== 0) throw new QueueError("an indirect table has no whole descriptors");
  }
}
