import { UserError } from "../base/assert.ts";
import { view } from "../base/struct-layout.ts";
import type { GuestMemory } from "../memory/guest-memory.ts";
import {
  EI_CLASS,
  EI_DATA,
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
  ET_DYN,
  ET_EXEC,
  PT_LOAD,
  PT_NOTE,
} from "../spec/boot/elf.ts";
import { asciiAt } from "./bytes.ts";
import { type Placement, roundUp } from "./placement.ts";

/** A program header; sizes and addresses in bytes, below 2^53. `offset` and `filesz` lie within the file. */
export interface ElfSegment {
  readonly type: number;
  readonly offset: number;
  readonly vaddr: number;
  readonly paddr: number;
  readonly filesz: number;
  readonly memsz: number;
}

/** An executable for i386 or x86-64, checked against the file's length. */
export interface ElfFile {
  readonly bits: 32 | 64;
  readonly entry: number;
  readonly segments: readonly ElfSegment[];
}

/** A note's name, without its zero byte, and descriptor. */
export interface ElfNote {
  readonly name: string;
  readonly type: number;
  readonly descriptor: Uint8Array;
}

const DAMAGED = "Download or build the file again.";

export function isElf(file: Uint8Array): boolean {
  return file.length >= 4 && new DataView(file.buffer, file.byteOffset).getUint32(0, true) === ELF_MAGIC;
}

/** Reads an ELF executable's headers. `name` is what messages call the file. */
export function parseElf(file: Uint8Array, name: string): ElfFile {
  const bits = file[EI_CLASS] === ELFCLASS64 ? 64 : 32;
  const ehdr = bits === 64 ? header64(file, name) : header32(file, name);
  checkIdentity(file, name);
  checkMachine(ehdr.e_type, ehdr.e_machine, name);
  const layout = bits === 64 ? Elf64_Phdr : Elf32_Phdr;
  const tableSize = ehdr.e_phnum * ehdr.e_phentsize;
  if (ehdr.e_phentsize < layout.size || ehdr.phoff + tableSize > file.length)
    throw new UserError(`${name} is a truncated or damaged ELF file: its program headers are missing`, DAMAGED);
  const segments = Array.from({ length: ehdr.e_phnum }, (_, index) => {
    const part = file.subarray(ehdr.phoff + index * ehdr.e_phentsize);
    return bits === 64 ? segment64(part) : segment32(part);
  });
  for (const segment of segments) checkSegment(segment, file.length, name);
  return { bits, entry: ehdr.entry, segments };
}

/** The notes in all PT_NOTE segments; reading stops at a damaged one. */
export function elfNotes(file: Uint8Array, elf: ElfFile): ElfNote[] {
  return elf.segments.filter((segment) => segment.type === PT_NOTE).flatMap((segment) => notesIn(file, segment));
}

/** The physical address of the entry: e_entry is a virtual one when it lies in a segment that is linked elsewhere. */
export function physicalEntry(elf: ElfFile): number {
  const { entry } = elf;
  const home = loadable(elf).find((segment) => entry >= segment.vaddr && entry < segment.vaddr + segment.memsz);
  return home ? entry - home.vaddr + home.paddr : entry;
}

/** Copies the loadable segments to their physical addresses and zeroes what the file does not hold. Returns their end. */
export function loadElf(memory: GuestMemory, placement: Placement, file: Uint8Array, elf: ElfFile): number {
  const segments = loadable(elf);
  for (const segment of segments) placement.claim("the kernel", segment.paddr, segment.memsz);
  writeSegments(memory, file, elf);
  return Math.max(0, ...segments.map((segment) => segment.paddr + segment.memsz));
}

/** Fills memory that has been claimed for the loadable segments. */
export function writeSegments(memory: GuestMemory, file: Uint8Array, elf: ElfFile): void {
  for (const { paddr, offset, filesz, memsz } of loadable(elf)) {
    memory.write(paddr, file.subarray(offset, offset + filesz));
    memory.fill(paddr + filesz, memsz - filesz, 0);
  }
}

