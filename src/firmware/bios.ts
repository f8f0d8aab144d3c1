import { UserError } from "../base/assert.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import { FOUR_GIB, LOW_MEMORY } from "../spec/x86/low-memory.ts";
import type { MemoryRange } from "./memory-map.ts";

/** What a BIOS begins with is code of the reset vector's segment, so its size is a multiple of this. */
const UNIT = 0x1_0000;
/** The engine's own pages lie below. */
const LARGEST = 0x4_0000;
/** Where a BIOS lies: its end is the end of the first 4 GiB, where processors begin. Throws UserError if it is none. */
export function biosRange(bios: Uint8Array, name: string): MemoryRange {
  const size = bios.length;
  if (size > 0 && size % UNIT === 0 && size <= LARGEST) return { addr: FOUR_GIB - size, size };
  throw new UserError(
    `${name} is no firmware: it has ${size} bytes`,
    "Give a PC BIOS of 64 to 256 KiB, such as SeaBIOS's bios-256k.bin.",
  );
}

/** Puts a BIOS in its memory slot, and once more below 1 MiB, in RAM: there is no chip that copies or unlocks it. */
export function writeBios(memory: GuestMemory, bios: Uint8Array, range: MemoryRange): void {
  memory.write(range.addr, bios);
  memory.write(LOW_MEMORY.EXTENDED - bios.length, bios);
}
