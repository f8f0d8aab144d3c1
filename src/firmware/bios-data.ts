import type { GuestMemory } from "../memory/guest-memory.ts";
import { LOW_MEMORY } from "../spec/x86/low-memory.ts";

/** Writes what operating systems still read of the BIOS data area: where base memory ends and the EBDA begins. */
export function writeBiosDataArea(memory: GuestMemory): void {
  memory.writeU16(LOW_MEMORY.BDA_EBDA_SEGMENT, LOW_MEMORY.EBDA / 16);
  memory.writeU16(LOW_MEMORY.BDA_BASE_MEMORY_KIB, LOW_MEMORY.EBDA / 1024);
}
