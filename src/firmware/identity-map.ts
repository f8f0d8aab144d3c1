import { assert } from "../base/assert.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import { PTE } from "../spec/x86/page-table.ts";
import type { Placement } from "./placement.ts";

const PAGE = 0x1000;
const LARGE_PAGE = 0x20_0000;
const ENTRIES = 512;
/** One page directory maps 1 GiB; four map all that a 32-bit pointer reaches. */
const DIRECTORIES = 4;

/** Writes page tables that map the first 4 GiB to themselves in 2 MiB pages; returns their address for CR3. [SDM 3A 4.5] */
export function writeIdentityMap(memory: GuestMemory, placement: Placement): number {
  const size = (2 + DIRECTORIES) * PAGE;
  const pml4 = placement.place("the page tables", { size, align: PAGE, from: PAGE, prefer: "lowest" });
  assert(pml4 !== undefined, "base memory has room for page tables");
  const pdpt = pml4 + PAGE;
  memory.fill(pml4, size, 0);
  memory.writeU64(pml4, pdpt + (PTE.P | PTE.RW));
  for (let directory = 0; directory < DIRECTORIES; directory++) {
    const pd = pdpt + PAGE * (1 + directory);
    memory.writeU64(pdpt + directory * 8, pd + (PTE.P | PTE.RW));
    for (let entry = 0; entry < ENTRIES; entry++) {
      const address = (directory * ENTRIES + entry) * LARGE_PAGE;
      memory.writeU64(pd + entry * 8, address + (PTE.P | PTE.RW | PTE.PS));
    }
  }
  return pml4;
}
