import type { MemorySlots } from "../../memory/memory-slot.ts";
import type { MemoryTables } from "./memory-tables.ts";
import type { VcpuGroup } from "./vcpu-group.ts";

const PAGE = 0x1000;

/** Writes of this thread's JavaScript to guest memory: decoded code goes, dirty logs learn of them. */
export class HostWrites {
  readonly #slots: MemorySlots;
  readonly #tables: MemoryTables;
  readonly #group: VcpuGroup;

  constructor(slots: MemorySlots, tables: MemoryTables, group: VcpuGroup) {
    this.#slots = slots;
    this.#tables = tables;
    this.#group = group;
  }

  /** Bytes of guest-physical memory were written; all are in slots. */
  note(gpa: number, length: number): void {
    for (let at = gpa; at < gpa + length; ) {
      const slot = this.#slots.find(at)!;
      const offset = at - slot.guestPhysAddr;
      const end = Math.min(slot.memorySize, offset + gpa + length - at);
      this.#notePages(slot.userspaceAddr + offset, slot.userspaceAddr + end);
      at = slot.guestPhysAddr + end;
    }
  }

  #notePages(start: number, end: number): void {
    const last = Math.floor((end - 1) / PAGE);
    for (let page = Math.floor(start / PAGE); page <= last; page++) {
      this.#tables.hostWrote(page);
      if (this.#group.hasCode(page)) this.#group.codeWritten(page);
    }
  }
}
