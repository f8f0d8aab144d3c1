import { MAX_SLOTS, PAGE_FLAG, SLOT, SLOT_SIZE } from "../../isa/state.ts";
import type { MemorySlot } from "../../memory/memory-slot.ts";

const PAGE = 0x1000;

/** Bytes that the tables take for a memory of `size` bytes. */
export function tablesBytes(size: number): number {
  return Math.ceil((MAX_SLOTS * SLOT_SIZE + size / PAGE) / PAGE) * PAGE;
}

/** The memory slots and what is noted for each host page, as the helper library reads them in linear memory. */
export class MemoryTables {
  /** Addresses of the two tables. */
  readonly slots: number;
  readonly pageFlags: number;
  slotCount = 0;
  readonly #view: DataView;
  readonly #flags: Uint8Array;
  #current: readonly MemorySlot[] = [];

  constructor(buffer: ArrayBuffer | SharedArrayBuffer, at: number) {
    this.slots = at;
    this.pageFlags = at + MAX_SLOTS * SLOT_SIZE;
    this.#view = new DataView(buffer);
    this.#flags = new Uint8Array(buffer, this.pageFlags, buffer.byteLength / PAGE);
  }

  /** Rewrites the tables after a change of the slots; the largest slot comes first, since it is asked for most. */
  update(slots: readonly MemorySlot[]): void {
    if (slots.length > MAX_SLOTS) throw new RangeError(`${slots.length} memory slots are more than ${MAX_SLOTS}`);
    for (const slot of this.#current) this.#setFlags(slot, PAGE_FLAG.logDirty, 0);
    this.#current = [...slots].sort((a, b) => b.memorySize - a.memorySize);
    for (const [n, slot] of this.#current.entries()) this.#write(this.slots + n * SLOT_SIZE, slot);
    this.slotCount = slots.length;
  }

  /** Arms the dirty log of a slot: the first write to each page is noticed. */
  arm(slot: MemorySlot): void {
    this.#setFlags(slot, 0, PAGE_FLAG.logDirty);
  }

  /** A page of a logged slot was written: it is dirty wherever it stands. */
  pageDirtied(hostPage: number): void {
    this.#flags[hostPage]! &= ~PAGE_FLAG.logDirty;
    for (const { dirtyLog, userspaceAddr, memorySize } of this.#current) {
      const offset = hostPage * PAGE - userspaceAddr;
      if (offset >= 0 && offset < memorySize) dirtyLog?.mark(offset, 1);
    }
  }

  #write(at: number, slot: MemorySlot): void {
    const first = slot.guestPhysAddr / PAGE;
    this.#view.setUint32(at + SLOT.firstPage, first >>> 0, true);
    this.#view.setUint32(at + SLOT.firstPage + 4, Math.floor(first / 0x1_0000_0000), true);
    this.#view.setUint32(at + SLOT.pages, slot.memorySize / PAGE, true);
    this.#view.setUint32(at + SLOT.pages + 4, 0, true);
    this.#view.setUint32(at + SLOT.host, slot.userspaceAddr, true);
    this.#view.setUint32(at + SLOT.flags, slot.flags, true);
    if (slot.dirtyLog) this.arm(slot);
  }

  #setFlags(slot: MemorySlot, clear: number, set: number): void {
    const first = slot.userspaceAddr / PAGE;
    const end = first + slot.memorySize / PAGE;
    for (let page = first; page < end; page++) this.#flags[page] = (this.#flags[page]! & ~clear) | set;
  }
}