/** The segments that have a place in memory. */
export function loadable(elf: ElfFile): ElfSegment[] {
  return elf.segments.filter((segment) => segment.type === PT_LOAD && segment.memsz > 0);
}

function header32(file: Uint8Array, name: string) {
  if (file.length < Elf32_Ehdr.size) throw truncated(name);
  const { e_type, e_machine, e_phentsize, e_phnum, e_entry, e_phoff } = view(Elf32_Ehdr, file);
  return { e_type, e_machine, e_phentsize, e_phnum, entry: e_entry, phoff: e_phoff };
}

function header64(file: Uint8Array, name: string) {
  if (file.length < Elf64_Ehdr.size) throw truncated(name);
  const { e_type, e_machine, e_phentsize, e_phnum, e_entry_num, e_phoff_num } = view(Elf64_Ehdr, file);
  return { e_type, e_machine, e_phentsize, e_phnum, entry: e_entry_num, phoff: e_phoff_num };
}

function segment32(part: Uint8Array): ElfSegment {
  const phdr = view(Elf32_Phdr, part);
  const { p_type, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz } = phdr;
  return { type: p_type, offset: p_offset, vaddr: p_vaddr, paddr: p_paddr, filesz: p_filesz, memsz: p_memsz };
}

function segment64(part: Uint8Array): ElfSegment {
  const phdr = view(Elf64_Phdr, part);
  return {
    type: phdr.p_type,
    offset: phdr.p_offset_num,
    vaddr: phdr.p_vaddr_num,
    paddr: phdr.p_paddr_num,
    filesz: phdr.p_filesz_num,
    memsz: phdr.p_memsz_num,
  };
}

function checkIdentity(file: Uint8Array, name: string): void {
  const known = file[EI_CLASS] === ELFCLASS32 || file[EI_CLASS] === ELFCLASS64;
  if (!known || file[EI_DATA] !== ELFDATA2LSB)
    throw new UserError(`${name} is an ELF file for another kind of machine`, "Give a kernel for x86 PCs.");
}

function checkMachine(type: number, machine: number, name: string): void {
  if (machine !== EM_386 && machine !== EM_X86_64)
    throw new UserError(
      `${name} is an ELF file for another processor (e_machine ${machine})`,
      "Give a kernel for i386 or x86-64.",
    );
  if (type !== ET_EXEC && type !== ET_DYN)
    throw new UserError(
      `${name} is an ELF file but not an executable (e_type ${type})`,
      "Give the linked kernel, not an object file or module.",
    );
}

function checkSegment(segment: ElfSegment, fileLength: number, name: string): void {
  const { type, offset, filesz, memsz } = segment;
  if (type !== PT_LOAD && type !== PT_NOTE) return;
  if (offset + filesz > fileLength) throw truncated(name);
  if (type === PT_LOAD && filesz > memsz)
    throw new UserError(`${name} is a damaged ELF file: a segment has more bytes in the file than in memory`, DAMAGED);
}

function truncated(name: string): UserError {
  return new UserError(`${name} is a truncated ELF file`, DAMAGED);
}

function notesIn(file: Uint8Array, segment: ElfSegment): ElfNote[] {
  const bytes = file.subarray(segment.offset, segment.offset + segment.filesz);
  const notes: ElfNote[] = [];
  for (let at = 0; at + Elf_Nhdr.size <= bytes.length; ) {
    const { n_namesz, n_descsz, n_type } = view(Elf_Nhdr, bytes.subarray(at));
    const descriptorAt = at + Elf_Nhdr.size + roundUp(n_namesz, 4);
    if (descriptorAt + n_descsz > bytes.length) break;
    const name = asciiAt(bytes, at + Elf_Nhdr.size, Math.min(n_namesz, 64));
    notes.push({ name, type: n_type, descriptor: bytes.subarray(descriptorAt, descriptorAt + n_descsz) });
    at = descriptorAt + roundUp(n_descsz, 4);
  }
  return notes;
}
