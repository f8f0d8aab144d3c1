import { CpuCells } from "../../src/engine/wasm/cpu-cells.ts";
import { MemoryTables, tablesBytes } from "../../src/engine/wasm/memory-tables.ts";
import { resetState } from "../../src/engine/wasm/reset.ts";
import { CPU, CPU_SIZE, MODE, SEGMENT, type SegmentName, segmentOffset } from "../../src/isa/state.ts";
import { CR0, CR4, EFER, XCR0 } from "../../src/spec/x86/control-register.ts";
import { CODE, CODE_PAGES, DATA, DATA_PAGES, PAGE, READ_ONLY, readOnlyByte } from "./layout.ts";

const MEMORY_BYTES = 16 << 20;
const TABLES = 0x1_0000;
const CPU_BASE = 0x10_0000;
export const CODE_MAP_ENTRIES = 1 << 12;
const CODE_MAP = CPU_BASE + CPU_SIZE;
export const RECORDS = { start: CODE_MAP + CODE_MAP_ENTRIES * 16, end: 0x80_0000 } as const;
const RAM = 0x80_0000;
const RAM_BYTES = 0x20_0000;
/** Guest-physical places. */
const PAGE_TABLES = 0x1000;
const CODE_PHYSICAL = 0x10_0000;
const DATA_PHYSICAL = 0x11_0000;
const READ_ONLY_PHYSICAL = 0x12_0000;
const SYSTEM_PHYSICAL = 0x13_0000;
/** Linear address of the task state segment, in the upper half as a kernel has it, and the offset in it of the I/O map's. [SDM 3A 8.7] */
const TSS = 0xffff_8000_0000_0000;
const TSS_LIMIT = 0x67;
const IO_MAP_BASE = 0x66;
/** Where in the TSS's page the GDT and the IDT are. */
const GDT_OFFSET = 0x400;
const IDT_OFFSET = 0x800;
/**
 * The descriptors that Linux gives a user process, by number: kernel code of 32 and 64 bits, kernel data, user code of 32 bits,
 * user data, user code of 64 bits. [Linux, arch/x86/kernel/cpu/common.c, gdt_page]
 */
const DESCRIPTORS = [0, 0xcf9b, 0xaf9b, 0xcf93, 0xcffb, 0xcff3, 0xaffb];
const GDT_ENTRIES = 16;
const ATTRIBUTES = 0x00f0_ff00;
/** Attributes of a segment register with a null selector. */
const UNUSABLE = 0x1_0000;
/** An interrupt gate for CPL 0 only, with nothing behind it. */
const KERNEL_GATE = 0x8e00;
const IDT_BYTES = 0x800;

/** Bits of a page table entry: present, accessed, dirty; writable; user; no execution. [SDM 3A 4.5] */
const PRESENT = 0x61n;
const WRITABLE = 2n;
const USER = 4n;
const NO_EXECUTE = 1n << 63n;

/** The linear memory of a test machine in long mode: one vCPU's state and some RAM that holds its page tables. */
export class Guest {
  readonly memory = new WebAssembly.Memory({ initial: MEMORY_BYTES / 0x1_0000, maximum: 0x1_0000, shared: true });
  readonly view = new DataView(this.memory.buffer);
  readonly bytes = new Uint8Array(this.memory.buffer);
  readonly cells = new CpuCells(this.memory.buffer, CPU_BASE);
  readonly tables = new MemoryTables(this.memory.buffer, TABLES);
  readonly codeMap = new Uint8Array(this.memory.buffer, CODE_MAP, CODE_MAP_ENTRIES * 16);
  /** The pages that user programs see. */
  readonly code = this.bytes.subarray(RAM + CODE_PHYSICAL, RAM + CODE_PHYSICAL + CODE_PAGES * PAGE);
  readonly data = this.bytes.subarray(RAM + DATA_PHYSICAL, RAM + DATA_PHYSICAL + DATA_PAGES * PAGE);
  #nextTable = PAGE_TABLES + PAGE;

  constructor() {
    if (TABLES + tablesBytes(MEMORY_BYTES) > CPU_BASE) throw new Error("the tables reach into the state");
    this.tables.update([
      { slot: 0, flags: 0, guestPhysAddr: 0, memorySize: RAM_BYTES, userspaceAddr: RAM, dirtyLog: undefined },
    ]);
    for (let n = 0; n < CODE_PAGES; n++) this.#map(CODE + n * PAGE, CODE_PHYSICAL + n * PAGE, USER | WRITABLE);
    for (let n = 0; n < DATA_PAGES; n++)
      this.#map(DATA + n * PAGE, DATA_PHYSICAL + n * PAGE, USER | WRITABLE | NO_EXECUTE);
    this.#map(READ_ONLY, READ_ONLY_PHYSICAL, USER | NO_EXECUTE);
    this.#map(TSS, SYSTEM_PHYSICAL, WRITABLE | NO_EXECUTE);
    this.view.setUint16(RAM + SYSTEM_PHYSICAL + IO_MAP_BASE, TSS_LIMIT + 1, true);
    this.#fillTables();
    for (let n = 0; n < PAGE; n++) this.bytes[RAM + READ_ONLY_PHYSICAL + n] = readOnlyByte(n);
    this.#initialise();
  }

