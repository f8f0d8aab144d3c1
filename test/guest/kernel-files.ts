import { assign, create, type StructInit } from "../../src/base/struct-layout.ts";
import {
  ELF_MAGIC,
  ELFCLASS32,
  ELFCLASS64,
  ELFDATA2LSB,
  Elf_Nhdr,
  Elf32_Ehdr,
  Elf32_Phdr,
  Elf64_Ehdr,
  Elf64_Phdr,
  EM_386,
  EM_X86_64,
  ET_EXEC,
  PT_LOAD,
  PT_NOTE,
} from "../../src/spec/boot/elf.ts";
import {
  BOOT_FLAG,
  LOADED_HIGH,
  SETUP_HEADER_MAGIC,
  SETUP_HEADER_OFFSET,
  setup_header,
  XLF_KERNEL_64,
} from "../../src/spec/boot/linux.ts";
import { MULTIBOOT_HEADER_MAGIC, multiboot_header } from "../../src/spec/boot/multiboot.ts";
import { XEN_ELFNOTE_PHYS32_ENTRY } from "../../src/spec/boot/pvh.ts";

// Kernel files for loaders to read: right in their headers, with a pattern where code would be.

/** `length` bytes that differ from their neighbours and are never 0. */
export function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => ((index * 7 + seed) % 255) + 1);
}

/** A bzImage of one setup sector and `size` bytes of kernel, like a relocatable 64-bit Linux of protocol 2.15. */
export function bzImage(fields: StructInit<typeof setup_header> = {}, size = 4096): Uint8Array {
  const header = create(setup_header, {
    setup_sects: 1,
    syssize: Math.ceil(size / 16),
    boot_flag: BOOT_FLAG,
    jump: 0x6aeb,
    header: SETUP_HEADER_MAGIC,
    version: 0x020f,
    kernel_version: 0x100,
    loadflags: LOADED_HIGH,
    initrd_addr_max: 0x7fff_ffff,
    kernel_alignment: 0x20_0000,
    relocatable_kernel: 1,
    xloadflags: XLF_KERNEL_64,
    cmdline_size: 2047,
    pref_address: 0x100_0000,
    init_size: 0x80_0000,
  });
  assign(setup_header, header, fields);
  const file = new Uint8Array(1024 + size);
  file.set(header.bytes, SETUP_HEADER_OFFSET);
  file.set(ascii("6.1.0-test (builder@host)\0"), 0x300);
  file.set(pattern(size), 1024);
  return file;
}

/** The same with a packed kernel in it; it does not start at the image's first byte. */
export function packedBzImage(payload: Uint8Array, fields: StructInit<typeof setup_header> = {}): Uint8Array {
  const payload_offset = 0x102;
  const place = { payload_offset, payload_length: payload.length };
  const file = bzImage({ ...place, ...fields }, Math.ceil((payload_offset + payload.length) / 16) * 16);
  file.set(payload, 1024 + payload_offset);
  return file;
}

export interface SegmentInit {
  readonly type?: number;
  readonly paddr?: number;
  readonly vaddr?: number;
  readonly bytes: Uint8Array;
  readonly memsz?: number;
}

/** An ELF executable; segments' bytes follow the headers in order. */
export function elf(bits: 32 | 64, entry: number, segments: readonly SegmentInit[]): Uint8Array {
  const [ehdr, phdr] = bits === 64 ? [Elf64_Ehdr, Elf64_Phdr] : [Elf32_Ehdr, Elf32_Phdr];
  const ident = Uint8Array.of(...littleEndian32(ELF_MAGIC), bits === 64 ? ELFCLASS64 : ELFCLASS32, ELFDATA2LSB, 1);
  const header = create(ehdr, {
    e_ident: ident,
    e_type: ET_EXEC,
    e_machine: bits === 64 ? EM_X86_64 : EM_386,
    e_version: 1,
    e_entry: entry,
    e_phoff: ehdr.size,
    e_ehsize: ehdr.size,
    e_phentsize: phdr.size,
    e_phnum: segments.length,
  });
  let offset = ehdr.size + phdr.size * segments.length;
  const headers = segments.map(({ type = PT_LOAD, paddr = 0, vaddr = paddr, bytes, memsz = bytes.length }) => {
    const fields = {
      p_type: type,
      p_offset: offset,
      p_paddr: paddr,
      p_vaddr: vaddr,
      p_filesz: bytes.length,
      p_memsz: memsz,
    };
    offset += bytes.length;
    return create(phdr, fields).bytes;
  });
  return join([header.bytes, ...headers, ...segments.map((segment) => segment.bytes)]);
}

/** A PT_NOTE segment with the PVH entry, after a note that has nothing to do with it. */
export function pvhNote(entry: number, bits: 32 | 64): SegmentInit {
  const descriptor = bits === 64 ? join([littleEndian32(entry), new Uint8Array(4)]) : littleEndian32(entry);
  return {
    type: PT_NOTE,
    bytes: join([note("GNU", 3, pattern(5)), note("Xen", XEN_ELFNOTE_PHYS32_ENTRY, descriptor)]),
  };
}

/** A multiboot 1 header with a right checksum; pass address fields with flag 1 << 16. */
export function multibootHeader(flags: number, fields: StructInit<typeof multiboot_header> = {}): Uint8Array {
  const checksum = -(MULTIBOOT_HEADER_MAGIC + flags) >>> 0;
  return create(multiboot_header, { magic: MULTIBOOT_HEADER_MAGIC, flags, checksum, ...fields }).bytes;
}

function note(name: string, type: number, descriptor: Uint8Array): Uint8Array {
  const text = ascii(name + "\0");
  const head = create(Elf_Nhdr, { n_namesz: text.length, n_descsz: descriptor.length, n_type: type });
  return join([head.bytes, padded(text), padded(descriptor)]);
}

function padded(bytes: Uint8Array): Uint8Array {
  return join([bytes, new Uint8Array(-bytes.length & 3)]);
}

export function ascii(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function littleEndian32(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24);
}
