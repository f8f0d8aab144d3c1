import {
  CMOS_BASE_MEMORY_KB,
  CMOS_EXTENDED_MEMORY_KB,
  CMOS_EXTENDED_MEMORY_KB_FOUND,
  CMOS_MEMORY_ABOVE_4G,
  CMOS_MEMORY_ABOVE_16M,
} from "../spec/mc146818.ts";
import { PCI_HOLE } from "../spec/x86/low-memory.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const BASE_MEMORY_KB = 640;

/** The bytes of CMOS RAM by which a BIOS or kernel learns of `memorySize` bytes of RAM. */
export function cmosContents(memorySize: number): Map<number, number> {
  const below = Math.min(memorySize, PCI_HOLE);
  const bytes = new Map<number, number>();
  const put = (addresses: readonly number[], value: number) => {
    addresses.forEach((address, index) => {
      bytes.set(address, Math.floor(value / 2 ** (8 * index)) % 256);
    });
  };
  const extended = word((below - MIB) / KIB);
  put(CMOS_BASE_MEMORY_KB, BASE_MEMORY_KB);
  put(CMOS_EXTENDED_MEMORY_KB, extended);
  put(CMOS_EXTENDED_MEMORY_KB_FOUND, extended);
  put(CMOS_MEMORY_ABOVE_16M, word((below - 16 * MIB) / (64 * KIB)));
  put(CMOS_MEMORY_ABOVE_4G, Math.floor((memorySize - below) / (64 * KIB)));
  return bytes;
}

/** What fits in two bytes. */
function word(value: number): number {
  return Math.min(Math.max(Math.floor(value), 0), 0xffff);
}
