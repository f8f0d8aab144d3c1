// The page-directory-pointer-table entries that PAE paging keeps in registers. [SDM 3A 4.4.1]
import { CPU_cr3, CPU_maxPhyAddr, CPU_pdptr } from "./layout.generated.ts";
import { phys_to_host } from "./physical.ts";

/** Bits that must be 0 in a present entry, besides those above the physical address width. */
const RESERVED: u64 = 0x1e6;

function is_valid(cpu: i32, entry: u64): bool {
  const above = ~(((1 as u64) << (load<i32>(cpu + CPU_maxPhyAddr) as u64)) - 1);
  return !(entry & 1) || !(entry & (RESERVED | above));
}

/** Loads the four entries that CR3 points to; false, and nothing changed, if they have reserved bits. */
export function load_pdptrs(cpu: i32, cr3: u64): bool {
  const table = phys_to_host(cpu, cr3 & 0xffffffe0);
  for (let n = 0; n < 32; n += 8) if (table && !is_valid(cpu, load<u64>(table + n))) return false;
  for (let n = 0; n < 32; n += 8) store<u64>(cpu + CPU_pdptr + n, table ? load<u64>(table + n) : 0);
  return true;
}

/** Loads them from the table that CR3 names now, after the host set the registers. */
export function reload_pdptrs(cpu: i32): bool {
  return load_pdptrs(cpu, load<u64>(cpu + CPU_cr3));
}