  /** Puts a selector and its descriptor into a segment register. */
  loadSegment(name: SegmentName, selector: number): void {
    const at = segmentOffset(name);
    const attributes = this.view.getUint32(RAM + SYSTEM_PHYSICAL + GDT_OFFSET + (selector & ~7) + 4, true) & ATTRIBUTES;
    this.cells.setNumber(at + SEGMENT.base, 0);
    this.cells.setI32(at + SEGMENT.limit, -1);
    this.cells.setI32(at + SEGMENT.attributes, attributes || UNUSABLE);
    this.cells.setI32(at + SEGMENT.selector, selector);
  }

  /** Size of the code segment in bits. */
  get codeSize(): 16 | 32 | 64 {
    const size = this.cells.i32(CPU.mode) & MODE.sizeMask;
    return size === MODE.code64 ? 64 : size === MODE.code32 ? 32 : 16;
  }

  /** Host pages of the code, as CodeCache numbers them. */
  get codePages(): readonly number[] {
    return Array.from({ length: CODE_PAGES }, (_, n) => (RAM + CODE_PHYSICAL) / PAGE + n);
  }

  #initialise(): void {
    const { cells, tables } = this;
    resetState(cells);
    cells.setNumber(segmentOffset("tr") + SEGMENT.base, TSS);
    cells.setI32(segmentOffset("tr") + SEGMENT.limit, TSS_LIMIT);
    cells.setWide(CPU.gdtrBase, GDT_OFFSET, TSS / 2 ** 32);
    cells.setI32(segmentOffset("ldtr") + SEGMENT.attributes, UNUSABLE);
    cells.setI32(segmentOffset("ldtr") + SEGMENT.limit, 0);
    cells.setI32(CPU.gdtrLimit, 8 * GDT_ENTRIES - 1);
    cells.setWide(CPU.idtrBase, IDT_OFFSET, TSS / 2 ** 32);
    cells.setI32(CPU.idtrLimit, IDT_BYTES - 1);
    cells.setI32(CPU.codeMap, CODE_MAP);
    cells.setI32(CPU.codeMapMask, CODE_MAP_ENTRIES - 1);
    cells.setI32(CPU.slots, tables.slots);
    cells.setI32(CPU.slotCount, tables.slotCount);
    cells.setI32(CPU.pageFlags, tables.pageFlags);
    cells.setI32(CPU.maxPhyAddr, 40);
    cells.setI32(CPU.features, -1);
    cells.setWide(CPU.cr0, CR0.PG | CR0.AM | CR0.WP | CR0.NE | CR0.ET | CR0.MP | CR0.PE, 0);
    cells.setNumber(CPU.cr3, PAGE_TABLES);
    cells.setNumber(CPU.cr4, CR4.PAE | CR4.PGE | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.FSGSBASE | CR4.OSXSAVE);
    cells.setNumber(CPU.xcr0, XCR0.X87 | XCR0.SSE | XCR0.AVX);
    cells.setNumber(CPU.efer, EFER.SCE | EFER.LME | EFER.LMA | EFER.NXE);
  }

  #fillTables(): void {
    const gdt = RAM + SYSTEM_PHYSICAL + GDT_OFFSET;
    DESCRIPTORS.forEach((attributes, n) => {
      if (n === 0) return;
      this.view.setUint32(gdt + 8 * n, 0xffff, true);
      this.view.setUint32(gdt + 8 * n + 4, ((attributes & 0xff00) << 8) | ((attributes & 0xff) << 8), true);
    });
    const idt = RAM + SYSTEM_PHYSICAL + IDT_OFFSET;
    for (let at = 0; at < IDT_BYTES; at += 16) this.view.setUint32(idt + at + 4, KERNEL_GATE, true);
  }

  #map(linear: number, physical: number, rights: bigint): void {
    let table = PAGE_TABLES;
    for (const level of [39n, 30n, 21n]) table = this.#descend(table, Number((BigInt(linear) >> level) & 0x1ffn));
    this.view.setBigUint64(RAM + table + 8 * ((linear / PAGE) & 0x1ff), BigInt(physical) | PRESENT | rights, true);
  }

  /** The table behind an entry, made if there is none. */
  #descend(table: number, index: number): number {
    const at = RAM + table + 8 * index;
    const entry = this.view.getBigUint64(at, true);
    if (entry !== 0n) return Number(entry & ~0xfffn);
    const next = this.#nextTable;
    this.#nextTable += PAGE;
    this.view.setBigUint64(at, BigInt(next) | PRESENT | WRITABLE | USER, true);
    return next;
  }
}
