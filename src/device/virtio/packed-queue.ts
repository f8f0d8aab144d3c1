import type { GuestMemory } from "../../memory/guest-memory.ts";
import { DESC_BYTES, DESC_F, EVENT, EVENT_FLAGS, PACKED_DESC } from "../../spec/virtio/virtio.ts";
import { type DescriptorChain, QueueError } from "./descriptor-chain.ts";
import type { QueueConfig, QueueState, Virtqueue } from "./virtqueue.ts";

/** The wrap counter in a place of the ring. */
const WRAP = 0x8000;
const PLACE = 0x7fff;

/** A queue of one ring of descriptors that both sides write to. [virtio 1.2 2.8] */
export class PackedQueue implements Virtqueue {
  readonly state: QueueState;
  readonly #memory: GuestMemory;
  readonly #config: QueueConfig;
  /** The first descriptor given back that the driver does not see yet, and its flags. */
  #unpublished = -1;
  #unpublishedFlags = 0;

  constructor(
    memory: GuestMemory,
    config: QueueConfig,
    state: QueueState = { available: WRAP, used: WRAP, signalled: WRAP },
  ) {
    this.#memory = memory;
    this.#config = config;
    this.state = { ...state };
  }

  pop(into: DescriptorChain): boolean {
    const { desc } = this.#config;
    const first = desc + (this.state.available & PLACE) * DESC_BYTES;
    if (!this.#isAvailable(this.#memory.readU16(first + PACKED_DESC.FLAGS))) return false;
    into.clear();
    let place = this.state.available;
    for (let more = true; more; ) {
      if (into.descriptors >= this.#config.size) throw new QueueError("a chain of descriptors has no end");
      const at = desc + (place & PLACE) * DESC_BYTES;
      const flags = this.#memory.readU16(at + PACKED_DESC.FLAGS);
      this.#addDescriptor(at, flags, into);
      into.id = this.#memory.readU16(at + PACKED_DESC.ID);
      into.descriptors++;
      place = this.#advance(place, 1);
      more = (flags & DESC_F.NEXT) !== 0;
    }
    this.state.available = place;
    return true;
  }

  rewind(available: number): void {
    this.state.available = available;
  }

  push(chain: DescriptorChain, written: number): void {
    const at = this.#config.desc + (this.state.used & PLACE) * DESC_BYTES;
    const wrap = (this.state.used & WRAP) !== 0;
    this.#memory.writeU16(at + PACKED_DESC.ID, chain.id);
    this.#memory.writeU32(at + PACKED_DESC.LEN, written);
    const flags = (wrap ? DESC_F.AVAIL | DESC_F.USED : 0) | (written > 0 ? DESC_F.WRITE : 0);
    // the driver stops at the first that is not given back, so that one comes last
    if (this.#unpublished < 0) [this.#unpublished, this.#unpublishedFlags] = [at, flags];
    else this.#memory.writeU16(at + PACKED_DESC.FLAGS, flags);
    this.state.used = this.#advance(this.state.used, chain.descriptors);
  }

  publish(): void {
    if (this.#unpublished >= 0) this.#memory.writeU16(this.#unpublished + PACKED_DESC.FLAGS, this.#unpublishedFlags);
    this.#unpublished = -1;
  }

  takeInterrupt(): boolean {
    const { driver, eventIdx, size } = this.#config;
    const { used, signalled } = this.state;
    if (used === signalled) return false;
    this.state.signalled = used;
    const flags = this.#memory.readU16(driver + EVENT.FLAGS) & EVENT_FLAGS.MASK;
    if (flags !== EVENT_FLAGS.DESC || !eventIdx) return flags !== EVENT_FLAGS.DISABLE;
    const event = this.#memory.readU16(driver + EVENT.DESC);
    const passed = this.#distance(signalled, used, size);
    return this.#distance(signalled, event, size) < passed;
  }

  wantNotifications(wanted: boolean): void {
    const { device, eventIdx } = this.#config;
    if (wanted && eventIdx) this.#memory.writeU16(device + EVENT.DESC, this.state.available);
    const flags = wanted ? (eventIdx ? EVENT_FLAGS.DESC : EVENT_FLAGS.ENABLE) : EVENT_FLAGS.DISABLE;
    this.#memory.writeU16(device + EVENT.FLAGS, flags);
  }

  /** The driver's flag has the value of its wrap counter, the device's has not. [virtio 1.2 2.8.1] */
  #isAvailable(flags: number): boolean {
    const wrap = (this.state.available & WRAP) !== 0;
    return ((flags & DESC_F.AVAIL) !== 0) === wrap && ((flags & DESC_F.USED) !== 0) !== wrap;
  }

  #addDescriptor(at: number, flags: number, into: DescriptorChain): void {
    const address = this.#memory.readU64(at + PACKED_DESC.ADDR);
    const length = this.#memory.readU32(at + PACKED_DESC.LEN);
    if ((flags & DESC_F.INDIRECT) === 0) return into.add(address, length, (flags & DESC_F.WRITE) !== 0);
    if (!this.#config.indirect || into.count > 0 || flags & DESC_F.NEXT)
      throw new QueueError("an indirect descriptor is where none may be");
    if (length === 0 || length % DESC_BYTES !== 0) throw new QueueError("an indirect table has no whole descriptors");
    for (let entry = address; entry < address + length; entry += DESC_BYTES) {
      const entryFlags = this.#memory.readU16(entry + PACKED_DESC.FLAGS);
      const size = this.#memory.readU32(entry + PACKED_DESC.LEN);
      into.add(this.#memory.readU64(entry + PACKED_DESC.ADDR), size, (entryFlags & DESC_F.WRITE) !== 0);
    }
  }

  /** A place some descriptors further on; the wrap counter changes at the ring's end. */
  #advance(place: number, count: number): number {
    const next = (place & PLACE) + count;
    const { size } = this.#config;
    return next < size ? (place & WRAP) | next : ((place & WRAP) ^ WRAP) | (next - size);
  }

  /** How many descriptors lie from one place to another, over at most two rounds. */
  #distance(from: number, to: number, size: number): number {
    const rounds = ((from ^ to) & WRAP) !== 0 ? size : 0;
    const distance = (to & PLACE) - (from & PLACE) + rounds;
    return distance < 0 ? distance + 2 * size : distance;
  }
}
