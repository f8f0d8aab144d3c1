import { bytes, struct } from "../../base/struct-layout.ts";

/** ELF executables: [gabi] = System V ABI, chapters 4 and 5. */

/** "\x7fELF" as a little-endian u32. [gabi 4, "ELF Identification"] */
export const ELF_MAGIC = 0x464c_457f;
export const EI_CLASS = 4;
export const EI_DATA = 5;
export const ELFCLASS32 = 1;
export const ELFCLASS64 = 2;
export const ELFDATA2LSB = 1;

/** e_type [gabi 4, "ELF Header"] */
export const ET_EXEC = 2;
export const ET_DYN = 3;
/** e_machine [gabi 4, "ELF Header"] */
export const EM_386 = 3;
export const EM_X86_64 = 62;
/** p_type [gabi 5, "Program Header"] */
export const PT_LOAD = 1;
export const PT_NOTE = 4;

/** [gabi 4, "ELF Header"] */
export const Elf32_Ehdr = struct("Elf32_Ehdr", 52, {
  e_ident: bytes(16),
  e_type: "u16",
  e_machine: "u16",
  e_version: "u32",
  e_entry: "u32",
  e_phoff: "u32",
  e_shoff: "u32",
  e_flags: "u32",
  e_ehsize: "u16",
  e_phentsize: "u16",
  e_phnum: "u16",
  e_shentsize: "u16",
  e_shnum: "u16",
  e_shstrndx: "u16",
});

/** [gabi 4, "ELF Header"] */
export const Elf64_Ehdr = struct("Elf64_Ehdr", 64, {
  e_ident: bytes(16),
  e_type: "u16",
  e_machine: "u16",
  e_version: "u32",
  e_entry: "u64",
  e_phoff: "u64",
  e_shoff: "u64",
  e_flags: "u32",
  e_ehsize: "u16",
  e_phentsize: "u16",
  e_phnum: "u16",
  e_shentsize: "u16",
  e_shnum: "u16",
  e_shstrndx: "u16",
});

/** [gabi 5, "Program Header"] */
export const Elf32_Phdr = struct("Elf32_Phdr", 32, {
  p_type: "u32",
  p_offset: "u32",
  p_vaddr: "u32",
  p_paddr: "u32",
  p_filesz: "u32",
  p_memsz: "u32",
  p_flags: "u32",
  p_align: "u32",
});

/** [gabi 5, "Program Header"] */
export const Elf64_Phdr = struct("Elf64_Phdr", 56, {
  p_type: "u32",
  p_flags: "u32",
  p_offset: "u64",
  p_vaddr: "u64",
  p_paddr: "u64",
  p_filesz: "u64",
  p_memsz: "u64",
  p_align: "u64",
});

/** Name and descriptor follow, each padded to a multiple of 4. [gabi 5, "Note Section"] */
export const Elf_Nhdr = struct("Elf_Nhdr", 12, { n_namesz: "u32", n_descsz: "u32", n_type: "u32" });
