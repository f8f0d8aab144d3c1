import { E820 } from "../spec/x86/e820.ts";
import { FOUR_GIB, LOW_MEMORY, PCI_HOLE } from "../spec/x86/low-memory.ts";

/** A range of guest-physical addresses: bytes `addr` to `addr + size - 1`. */
export interface MemoryRange {
  readonly addr: number;
  readonly size: number;
}

/** A range with its address range type (`E820.RAM`, ...). */
export interface MemoryMapEntry extends MemoryRange {
  readonly type: number;
}

/**
 * Where `memorySize` bytes of RAM are in guest-physical space: from 0 up to the PCI hole, the rest from 4 GiB on. These
 * are the memory slots of a PC; the map below says what the guest may use of them.
 */
export function ramRanges(memorySize: number): MemoryRange[] {
  const below = Math.min(memorySize, PCI_HOLE);
  const above = memorySize - below;
  return above > 0
    ? [
        { addr: 0, size: below },
        { addr: FOUR_GIB, size: above },
      ]
    : [{ addr: 0, size: below }];
}

/**
 * The system memory map of a PC with `memorySize` bytes of RAM (2 MiB or more), in ascending order. The legacy video
 * and option ROM area (640 KiB to 896 KiB) is left out, neither RAM nor reserved, so that a guest may give it to
 * devices. The ACPI tables lie in the reserved BIOS area.
 */
export function systemMemoryMap(memorySize: number): MemoryMapEntry[] {
  const extended = ramRanges(memorySize).map((ram) => from(ram, LOW_MEMORY.EXTENDED));
  return [
    { addr: 0, size: LOW_MEMORY.EBDA, type: E820.RAM },
    { addr: LOW_MEMORY.EBDA, size: LOW_MEMORY.VGA - LOW_MEMORY.EBDA, type: E820.RESERVED },
    { addr: LOW_MEMORY.BIOS, size: LOW_MEMORY.EXTENDED - LOW_MEMORY.BIOS, type: E820.RESERVED },
    ...extended.map((ram) => ({ ...ram, type: E820.RAM })),
  ];
}

/** The part of a range that is not below `addr`. */
function from(range: MemoryRange, addr: number): MemoryRange {
  const start = Math.max(range.addr, addr);
  return { addr: start, size: range.addr + range.size - start };
}
