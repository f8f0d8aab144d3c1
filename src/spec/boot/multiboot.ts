import { at, bytes, packed, struct } from "../../base/struct-layout.ts";

/** Multiboot Specification 0.6.96: [mb]. */

/** The header lies wholly within the file's first 8192 bytes, at a multiple of 4. [mb 3.1] */
export const MULTIBOOT_SEARCH = 8192;
export const MULTIBOOT_HEADER_ALIGN = 4;
export const MULTIBOOT_HEADER_MAGIC = 0x1bad_b002;
/** What EAX holds on entry. [mb 3.2] */
export const MULTIBOOT_BOOTLOADER_MAGIC = 0x2bad_b002;

/** [mb 3.1.1] */
export const multiboot_header = struct("multiboot_header", 48, {
  magic: "u32",
  flags: "u32",
  checksum: "u32",
  header_addr: "u32",
  load_addr: "u32",
  load_end_addr: "u32",
  bss_end_addr: "u32",
  entry_addr: "u32",
  mode_type: "u32",
  width: "u32",
  height: "u32",
  depth: "u32",
});
/** Bytes of the header that every kernel has, and those with the address fields. [mb 3.1.1] */
export const MULTIBOOT_HEADER_MIN = 12;
export const MULTIBOOT_HEADER_WITH_ADDRESSES = 32;

/** Header flags; a loader must refuse a set bit below 16 that it does not know. [mb 3.1.2] */
export const MULTIBOOT_PAGE_ALIGN = 1 << 0;
export const MULTIBOOT_MEMORY_INFO = 1 << 1;
export const MULTIBOOT_VIDEO_MODE = 1 << 2;
export const MULTIBOOT_REQUIREMENTS = 0xffff;
export const MULTIBOOT_ADDRESS_FIELDS = 1 << 16;

/** The fields that we fill. [mb 3.3] */
export const multiboot_info = packed("multiboot_info", 116, {
  flags: "u32",
  mem_lower: "u32",
  mem_upper: "u32",
  boot_device: "u32",
  cmdline: "u32",
  mods_count: "u32",
  mods_addr: "u32",
  mmap_length: at(44, "u32"),
  mmap_addr: at(48, "u32"),
  boot_loader_name: at(64, "u32"),
  framebuffer_type: at(109, "u8"),
  color_info: at(110, bytes(6)),
});

/** multiboot_info.flags: which of its fields are valid. [mb 3.3] */
export const MULTIBOOT_INFO = {
  MEMORY: 1 << 0,
  CMDLINE: 1 << 2,
  MODS: 1 << 3,
  MMAP: 1 << 6,
  LOADER_NAME: 1 << 9,
} as const;

/** [mb 3.3] */
export const multiboot_module = struct("multiboot_module", 16, {
  mod_start: "u32",
  mod_end: "u32",
  string: "u32",
  reserved: "u32",
});

/** `size` counts the bytes after itself. [mb 3.3] */
export const multiboot_mmap_entry = packed("multiboot_mmap_entry", 24, {
  size: "u32",
  base_addr: "u64",
  length: "u64",
  type: "u32",
});
