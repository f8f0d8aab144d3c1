import { describe, expect, test } from "vitest";
import { create } from "../base/struct-layout.ts";
import { EEXIST, EINVAL } from "../spec/kvm/errno.ts";
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY, kvm_userspace_memory_region } from "../spec/kvm/vm-struct.ts";
import { MAX_MEMORY_SLOTS, MemorySlots } from "./memory-slot.ts";

const HOST_SIZE = 0x10_0000;

function region(slot: number, guest_phys_addr: number, memory_size: number, userspace_addr = 0, flags = 0) {
  return create(kvm_userspace_memory_region, { slot, guest_phys_addr, memory_size, userspace_addr, flags });
}

function table(...regions: ReturnType<typeof region>[]) {
  const slots = new MemorySlots({ buffer: new SharedArrayBuffer(HOST_SIZE) });
  for (const one of regions) expect(slots.set(one)).toBe(0);
  return slots;
}

describe("KVM_SET_USER_MEMORY_REGION's rules", () => {
  test("slots are found by address and by number", () => {
    const slots = table(region(1, 0x10_0000, 0x4000), region(0, 0, 0x2000, 0x4000));
    expect(slots.all.map((slot) => slot.slot)).toEqual([0, 1]);
    expect(slots.find(0x1fff)?.slot).toBe(0);
    expect(slots.find(0x2000)).toBeUndefined();
    expect(slots.find(0x10_0000)?.slot).toBe(1);
    expect(slots.get(0)).toMatchObject({ guestPhysAddr: 0, memorySize: 0x2000, userspaceAddr: 0x4000 });
  });

  test.each([
    ["slot number", region(MAX_MEMORY_SLOTS, 0, 0x1000)],
    ["unknown flag", region(0, 0, 0x1000, 0, 4)],
    ["address not on a page", region(0, 0x800, 0x1000)],
    ["size not whole pages", region(0, 0, 0x1001)],
    ["host address not on a page", region(0, 0, 0x1000, 8)],
    ["beyond the host memory", region(0, 0, 0x1000, HOST_SIZE)],
    ["beyond 2^53", region(0, 2 ** 53, 0x1000)],
    ["end beyond 2^53", region(0, 2 ** 53 - 0x1000, 0x1000)],
    ["deleting what is not there", region(7, 0, 0)],
  ])("EINVAL: %s", (_name, bad) => {
    const slots = table(region(3, 0x8000, 0x1000));
    expect(slots.set(bad)).toBe(EINVAL);
    expect(slots.all.length).toBe(1);
  });

  test.each([
    [0x1000, 0x1000],
    [0x0, 0x2000],
    [0x2000, 0x2000],
    [0x0, 0x8000],
  ])("EEXIST: 0x%s + 0x%s overlaps 0x1000-0x3000", (start, size) => {
    const slots = table(region(0, 0x1000, 0x2000));
    expect(slots.set(region(1, start, size))).toBe(EEXIST);
    expect(slots.get(1)).toBeUndefined();
  });

  test("neighbours that touch are no overlap", () => {
    expect(table(region(0, 0x1000, 0x1000), region(1, 0x2000, 0x1000), region(2, 0, 0x1000)).all.length).toBe(3);
  });

  test("two slots may show the same host memory", () => {
    expect(table(region(0, 0, 0x1000, 0), region(1, 0x1000, 0x1000, 0)).all.length).toBe(2);
  });

  test("a slot moves, also over itself, but not onto another", () => {
    const slots = table(region(0, 0, 0x3000), region(1, 0x8000, 0x1000));
    expect(slots.set(region(0, 0x1000, 0x3000))).toBe(0);
    expect([slots.find(0)?.slot, slots.find(0x3fff)?.slot]).toEqual([undefined, 0]);
    expect(slots.set(region(0, 0x7000, 0x3000))).toBe(EEXIST);
    expect(slots.find(0x1000)?.slot).toBe(0);
  });

  test("size, host address and READONLY of a slot do not change", () => {
    const slots = table(region(0, 0, 0x2000));
    expect(slots.set(region(0, 0, 0x1000))).toBe(EINVAL);
    expect(slots.set(region(0, 0, 0x2000, 0x1000))).toBe(EINVAL);
    expect(slots.set(region(0, 0, 0x2000, 0, KVM_MEM_READONLY))).toBe(EINVAL);
    expect(slots.get(0)).toMatchObject({ memorySize: 0x2000, userspaceAddr: 0, flags: 0 });
  });

  test("size 0 deletes; then the place is free", () => {
    const slots = table(region(0, 0, 0x2000));
    expect(slots.set(region(0, 0, 0))).toBe(0);
    expect(slots.all).toEqual([]);
    expect(slots.set(region(1, 0, 0x1000, 0, KVM_MEM_READONLY))).toBe(0);
  });

  test("the dirty log comes and goes with its flag, and stays over a move", () => {
    const slots = table(region(0, 0, 0x41000));
    expect(slots.get(0)?.dirtyLog).toBeUndefined();
    slots.set(region(0, 0, 0x41000, 0, KVM_MEM_LOG_DIRTY_PAGES));
    const log = slots.get(0)?.dirtyLog;
    expect([log?.pages, log?.bitmap.length]).toEqual([65, 4]);
    slots.set(region(0, 0x1000, 0x41000, 0, KVM_MEM_LOG_DIRTY_PAGES));
    expect(slots.get(0)?.dirtyLog).toBe(log);
    slots.set(region(0, 0x1000, 0x41000));
    expect(slots.get(0)?.dirtyLog).toBeUndefined();
  });

  test("changes are announced, refusals are not", () => {
    const slots = table();
    let changes = 0;
    slots.changed.listen(() => changes++);
    slots.set(region(0, 0, 0x1000));
    slots.set(region(0, 0, 0x800));
    slots.set(region(0, 0, 0));
    expect(changes).toBe(2);
  });
});
