import { assign } from "../../src/base/struct-layout.ts";
import { FORMS } from "../../src/isa/table/forms.ts";
import { type KvmSegment, type KvmSregs, kvm_dtable, kvm_segment } from "../../src/spec/kvm/vcpu-struct.ts";
import { CR0, CR4, EFER } from "../../src/spec/x86/control-register.ts";
import { encodeForm } from "../isa/encode.ts";
import type { Random } from "../isa/random.ts";

/** The modes a random guest begins in. */
export const GUEST_MODES = [
  "real",
  "unreal",
  "protected 16",
  "protected 32",
  "paging",
  "virtual 8086",
  "PAE",
  "compatibility",
  "long",
  "long user",
] as const;
export type GuestMode = (typeof GUEST_MODES)[number];

/** Guest-physical places; what is not named here is data and stack. */
export const PLACE = { gdt: 0x1000, idt: 0x2000, tss: 0x3000, tables: 0x4000, code: 0x1_0000, end: 0x1_1000 } as const;
const PAGE = 0x1000;
const STACK = 0xf000;
const IDT_BYTES = 0x800;

const CODE16 = 0x0000_9b00;
const CODE32 = 0x00cf_9b00;
const CODE64 = 0x00af_9b00;
const DATA32 = 0x00cf_9300;
const USER = 0x6000;
/** Second dwords of descriptors; the base is 0, the limit all ones. Selector = 8 x index. */
const DESCRIPTORS = [
  0,
  CODE32,
  DATA32,
  CODE64,
  CODE16,
  CODE32 | USER,
  DATA32 | USER,
  CODE64 | USER,
  0x8b00,
  0,
] as const;
const SELECTOR = { code32: 0x08, data: 0x10, code64: 0x18, code16: 0x20, userData: 0x33, user64: 0x3b, tss: 0x40 };

const isLong = (mode: GuestMode): boolean => /^(compatibility|long)/.test(mode);
const isReal = (mode: GuestMode): boolean => mode === "real" || mode === "unreal";

/** The lowest memory of a guest: descriptor tables, page tables, code. Everything may be damaged. */
export function randomMemory(mode: GuestMode, random: Random): Uint8Array {
  const bytes = new Uint8Array(PLACE.end);
  const view = new DataView(bytes.buffer);
  writeCode(bytes, mode, random);
  if (!isReal(mode)) writeDescriptors(view, mode, random);
  else for (let vector = 0; vector < 256; vector++) view.setUint32(4 * vector, codeAddress(random), true);
  if (isLong(mode)) writeLongTables(view);
  else if (mode === "PAE") writePaeTables(view);
  else for (let n = 0; n < 1024; n++) view.setUint32(PLACE.tables + 4 * n, (n << 22) | 0x87, true);
  const damage = random.chance(50) ? random.below(40) : 0;
  for (let n = 0; n < damage; n++) bytes[random.below(PLACE.code)] = random.u32();
  return bytes;
}

function codeAddress(random: Random): number {
  return PLACE.code + random.below(0x400);
}

/** Instructions of the table and bytes of any kind, mixed. */
function writeCode(bytes: Uint8Array, mode: GuestMode, random: Random): void {
  const bits = mode.startsWith("long") ? 64 : 32;
  const forms = FORMS.filter((form) => form.mode !== (bits === 64 ? "not64" : "only64"));
  for (let at: number = PLACE.code; at < PLACE.end - 32; ) {
    if (random.chance(30)) bytes[at++] = random.u32();
    else {
      const insn = encodeForm(random.pick(forms), bits, random).subarray(0, 3 + random.below(8));
      bytes.set(insn, at);
      at += insn.length;
    }
  }
}

function writeDescriptors(view: DataView, mode: GuestMode, random: Random): void {
  DESCRIPTORS.forEach((high, n) => {
    view.setUint32(PLACE.gdt + 8 * n, n === 0 ? 0 : 0xffff, true);
    view.setUint32(PLACE.gdt + 8 * n + 4, high, true);
  });
  view.setUint32(PLACE.gdt + SELECTOR.tss, (PLACE.tss << 16) | 0xfff, true);
  for (let n = DESCRIPTORS.length; n < 32; n++) {
    view.setUint32(PLACE.gdt + 8 * n, random.u32(), true);
    view.setUint32(PLACE.gdt + 8 * n + 4, random.u32(), true);
  }
  const size = isLong(mode) ? 16 : 8;
  for (let vector = 0; vector < IDT_BYTES / size; vector++) writeGate(view, PLACE.idt + size * vector, mode, random);
  for (let at = 4; at < 0x60; at += 4) view.setUint32(PLACE.tss + at, random.chance(70) ? STACK : random.u32(), true);
  if (!isLong(mode)) view.setUint32(PLACE.tss + 8, SELECTOR.data, true);
}

function writeGate(view: DataView, at: number, mode: GuestMode, random: Random): void {
  const address = codeAddress(random);
  const selector = random.chance(90) ? (isLong(mode) ? SELECTOR.code64 : SELECTOR.code32) : random.below(0x100);
  const kind = random.chance(80) ? random.pick([0x8e, 0xee, 0x8f, 0xef]) : random.below(256);
  view.setUint16(at, address, true);
  view.setUint16(at + 2, selector, true);
  view.setUint16(at + 4, kind << 8, true);
  view.setUint16(at + 6, address >>> 16, true);
}

/** Identity of the first 4 GiB in pages of 2 MiB; the first 2 MiB in pages of 4 KiB. */
function writeLongTables(view: DataView): void {
  entry(view, PLACE.tables, 0, PLACE.tables + PAGE);
  writeDirectories(view, PLACE.tables + PAGE, 7);
}

