import { create } from "../../base/struct-layout.ts";
import { MAX_SLOTS, PAGE_FLAG, SLOT, SLOT_SIZE } from "../../isa/state.ts";
import type { MemorySlot } from "../../memory/memory-slot.ts";
import {
  KVM_MEM_LOG_DIRTY_PAGES,
  type KvmUserspaceMemoryRegion,
  kvm_userspace_memory_region,
} from "../../spec/kvm/vm-struct.ts";

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
    this.collectDirty();
    for (const slot of this.#current) this.#setFlags(slot, PAGE_FLAG.logDirty, 0);
    this.#current = [...slots].sort((a, b) => b.memorySize - a.memorySize);
    for (const [n, slot] of this.#current.entries()) this.#write(this.slots + n * SLOT_SIZE, slot);
    this.slotCount = slots.length;
  }

  /** Arms the dirty log of a slot: the first write to each page is noticed. */
  arm(slot: MemorySlot): void {
    this.#setFlags(slot, 0, PAGE_FLAG.logDirty);
  }

  /** Arms it for one page of the slot. */
  armPage(slot: MemorySlot, page: number): void {
    Atomics.or(this.#flags, slot.userspaceAddr / PAGE + page, PAGE_FLAG.logDirty);
  }

  /** Brings to the logs which of their pages were written. */
  collectDirty(): void {
    for (const { dirtyLog, userspaceAddr, memorySize } of this.#current) {
      const end = (userspaceAddr + memorySize) / PAGE;
      for (let page = userspaceAddr / PAGE; dirtyLog && page < end; page++)
        if (this.#flags[page]! & PAGE_FLAG.dirtied) this.#collect(page);
    }
  }

  /** The host wrote to a page: notes that for the logs. */
  hostWrote(hostPage: number): void {
    if (!(this.#flags[hostPage]! & PAGE_FLAG.logDirty)) return;
    Atomics.or(this.#flags, hostPage, PAGE_FLAG.dirtied);
    Atomics.and(this.#flags, hostPage, ~PAGE_FLAG.logDirty);
  }

  /** The slots that another thread wrote to the tables, as KVM_SET_USER_MEMORY_REGION takes them; `count` of them. */
  regions(count: number): KvmUserspaceMemoryRegion[] {
    return Array.from({ length: count }, (_, slot) => {
      const at = this.slots + slot * SLOT_SIZE;
      const word = (field: number) => this.#view.getUint32(at + field, true);
      return create(kvm_userspace_memory_region, {
        slot,
        flags: word(SLOT.flags) & ~KVM_MEM_LOG_DIRTY_PAGES,
        guest_phys_addr: (word(SLOT.firstPage) + word(SLOT.firstPage + 4) * 0x1_0000_0000) * PAGE,
        memory_size: word(SLOT.pages) * PAGE,
        userspace_addr: word(SLOT.host),
      });
    });
  }

  /** A page is dirty wherever it stands. */
  #collect(hostPage: number): void {
    Atomics.and(this.#flags, hostPage, ~PAGE_FLAG.dirtied);
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
    for (let page = first; page < end; page++) {
      if (clear) Atomics.and(this.#flags, page, ~clear);
      if (set) Atomics.or(this.#flags, page, set);
    }
  }
}
