import { array, at, bytes, packed } from "../../base/struct-layout.ts";
import { e820_entry } from "../x86/e820.ts";

/** Linux/x86 boot protocol, to version 2.15. Clauses: [boot] = Documentation/arch/x86/boot.rst, [zero-page] = zero-page.rst */

/** Where the setup header stands, in the file and in boot_params alike. [boot, "The Real-Mode Kernel Header"] */
export const SETUP_HEADER_OFFSET = 0x1f1;

/** The setup header. `jump` is a short jump over it: its second byte says where the header ends. [boot, "The Real-Mode Kernel Header"] */
export const setup_header = packed("setup_header", 0x7b, {
  setup_sects: "u8",
  root_flags: "u16",
  syssize: "u32",
  ram_size: "u16",
  vid_mode: "u16",
  root_dev: "u16",
  boot_flag: "u16",
  jump: "u16",
  header: "u32",
  version: "u16",
  realmode_swtch: "u32",
  start_sys_seg: "u16",
  kernel_version: "u16",
  type_of_loader: "u8",
  loadflags: "u8",
  setup_move_size: "u16",
  code32_start: "u32",
  ramdisk_image: "u32",
  ramdisk_size: "u32",
  bootsect_kludge: "u32",
  heap_end_ptr: "u16",
  ext_loader_ver: "u8",
  ext_loader_type: "u8",
  cmd_line_ptr: "u32",
  initrd_addr_max: "u32",
  kernel_alignment: "u32",
  relocatable_kernel: "u8",
  min_alignment: "u8",
  xloadflags: "u16",
  cmdline_size: "u32",
  hardware_subarch: "u32",
  hardware_subarch_data: "u64",
  payload_offset: "u32",
  payload_length: "u32",
  setup_data: "u64",
  pref_address: "u64",
  init_size: "u32",
  handover_offset: "u32",
  kernel_info_offset: "u32",
});

/** The jump over the header is relative to this offset. [boot, "Field name: jump"] */
export const SETUP_HEADER_JUMP_BASE = 0x202;

/** "HdrS" [boot, "Field name: header"] */
export const SETUP_HEADER_MAGIC = 0x53726448;
export const BOOT_FLAG = 0xaa55;

/** The first protocol version that has the field. [boot, "The Real-Mode Kernel Header"] */
export const PROTOCOL = {
  cmd_line_ptr: 0x0202,
  initrd_addr_max: 0x0203,
  relocatable_kernel: 0x0205,
  cmdline_size: 0x0206,
  payload_offset: 0x0208,
  init_size: 0x020a,
  xloadflags: 0x020c,
} as const;

/** What holds for versions before the field. [boot, "Field name: setup_sects", "initrd_addr_max", "cmdline_size"] */
export const SETUP_DEFAULTS = { setup_sects: 4, initrd_addr_max: 0x37ff_ffff, cmdline_size: 255 } as const;

export const SETUP_SECTOR = 512;

/** [boot, "Field name: loadflags"] */
export const LOADED_HIGH = 1 << 0;
/** [boot, "Field name: xloadflags"] */
export const XLF_KERNEL_64 = 1 << 0;
/** A loader without an assigned number. [boot, "Field name: type_of_loader"] */
export const LOADER_UNDEFINED = 0xff;

/** Where a kernel that does not name another address is loaded. [boot, "Memory Layout"] */
export const KERNEL_LOAD_ADDRESS = 0x10_0000;
/** The 64-bit entry, from the load address on. [boot, "64-bit Boot Protocol"] */
export const ENTRY_64_OFFSET = 0x200;
/** [boot, "32-bit Boot Protocol", "64-bit Boot Protocol"] */
export const BOOT_CS = 0x10;
export const BOOT_DS = 0x18;

/** The zero page; only the fields that a loader without firmware fills. [zero-page] */
export const boot_params = packed("boot_params", 4096, {
  acpi_rsdp_addr: at(0x070, "u64"),
  ext_ramdisk_image: at(0x0c0, "u32"),
  ext_ramdisk_size: at(0x0c4, "u32"),
  ext_cmd_line_ptr: at(0x0c8, "u32"),
  e820_entries: at(0x1e8, "u8"),
  hdr: at(SETUP_HEADER_OFFSET, setup_header),
  e820_table: at(0x2d0, array(e820_entry, 128)),
  _pad9: at(0xeec, bytes(276)),
});
