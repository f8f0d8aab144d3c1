import { describe, expect, test } from "vitest";
import { UserError } from "../base/assert.ts";
import { systemMemoryMap } from "./memory-map.ts";
import { Placement } from "./placement.ts";

const MIB = 2 ** 20;

describe("Placement", () => {
  test("finds the lowest and the highest free place", () => {
    const placement = new Placement(systemMemoryMap(16 * MIB));
    placement.claim("the kernel", MIB, 4 * MIB);
    const lowest = { size: 0x1800, align: 0x1000, from: 2 * MIB, prefer: "lowest" } as const;
    expect(placement.place("a", lowest)).toBe(5 * MIB);
    expect(placement.place("b", lowest)).toBe(5 * MIB + 0x2000);
    expect(placement.place("c", { ...lowest, prefer: "highest" })).toBe(16 * MIB - 0x2000);
    expect(placement.place("d", { ...lowest, to: 8 * MIB, prefer: "highest" })).toBe(8 * MIB - 0x2000);
  });

  test("places nothing where there is no room", () => {
    const placement = new Placement(systemMemoryMap(16 * MIB));
    expect(placement.place("a", { size: 15 * MIB + 1, prefer: "lowest" })).toBeUndefined();
    expect(placement.place("b", { size: 0x800, from: 0x9f800, to: 0xfffff, prefer: "highest" })).toBeUndefined();
    expect(placement.place("c", { size: 15 * MIB, prefer: "lowest" })).toBe(MIB);
  });

  test.each([
    ["over the legacy hole", 0x9f000, 0x2000],
    ["over the top", 15 * MIB, MIB + 1],
    ["in the PCI hole", 0xc000_0000, 1],
    ["far away", 2 ** 52, 2 ** 52],
  ])("refuses a claim %s", (_, addr, size) => {
    expect(() => new Placement(systemMemoryMap(16 * MIB)).claim("the kernel", addr, size)).toThrow(UserError);
  });

  test("refuses a claim on top of another", () => {
    const placement = new Placement(systemMemoryMap(16 * MIB));
    placement.claim("the kernel", MIB, 0x1000);
    placement.claim("its neighbour", MIB + 0x1000, 0x1000);
    expect(() => placement.claim("the initrd", MIB + 0xfff, 1)).toThrow(/the initrd .* on top of the kernel/);
  });

  test("says how much memory a claim needs", () => {
    const placement = new Placement(systemMemoryMap(16 * MIB));
    const claim = () => placement.claim("the kernel", 16 * MIB, 40 * MIB);
    expect(claim).toThrow(expect.objectContaining({ remedy: "Give the machine at least 56 MiB of memory." }));
  });
});
