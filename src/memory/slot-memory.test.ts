import { describe, expect, test } from "vitest";
import { create } from "../base/struct-layout.ts";
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY, kvm_userspace_memory_region } from "../spec/kvm/vm-struct.ts";
import { MemorySlots } from "./memory-slot.ts";
import { createFlatMemory, SlotMemory } from "./slot-memory.ts";

/** Two slots that touch at 0x2000 but are swapped in the host memory, and one alone at 1 GiB. */
function threeSlots() {
  const slots = new MemorySlots({ buffer: new SharedArrayBuffer(0x5000) });
  const flags = KVM_MEM_LOG_DIRTY_PAGES;
  const regions = [
    { slot: 0, flags, guest_phys_addr: 0, memory_size: 0x2000, userspace_addr: 0x2000 },
    { slot: 1, flags, guest_phys_addr: 0x2000, memory_size: 0x2000, userspace_addr: 0 },
    {
      slot: 2,
      flags: KVM_MEM_READONLY,
      guest_phys_addr: 0x4000_0000,
      memory_size: 0x1000,
      userspace_addr: 0x4000,
    },
  ];
  for (const region of regions) expect(slots.set(create(kvm_userspace_memory_region, region))).toBe(0);
  return new SlotMemory(slots);
}

function dirtyPages(memory: SlotMemory, slot: number): number {
  const bitmap = new Uint8Array(8);
  memory.slots.get(slot)?.dirtyLog?.take(bitmap);
  return bitmap[0]!;
}

describe("SlotMemory", () => {
  test("reads back what was written, in every width", () => {
    const memory = threeSlots();
    memory.writeU64(0x100, 0x1f_8765_4321_fedc);
    expect(memory.readU64(0x100)).toBe(0x1f_8765_4321_fedc);
    expect(memory.readU32(0x100)).toBe(0x4321_fedc);
    expect(memory.readU32(0x104)).toBe(0x001f_8765);
    expect(memory.readU16(0x100)).toBe(0xfedc);
    expect(memory.readU8(0x101)).toBe(0xfe);
    memory.writeU32(0x200, 0xffff_ffff);
    memory.writeU16(0x201, 0x1234);
    memory.writeU8(0x203, 0x56);
    expect(memory.readU32(0x200)).toBe(0x5612_34ff);
  });

  test("an access may span slots that touch", () => {
    const memory = threeSlots();
    for (const gpa of [0x1ff9, 0x1ffc, 0x1ffe, 0x1fff]) {
      memory.writeU64(gpa, 0x0b_0a09_0807_0605);
      expect(memory.readU64(gpa)).toBe(0x0b_0a09_0807_0605);
    }
    memory.writeU32(0x1ffd, 0x8765_4321);
    expect(memory.readU32(0x1ffd)).toBe(0x8765_4321);
    memory.writeU16(0x1fff, 0xbeef);
    expect([memory.readU8(0x1fff), memory.readU8(0x2000), memory.readU16(0x1fff)]).toEqual([0xef, 0xbe, 0xbeef]);
    const data = Uint8Array.from({ length: 0x1800 }, (_, index) => index * 7);
    memory.write(0x1400, data);
    const back = new Uint8Array(data.length);
    memory.read(0x1400, back);
    expect(back).toEqual(data);
    expect(memory.view(0x1400, 0x1800)).toBeUndefined();
    expect(memory.view(0x1400, 0xc00)).toEqual(data.subarray(0, 0xc00));
  });

  test.each([
    [-1, 1],
    [0x4000, 1],
    [0x3fff, 2],
    [0x3ffd, 4],
    [0x3ff9, 8],
    [0x3fff_ffff, 2],
    [0x4000_0fff, 2],
    [2 ** 52, 4],
    [Number.NaN, 4],
  ])("refuses gpa %d, %d bytes, and changes nothing", (gpa, length) => {
    const memory = threeSlots();
    memory.fill(0, 0x4000, 0xaa);
    expect(memory.contains(gpa, length)).toBe(false);
    expect(memory.view(gpa, length)).toBeUndefined();
    expect(() => memory.read(gpa, new Uint8Array(length))).toThrow(RangeError);
    expect(() => memory.write(gpa, new Uint8Array(length))).toThrow(RangeError);
    expect(() => memory.fill(gpa, length, 0)).toThrow(RangeError);
    expect(() => (length === 8 ? memory.readU64(gpa) : memory.readU32(gpa))).toThrow(RangeError);
    expect(() => (length === 8 ? memory.writeU64(gpa, 0) : memory.writeU32(gpa, 0))).toThrow(RangeError);
    expect(memory.view(0x2000, 0x2000)).toEqual(new Uint8Array(0x2000).fill(0xaa));
  });

  test("negative lengths are no range", () => {
    const memory = threeSlots();
    expect(memory.contains(0, -1)).toBe(false);
    expect(memory.view(0x100, -4)).toBeUndefined();
    expect(() => memory.fill(0x100, -4, 0)).toThrow(RangeError);
  });

  test("writes mark the dirty log and call the hook; reads do neither", () => {
    const memory = threeSlots();
    const calls: [number, number][] = [];
    memory.onWrite = (gpa, length) => calls.push([gpa, length]);
    memory.readU32(0x1ffe);
    expect([dirtyPages(memory, 0), dirtyPages(memory, 1), calls]).toEqual([0, 0, []]);
    memory.writeU32(0x1ffe, 1);
    expect(calls).toEqual([[0x1ffe, 4]]);
    expect([dirtyPages(memory, 0), dirtyPages(memory, 1)]).toEqual([0b10, 0b01]);
    memory.view(0x3000, 4)!.fill(9);
    expect(dirtyPages(memory, 1)).toBe(0);
    memory.written(0x3000, 4);
    expect(dirtyPages(memory, 1)).toBe(0b10);
  });

  test("the host writes to a read-only slot", () => {
    const memory = threeSlots();
    memory.writeU32(0x4000_0000, 0x55aa);
    expect(memory.readU32(0x4000_0000)).toBe(0x55aa);
  });

  test("a slot taken away is gone", () => {
    const memory = threeSlots();
    memory.slots.set(create(kvm_userspace_memory_region, { slot: 0 }));
    expect(() => memory.readU8(0)).toThrow(RangeError);
    expect(memory.contains(0x2000, 0x2000)).toBe(true);
  });

  test("flat memory is one slot", () => {
    const memory = createFlatMemory(0x1000, 0x1000);
    expect([memory.contains(0xfff, 1), memory.contains(0x1000, 0x1000), memory.contains(0x1000, 0x1001)]).toEqual([
      false,
      true,
      false,
    ]);
    expect(() => createFlatMemory(100)).toThrow(RangeError);
  });
});
