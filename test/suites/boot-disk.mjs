// A disk from which a PC's BIOS starts a small multiboot kernel: its boot sector reads the segments to where they belong and
// enters the kernel in protected mode. What the kernel finds in vectors and chips is the BIOS's.

const sectorSize = 512;
/** [EDD 4 4.3] The most that one extended read takes everywhere. */
const mostSectors = 127;
const bootSector = 0x7c00;

/** Offsets in the boot sector. */
const place = { packet: 0x80, gdt: 0x90, gdtr: 0xa8, signature: 510 };

/** Selectors of `descriptors`. */
const selector = { code: 0x08, data: 0x10 };

/** @param {number} value */
const u16 = (value) => [value & 0xff, (value >> 8) & 0xff];
/** @param {number} value */
const u32 = (value) => [...u16(value), ...u16(value >>> 16)];

/** [SDM 3A 3.4.5] The null descriptor, then code and data of 32 bits, both flat. */
const descriptors = [
  [0, 0, 0, 0, 0, 0, 0, 0],
  [0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0],
  [0xff, 0xff, 0, 0, 0, 0x93, 0xcf, 0],
].flat();

/** DL is the drive. [EDD 4 4.3; SDM 3A 10.9.1] */
const loader = [
  [0x31, 0xc0, 0x8e, 0xd8, 0x8e, 0xd0], // xor ax, ax; mov ds, ax; mov ss, ax
  [0xbc, ...u16(bootSector)], // mov sp, bootSector
  [0xbe, ...u16(bootSector + place.packet)], // mov si, packet
  [0xb4, 0x42, 0xcd, 0x13], // mov ah, 42h; int 13h
  [0x72, 0xfe], // jc to itself
  [0xfa], // cli
  [0x0f, 0x01, 0x16, ...u16(bootSector + place.gdtr)], // lgdt [gdtr]
  [0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0], // mov eax, cr0; or al, PE; mov cr0, eax
].flat();

/** @param {number} at offset of these instructions @param {number} entry of the kernel */
const toKernel = (at, entry) =>
  [
    [0xea, ...u16(bootSector + at + 5), ...u16(selector.code)], // jmp code:next
    [0xb8, ...u32(selector.data)], // mov eax, data
    [0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0x8e, 0xe0, 0x8e, 0xe8], // mov ds, es, ss, fs, gs, ax
    [0xb8, ...u32(entry), 0xff, 0xe0], // mov eax, entry; jmp eax
  ].flat();

/**
 * @param {Buffer} elf a 32-bit ELF file that is loaded in one piece of at most 63 KiB below 640 KiB
 * @returns {Uint8Array} the disk
 */
export function bootDisk(elf) {
  const { start, image } = memoryImage(elf);
  const sectors = Math.ceil(image.length / sectorSize);
  if (sectors > mostSectors || start % 16 !== 0) throw new Error("the kernel does not fit a boot disk");
  const disk = new Uint8Array(1 << 20);
  disk.set(loader, 0);
  disk.set(toKernel(loader.length, elf.readUInt32LE(0x18)), loader.length);
  disk.set([16, 0, ...u16(sectors), ...u16(0), ...u16(start / 16), ...u32(1), ...u32(0)], place.packet);
  disk.set(descriptors, place.gdt);
  disk.set([...u16(descriptors.length - 1), ...u32(bootSector + place.gdt)], place.gdtr);
  disk.set([0x55, 0xaa], place.signature);
  disk.set(image, sectorSize);
  return disk;
}

/** What the loadable segments put into memory, from the first one's address on. [ELF 1.2 2-2] @param {Buffer} elf */
function memoryImage(elf) {
  const [table, size, count] = [elf.readUInt32LE(0x1c), elf.readUInt16LE(0x2a), elf.readUInt16LE(0x2c)];
  const headers = Array.from({ length: count }, (_, n) => elf.subarray(table + n * size));
  const segments = headers
    .filter((header) => header.readUInt32LE(0) === 1)
    .map((header) => ({
      from: header.readUInt32LE(4),
      to: header.readUInt32LE(12),
      fileBytes: header.readUInt32LE(16),
      bytes: header.readUInt32LE(20),
    }));
  const start = Math.min(...segments.map(({ to }) => to));
  const image = new Uint8Array(Math.max(...segments.map(({ to, bytes }) => to + bytes)) - start);
  for (const { from, to, fileBytes } of segments) image.set(elf.subarray(from, from + fileBytes), to - start);
  return { start, image };
}
