// A multiboot kernel that starts its first module as a PC starts its BIOS: copied below 1 MiB, in real mode at
// F000:FFF0. It lets a machine without a BIOS socket run a ROM of 64 KiB that stays below 1 MiB.

const loadAddress = 0x10_0000;
const romAddress = 0xf_0000;
const romSize = 0x1_0000;

/** Offsets in the kernel; the header is at 0. */
const place = { code: 0x20, code16: 0x60, gdt: 0x80, gdtr: 0x98, idtr: 0xa0, end: 0xa8 };

/** Selectors of `descriptors`. */
const selector = { code16: 0x08, data16: 0x10 };

/** @param {number} value */
const u16 = (value) => [value & 0xff, (value >> 8) & 0xff];
/** @param {number} value */
const u32 = (value) => [...u16(value), ...u16(value >>> 16)];
/** @param {number} offset in the kernel */
const addressOf = (offset) => u32(loadAddress + offset);

/** [Multiboot 0.6.96 3.1] The flags say that the addresses are valid. */
function header() {
  const [magic, flags] = [0x1bad_b002, 0x1_0000];
  const addresses = [loadAddress, loadAddress, 0, 0, loadAddress + place.code];
  return [magic, flags, -(magic + flags), ...addresses].flatMap(u32);
}

/** Protected mode, EBX at the multiboot information. */
const code = [
  [0xfa, 0xfc], // cli; cld
  [0x8b, 0x5b, 24], // mov ebx, [ebx + mods_addr]
  [0x8b, 0x33], // mov esi, [ebx + mod_start]
  [0xbf, ...u32(romAddress)], // mov edi, romAddress
  [0xb9, ...u32(romSize / 4)], // mov ecx, romSize / 4
  [0xf3, 0xa5], // rep movsd
  [0x0f, 0x01, 0x15, ...addressOf(place.gdtr)], // lgdt [gdtr]
  [0x0f, 0x01, 0x1d, ...addressOf(place.idtr)], // lidt [idtr]
  [0xb8, ...u32(selector.data16)], // mov eax, data16
  [0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0x8e, 0xe0, 0x8e, 0xe8], // mov ds, es, ss, fs, gs, ax
  [0xea, ...u32(place.code16), ...u16(selector.code16)], // jmp code16:place.code16
].flat();

/** [SDM 3A 10.9.2] Switching back to real-address mode. */
const code16 = [
  [0x0f, 0x20, 0xc0], // mov eax, cr0
  [0x66, 0x83, 0xe0, 0xfe], // and eax, ~PE
  [0x0f, 0x22, 0xc0], // mov cr0, eax
  [0xea, ...u16(0xfff0), ...u16(0xf000)], // jmp F000:FFF0
].flat();

/** [SDM 3A 3.4.5] The null descriptor, 16-bit code at the kernel, and 16-bit data at 0, both with limit FFFFH. */
const descriptors = [
  [0, 0, 0, 0, 0, 0, 0, 0],
  [...u16(0xffff), ...addressOf(0).slice(0, 3), 0x9b, 0, 0],
  [...u16(0xffff), 0, 0, 0, 0x93, 0, 0],
].flat();

/** @returns {Uint8Array} the kernel's file */
export function realModeKernel() {
  const kernel = new Uint8Array(place.end);
  kernel.set(header(), 0);
  kernel.set(code, place.code);
  kernel.set(code16, place.code16);
  kernel.set(descriptors, place.gdt);
  kernel.set([...u16(descriptors.length - 1), ...addressOf(place.gdt)], place.gdtr);
  kernel.set([...u16(0x3ff), ...u32(0)], place.idtr);
  return kernel;
}
