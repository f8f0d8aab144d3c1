import type { GuestMemory } from "../memory/guest-memory.ts";
import type { BootModule } from "./boot-request.ts";
import { zeroTerminated } from "./bytes.ts";
import type { MemoryRange } from "./memory-map.ts";
import type { Placement } from "./placement.ts";

const PAGE = 0x1000;

/** A module in the guest's memory, and where its words are. */
export interface PlacedModule extends MemoryRange {
  readonly string: number;
}

/**
 * Loads modules page-aligned, one after the other from the kernel's end on, as loaders do: a kernel that has not set up
 * its memory yet may reach only what is near.
 */
export function placeModules(
  memory: GuestMemory,
  placement: Placement,
  kernelEnd: number,
  modules: readonly BootModule[],
): PlacedModule[] {
  return modules.map(({ bytes, commandLine }, index) => {
    const what = `module ${index + 1}`;
    const size = Math.max(bytes.length, 1);
    const addr = placement.place(what, { size, align: PAGE, from: kernelEnd, prefer: "lowest" });
    if (addr === undefined) throw placement.noRoom(what, size);
    memory.write(addr, bytes);
    return { addr, size: bytes.length, string: placeText(memory, placement, "a module's command line", commandLine) };
  });
}

/** A zero-terminated string among the boot data; returns its address. */
export function placeText(memory: GuestMemory, placement: Placement, what: string, text: string): number {
  return placeBytes(memory, placement, what, zeroTerminated(text));
}

/** A small structure among the boot data; returns its address. */
export function placeBytes(memory: GuestMemory, placement: Placement, what: string, bytes: Uint8Array): number {
  const at = placement.placeBootData(what, bytes.length);
  memory.write(at, bytes);
  return at;
}
