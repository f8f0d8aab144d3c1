import { UserError } from "../base/assert.ts";
import { create } from "../base/struct-layout.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import {
  ELF_MAGIC,
  ELFCLASS32,
  ELFCLASS64,
  ELFDATA2LSB,
  Elf32_Ehdr,
  Elf32_Phdr,
  Elf64_Ehdr,
  Elf64_Phdr,
  EM_386,
  EM_X86_64,
  ET_EXEC,
  PT_LOAD,
} from "../spec/boot/elf.ts";
import { concat } from "./bytes.ts";
import type { BzImage } from "./bzimage.ts";
import { type ElfFile, type ElfSegment, loadable, parseElf, physicalEntry, writeSegments } from "./elf.ts";

/**
 * What a bzImage unpacks itself to: an ELF executable (vmlinux), linked for the memory that the setup header asks for.
 * Placed there by somebody else it needs no relocation, so its own unpacking can be left out, and with it what that does
 * besides: choosing a random address (KASLR).
 */

/** Reads the kernel inside a bzImage. Throws UserError if it does not fit to the setup header. */
export function parseUnpacked(kernel: BzImage, file: Uint8Array, name: string): ElfFile {
  const elf = parseElf(file, `the kernel inside ${name}`);
  const entry = physicalEntry(elf);
  const segments = loadable(elf);
  const fits =
    elf.bits === (kernel.kernel64 ? 64 : 32) &&
    segments.every((segment) => isWithin(segment, kernel.runtimeStart, kernel.runtimeStart + kernel.initSize)) &&
    segments.some((segment) => entry >= segment.paddr && entry < segment.paddr + segment.filesz);
  if (fits) return elf;
  throw new UserError(`the kernel inside ${name} is not what its setup header says`, "Let the bzImage unpack it.");
}

/** Loads it, all of it within the memory that the setup header asks for; returns the address of its entry. */
export function loadUnpacked(memory: GuestMemory, kernel: BzImage, file: Uint8Array, name: string): number {
  const elf = parseUnpacked(kernel, file, name);
  writeSegments(memory, file, elf);
  return physicalEntry(elf);
}

/** The same executable with no more in it than is loaded: no zeros at the ends of its segments, physical addresses alone. */
export function compactElf(file: Uint8Array, elf: ElfFile): Uint8Array {
  const [ehdr, phdr] = elf.bits === 64 ? [Elf64_Ehdr, Elf64_Phdr] : [Elf32_Ehdr, Elf32_Phdr];
  const parts = loadable(elf).map((segment) => ({ segment, bytes: bytesToLoad(file, segment) }));
  const header = create(ehdr, {
    e_ident: identity(elf.bits),
    e_type: ET_EXEC,
    e_machine: elf.bits === 64 ? EM_X86_64 : EM_386,
    e_version: 1,
    e_entry: physicalEntry(elf),
    e_phoff: ehdr.size,
    e_ehsize: ehdr.size,
    e_phentsize: phdr.size,
    e_phnum: parts.length,
  });
  let p_offset = ehdr.size + phdr.size * parts.length;
  const headers = parts.map(({ segment: { paddr, memsz }, bytes }) => {
    const place = { p_offset, p_vaddr: paddr, p_paddr: paddr };
    p_offset += bytes.length;
    return create(phdr, { p_type: PT_LOAD, ...place, p_filesz: bytes.length, p_memsz: memsz }).bytes;
  });
  return concat([header.bytes, ...headers, ...parts.map((part) => part.bytes)]);
}

function isWithin({ paddr, memsz }: ElfSegment, start: number, end: number): boolean {
  return paddr >= start && paddr + memsz <= end;
}

function bytesToLoad(file: Uint8Array, { offset, filesz }: ElfSegment): Uint8Array {
  let end = offset + filesz;
  while (end > offset && file[end - 1] === 0) end--;
  return file.subarray(offset, end);
}

function identity(bits: 32 | 64): Uint8Array {
  const ident = create(bits === 64 ? Elf64_Ehdr : Elf32_Ehdr).e_ident;
  new DataView(ident.buffer, ident.byteOffset).setUint32(0, ELF_MAGIC, true);
  ident.set([bits === 64 ? ELFCLASS64 : ELFCLASS32, ELFDATA2LSB, 1], 4);
  return ident;
}
