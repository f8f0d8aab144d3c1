import { describe, expect, test } from "vitest";
import { E820 } from "../spec/x86/e820.ts";
import { ramRanges, systemMemoryMap } from "./memory-map.ts";

const MIB = 2 ** 20;
const GIB = 2 ** 30;

describe("the memory map", () => {
  test("of a small machine", () => {
    expect(ramRanges(32 * MIB)).toEqual([{ addr: 0, size: 32 * MIB }]);
    expect(systemMemoryMap(32 * MIB)).toEqual([
      { addr: 0, size: 0x9fc00, type: E820.RAM },
      { addr: 0x9fc00, size: 0x400, type: E820.RESERVED },
      { addr: 0xe0000, size: 0x20000, type: E820.RESERVED },
      { addr: MIB, size: 31 * MIB, type: E820.RAM },
    ]);
  });

  test("leaves the PCI hole free", () => {
    expect(ramRanges(3 * GIB)).toEqual([{ addr: 0, size: 3 * GIB }]);
    expect(ramRanges(3 * GIB + 4096)).toEqual([
      { addr: 0, size: 3 * GIB },
      { addr: 4 * GIB, size: 4096 },
    ]);
    const ram = systemMemoryMap(8 * GIB).filter((entry) => entry.type === E820.RAM);
    expect(ram.slice(1)).toEqual([
      { addr: MIB, size: 3 * GIB - MIB, type: E820.RAM },
      { addr: 4 * GIB, size: 5 * GIB, type: E820.RAM },
    ]);
  });
});
