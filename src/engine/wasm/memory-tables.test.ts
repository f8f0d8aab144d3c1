import { expect, test } from "vitest";
import { create } from "../../base/struct-layout.ts";
import { MAX_SLOTS, PAGE_FLAG, SLOT, SLOT_SIZE } from "../../isa/state.ts";
import { MemorySlots } from "../../memory/memory-slot.ts";
import { KVM_MEM_LOG_DIRTY_PAGES, kvm_userspace_memory_region } from "../../spec/kvm/vm-struct.ts";
import { MemoryTables, tablesBytes } from "./memory-tables.ts";

const PAGE = 0x1000;
const SIZE = 0x4_0000;
const AT = PAGE;

function tables(): { tables: MemoryTables; slots: MemorySlots; view: DataView } {
  const buffer = new ArrayBuffer(SIZE);
  const slots = new MemorySlots({ buffer });
  const made = new MemoryTables(buffer, AT);
  slots.changed.listen(() => made.update(slots.all));
  return { tables: made, slots, view: new DataView(buffer) };
}

function set(slots: MemorySlots, slot: number, gpa: number, size: number, host: number, flags = 0): void {
  const region = { slot, flags, guest_phys_addr: gpa, memory_size: size, userspace_addr: host };
  expect(slots.set(create(kvm_userspace_memory_region, region))).toBe(0);
}

const flagsOf = ({ tables: { pageFlags }, view }: ReturnType<typeof tables>, host: number) =>
  view.getUint8(pageFlags + host / PAGE);

test("there is room for the slots and a byte a page", () => {
  expect(tablesBytes(SIZE)).toBeGreaterThanOrEqual(MAX_SLOTS * SLOT_SIZE + SIZE / PAGE);
  expect(tablesBytes(SIZE) % PAGE).toBe(0);
});

test("the largest slot comes first; addresses may be above 4 GiB", () => {
  const all = tables();
  set(all.slots, 0, 0, PAGE, 0x2_0000);
  set(all.slots, 1, 0x1234_0000_5000, 3 * PAGE, 0x2_4000);
  expect(all.tables.slotCount).toBe(2);
  const at = all.tables.slots;
  expect(all.view.getBigUint64(at + SLOT.firstPage, true)).toBe(0x1234_0000_5n);
  expect(all.view.getBigUint64(at + SLOT.pages, true)).toBe(3n);
  expect(all.view.getUint32(at + SLOT.host, true)).toBe(0x2_4000);
  expect(all.view.getUint32(at + SLOT_SIZE + SLOT.host, true)).toBe(0x2_0000);
});

test("pages of a logged slot are watched until they are written, and again when the log was read", () => {
  const all = tables();
  set(all.slots, 0, 0x10_0000, 2 * PAGE, 0x2_0000, KVM_MEM_LOG_DIRTY_PAGES);
  const log = all.slots.get(0)!.dirtyLog!;
  expect([flagsOf(all, 0x2_0000), flagsOf(all, 0x2_1000), flagsOf(all, 0x2_2000)]).toEqual([
    PAGE_FLAG.logDirty,
    PAGE_FLAG.logDirty,
    0,
  ]);
  all.tables.hostWrote(0x2_1000 / PAGE);
  all.tables.collectDirty();
  expect([flagsOf(all, 0x2_1000), log.bitmap[0]]).toEqual([0, 2]);
  all.tables.arm(all.slots.get(0)!);
  expect(flagsOf(all, 0x2_1000)).toBe(PAGE_FLAG.logDirty);
  set(all.slots, 0, 0x10_0000, 2 * PAGE, 0x2_0000);
  expect(flagsOf(all, 0x2_0000)).toBe(0);
});

test("a page that stands in two slots is dirty in both", () => {
  const all = tables();
  set(all.slots, 0, 0, PAGE, 0x2_0000, KVM_MEM_LOG_DIRTY_PAGES);
  set(all.slots, 1, 0x10_0000, 2 * PAGE, 0x1_f000, KVM_MEM_LOG_DIRTY_PAGES);
  all.tables.hostWrote(0x2_0000 / PAGE);
  all.tables.collectDirty();
  expect([all.slots.get(0)!.dirtyLog!.bitmap[0], all.slots.get(1)!.dirtyLog!.bitmap[0]]).toEqual([1, 2]);
});

test("flags of code stay when the slots change", () => {
  const all = tables();
  all.view.setUint8(all.tables.pageFlags + 0x20, PAGE_FLAG.code);
  set(all.slots, 0, 0, PAGE, 0x2_0000, KVM_MEM_LOG_DIRTY_PAGES);
  set(all.slots, 0, 0, PAGE, 0x2_0000);
  expect(flagsOf(all, 0x2_0000)).toBe(PAGE_FLAG.code);
});
