import { create } from "../base/struct-layout.ts";
import { kvm_userspace_memory_region } from "../spec/kvm/vm-struct.ts";
import type { GuestMemory } from "./guest-memory.ts";
import { type MemorySlot, MemorySlots } from "./memory-slot.ts";

/** Up to here a loop copies as fast as Uint8Array.set, and makes no view. */
const SHORT_COPY = 32;

/** GuestMemory over a table of memory slots. */
export class SlotMemory implements GuestMemory {
  readonly slots: MemorySlots;
  /** Called after every write through this object: the engine drops code it translated from those bytes. */
  onWrite: ((gpa: number, length: number) => void) | undefined;
  #bytes!: Uint8Array;
  #data!: DataView;
  /** The slot found last: devices go on where they were. */
  #last: MemorySlot | undefined;

  constructor(slots: MemorySlots) {
    this.slots = slots;
    slots.changed.listen(() => this.#attach());
    this.#attach();
  }

  /** The host memory may have grown since; growing a shared one leaves old views good, only short. */
  #attach(): void {
    this.#bytes = new Uint8Array(this.slots.host.buffer);
    this.#data = new DataView(this.slots.host.buffer);
    this.#last = undefined;
  }

  read(gpa: number, into: Uint8Array): void {
    const host = this.#host(gpa, into.length);
    if (host >= 0) copy(this.#bytes, host, into, 0, into.length);
    else this.#eachPiece(gpa, into.length, (at, done, length) => copy(this.#bytes, at, into, done, length));
  }

  write(gpa: number, from: Uint8Array): void {
    const host = this.#host(gpa, from.length);
    if (host >= 0) copy(from, 0, this.#bytes, host, from.length);
    else this.#eachPiece(gpa, from.length, (at, done, length) => copy(from, done, this.#bytes, at, length));
    this.written(gpa, from.length);
  }

  fill(gpa: number, length: number, value: number): void {
    this.#eachPiece(gpa, length, (at, _done, count) => this.#bytes.fill(value, at, at + count));
    this.written(gpa, length);
  }

  view(gpa: number, length: number): Uint8Array | undefined {
    const host = length < 0 ? -1 : this.#host(gpa, length);
    return host < 0 ? undefined : this.#bytes.subarray(host, host + length);
  }

  written(gpa: number, length: number): void {
    for (let at = gpa, end = gpa + length; at < end; ) {
      const slot = this.#find(at) ?? outside(gpa, length);
      const count = Math.min(end, slot.guestPhysAddr + slot.memorySize) - at;
      slot.dirtyLog?.mark(at - slot.guestPhysAddr, count);
      at += count;
    }
    this.onWrite?.(gpa, length);
  }

  contains(gpa: number, length: number): boolean {
    const end = gpa + length;
    if (!(gpa >= 0 && length >= 0)) return false;
    for (let at = gpa; at < end; ) {
      const slot = this.#find(at);
      if (!slot) return false;
      at = slot.guestPhysAddr + slot.memorySize;
    }
    return true;
  }

  readU8(gpa: number): number {
    return this.#bytes[this.#host(gpa, 1)] ?? outside(gpa, 1);
  }

  readU16(gpa: number): number {
    const host = this.#host(gpa, 2);
    return host >= 0 ? this.#data.getUint16(host, true) : this.readU8(gpa) | (this.readU8(gpa + 1) << 8);
  }

  readU32(gpa: number): number {
    const host = this.#host(gpa, 4);
    if (host >= 0) return this.#data.getUint32(host, true);
    return this.readU16(gpa) + this.readU16(gpa + 2) * 0x1_0000;
  }

  readU64(gpa: number): number {
    return this.readU32(gpa) + this.readU32(gpa + 4) * 0x1_0000_0000;
  }

  writeU8(gpa: number, value: number): void {
    const host = this.#host(gpa, 1);
    if (host < 0) outside(gpa, 1);
    this.#bytes[host] = value;
    this.written(gpa, 1);
  }

  writeU16(gpa: number, value: number): void {
    const host = this.#host(gpa, 2);
    if (host < 0) return this.#writeSplit(gpa, 2, value);
    this.#data.setUint16(host, value, true);
    this.written(gpa, 2);
  }

  writeU32(gpa: number, value: number): void {
    const host = this.#host(gpa, 4);
    if (host < 0) return this.#writeSplit(gpa, 4, value);
    this.#data.setUint32(host, value, true);
    this.written(gpa, 4);
  }

  writeU64(gpa: number, value: number): void {
    const host = this.#host(gpa, 8);
    if (host < 0) return this.#writeSplit(gpa, 8, value);
    this.#data.setUint32(host, value, true);
    this.#data.setUint32(host + 4, value / 0x1_0000_0000, true);
    this.written(gpa, 8);
  }

  /** A value across two slots, or outside them. */
  #writeSplit(gpa: number, length: number, value: number): void {
    const bytes = new DataView(new ArrayBuffer(8));
    bytes.setUint32(0, value, true);
    bytes.setUint32(4, value / 0x1_0000_0000, true);
    this.write(gpa, new Uint8Array(bytes.buffer, 0, length));
  }

  #find(gpa: number): MemorySlot | undefined {
    const last = this.#last;
    if (last && gpa >= last.guestPhysAddr && gpa < last.guestPhysAddr + last.memorySize) return last;
    const slot = this.slots.find(gpa);
    if (slot) this.#last = slot;
    return slot;
  }

  /** Offset in the host memory of a range that lies in one slot; -1 if it does not. */
  #host(gpa: number, length: number): number {
    const slot = this.#find(gpa);
    if (!slot || gpa + length > slot.guestPhysAddr + slot.memorySize) return -1;
    return slot.userspaceAddr + gpa - slot.guestPhysAddr;
  }

  #eachPiece(gpa: number, length: number, act: (host: number, done: number, length: number) => void): void {
    if (!this.contains(gpa, length)) outside(gpa, length);
    for (let done = 0; done < length; ) {
      const slot = this.#find(gpa + done) ?? outside(gpa, length);
      const offset = gpa + done - slot.guestPhysAddr;
      const count = Math.min(length - done, slot.memorySize - offset);
      act(slot.userspaceAddr + offset, done, count);
      done += count;
    }
  }
}

/** Memory of one slot, outside any VM: for tests and tools. `size` and `gpa` are multiples of 4096. */
export function createFlatMemory(size: number, gpa = 0): SlotMemory {
  const slots = new MemorySlots({ buffer: new ArrayBuffer(size) });
  const region = create(kvm_userspace_memory_region, { guest_phys_addr: gpa, memory_size: size });
  if (slots.set(region) !== 0) throw new RangeError(`no memory slot of ${size} bytes at ${gpa}`);
  return new SlotMemory(slots);
}

function outside(gpa: number, length: number): never {
  throw new RangeError(`${length} bytes at guest-physical 0x${gpa.toString(16)} are not in memory`);
}

function copy(from: Uint8Array, fromOffset: number, to: Uint8Array, toOffset: number, length: number): void {
  if (length > SHORT_COPY) return to.set(from.subarray(fromOffset, fromOffset + length), toOffset);
  for (let index = 0; index < length; index++) to[toOffset + index] = from[fromOffset + index]!;
}