function writePaeTables(view: DataView): void {
  writeDirectories(view, PLACE.tables, 1);
}

function writeDirectories(view: DataView, pointers: number, rights: number): void {
  const directory = PLACE.tables + 2 * PAGE;
  for (let n = 0; n < 4; n++) view.setUint32(pointers + 8 * n, directory | rights, true);
  for (let n = 0; n < 512; n++) entry(view, directory, n, (n << 21) | 0x80);
  entry(view, directory, 0, directory + PAGE);
  for (let n = 0; n < 512; n++) entry(view, directory + PAGE, n, n << 12);
}

function entry(view: DataView, table: number, index: number, value: number): void {
  view.setUint32(table + 8 * index, value | 7, true);
}

/** Sets the special registers of a mode. */
export function enterGuestMode(sregs: KvmSregs, mode: GuestMode, random: Random): void {
  const segments = [sregs.cs, sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss];
  if (isReal(mode)) {
    for (const segment of segments) assign(kvm_segment, segment, { base: 0, selector: 0 });
    if (mode === "unreal") assign(kvm_segment, sregs.ds, { limit: 0xffff_ffff, g: 1 });
    assign(kvm_segment, sregs.cs, { base: PLACE.code, selector: PLACE.code >> 4 });
    assign(kvm_dtable, sregs.idt, { base: 0, limit: 0x3ff });
    return;
  }
  sregs.cr0_num =
    CR0.PE | CR0.ET | CR0.NE | CR0.MP | (random.chance(50) ? CR0.WP : 0) | (random.chance(50) ? CR0.AM : 0);
  sregs.cr4_num = CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.PSE | (random.chance(50) ? CR4.OSXSAVE | CR4.FSGSBASE : 0);
  for (const segment of segments) load(segment, SELECTOR.data, DATA32);
  loadCode(sregs, mode);
  assign(kvm_segment, sregs.tr, {
    ...{ base: PLACE.tss, limit: 0xfff, selector: SELECTOR.tss, type: 0xb, present: 1, s: 0, unusable: 0 },
  });
  assign(kvm_segment, sregs.ldt, { unusable: 1, present: 0 });
  assign(kvm_dtable, sregs.gdt, { base: PLACE.gdt, limit: 0xff });
  assign(kvm_dtable, sregs.idt, { base: PLACE.idt, limit: IDT_BYTES - 1 });
  enterPaging(sregs, mode, random);
}

function loadCode(sregs: KvmSregs, mode: GuestMode): void {
  if (mode === "virtual 8086") {
    for (const segment of [sregs.cs, sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss])
      assign(kvm_segment, segment, {
        ...{ base: PLACE.code, limit: 0xffff, selector: PLACE.code >> 4, type: 3, present: 1, dpl: 3 },
        ...{ db: 0, s: 1, l: 0, g: 0, unusable: 0 },
      });
  } else if (mode === "long user") {
    load(sregs.cs, SELECTOR.user64, CODE64 | USER);
    for (const segment of [sregs.ds, sregs.es, sregs.ss]) load(segment, SELECTOR.userData, DATA32 | USER);
  } else if (mode === "long") load(sregs.cs, SELECTOR.code64, CODE64);
  else if (mode === "protected 16") load(sregs.cs, SELECTOR.code16, CODE16);
  else load(sregs.cs, SELECTOR.code32, CODE32);
}

function load(segment: KvmSegment, selector: number, high: number): void {
  const bit = (n: number): number => (high >>> n) & 1;
  const g = bit(23);
  assign(kvm_segment, segment, {
    ...{ base: 0, limit: g ? 0xffff_ffff : 0xf_ffff, selector, type: (high >>> 8) & 15, s: bit(12), present: bit(15) },
    ...{ dpl: (high >>> 13) & 3, avl: bit(20), l: bit(21), db: bit(22), g, unusable: 0 },
  });
}

function enterPaging(sregs: KvmSregs, mode: GuestMode, random: Random): void {
  sregs.cr3_num = PLACE.tables;
  if (mode === "paging" || mode === "virtual 8086" || mode === "PAE" || isLong(mode))
    sregs.cr0_num = (sregs.cr0_num | CR0.PG) >>> 0;
  if (mode === "PAE" || isLong(mode)) sregs.cr4_num |= CR4.PAE;
  if (isLong(mode)) sregs.efer_num = EFER.LME | EFER.LMA | (random.chance(50) ? EFER.NXE | EFER.SCE : 0);
}

/** RFLAGS to begin with: anything in low bits, VM in virtual-8086 mode. */
export function randomFlags(mode: GuestMode, random: Random): number {
  const any = random.chance(50) ? random.u32() & 0x4_7fd5 & ~0x100 : random.u32() & 0xed5;
  return 2 | (mode === "virtual 8086" ? any | 0x2_0000 : any);
}

/** A value of a general register: an address in low memory, of a device or a hole, or anything. */
export function randomRegister(random: Random): bigint {
  if (random.chance(60)) return BigInt(random.below(0x14_0000));
  if (random.chance(50))
    return BigInt(random.pick([0xfee0_0000, 0xfec0_0000, 0xe000_0000, 0xa_0000, 0xffff_f000]) + random.below(0x1000));
  return random.edge(64);
}

/** Where rip begins. */
export function randomStart(mode: GuestMode, random: Random): number {
  const offset = random.below(0x400);
  return isReal(mode) || mode === "virtual 8086" ? offset : PLACE.code + offset;
}

export { STACK as GUEST_STACK };
