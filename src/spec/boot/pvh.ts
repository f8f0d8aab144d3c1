import { struct } from "../../base/struct-layout.ts";

/** The PVH direct boot protocol. Clauses: [pvh] = Xen, docs/misc/pvh.pandoc; [start_info] = xen/include/public/arch-x86/hvm/start_info.h */

/** The ELF note that holds the physical address of the 32-bit entry. [xen/include/public/elfnote.h] */
export const XEN_ELFNOTE_NAME = "Xen";
export const XEN_ELFNOTE_PHYS32_ENTRY = 18;

export const XEN_HVM_START_MAGIC_VALUE = 0x336e_c578;

/** [start_info] */
export const hvm_start_info = struct("hvm_start_info", 56, {
  magic: "u32",
  version: "u32",
  flags: "u32",
  nr_modules: "u32",
  modlist_paddr: "u64",
  cmdline_paddr: "u64",
  rsdp_paddr: "u64",
  memmap_paddr: "u64",
  memmap_entries: "u32",
  reserved: "u32",
});

/** [start_info] */
export const hvm_modlist_entry = struct("hvm_modlist_entry", 32, {
  paddr: "u64",
  size: "u64",
  cmdline_paddr: "u64",
  reserved: "u64",
});

/** [start_info] */
export const hvm_memmap_table_entry = struct("hvm_memmap_table_entry", 24, {
  addr: "u64",
  size: "u64",
  type: "u32",
  reserved: "u32",
});
