// A vCPU's state and a little guest memory around the compiled helper library, for its tests.
import { readFileSync } from "node:fs";
import {
  CPU,
  CPU_SIZE,
  EFLAGS,
  GPR,
  SEGMENT,
  type SegmentName,
  SLOT,
  SLOT_SIZE,
  segmentOffset,
  TRAP,
} from "../../src/isa/state.ts";
import { CR0, CR4, EFER } from "../../src/spec/x86/control-register.ts";

const PAGE = 0x1_0000;
const CPU_BASE = PAGE;
const TABLES = CPU_BASE + CPU_SIZE;
const RAM = TABLES + PAGE;
const RAM_SIZE = 0x20_0000;

type Value = number | bigint;
export type Host = Readonly<Record<string, (...args: number[]) => number | undefined>>;

const library = new WebAssembly.Module(readFileSync(new URL("../../dist/isa/helpers.wasm", import.meta.url)));

/** Guest-physical places that the set-ups use. */
export const AT = {
  gdt: 0x1000,
  idt: 0x2000,
  tss: 0x3000,
  pageTables: 0x4000,
  ldt: 0x8000,
  kernelStack: 0x9000,
} as const;

/** Selectors of the set-ups' GDT. */
export const SELECTOR = {
  code32: 0x08,
  data: 0x10,
  userCode32: 0x1b,
  userData: 0x23,
  code64: 0x28,
  userCode64: 0x33,
  tss: 0x38,
  conforming: 0x48,
  absent: 0x50,
  free: 0x58,
} as const;

const DESCRIPTORS: Readonly<Record<number, bigint>> = {
  [SELECTOR.code32]: 0x00cf9b000000ffffn,
  [SELECTOR.data]: 0x00cf93000000ffffn,
  [SELECTOR.userCode32 & ~3]: 0x00cffb000000ffffn,
  [SELECTOR.userData & ~3]: 0x00cff3000000ffffn,
  [SELECTOR.code64]: 0x00af9b000000ffffn,
  [SELECTOR.userCode64 & ~3]: 0x00affb000000ffffn,
  [SELECTOR.tss]: (BigInt(AT.tss) << 16n) | 0x00008b0000002067n,
  [SELECTOR.conforming]: 0x00cf9f000000ffffn,
  [SELECTOR.absent]: 0x00cf13000000ffffn,
};

export interface Fault {
  readonly vector: number;
  readonly error: number;
}

export class HelperMachine {
  readonly memory = new WebAssembly.Memory({ initial: (RAM + RAM_SIZE) / PAGE, maximum: 0x1_0000, shared: true });
  readonly #view = new DataView(this.memory.buffer);
  readonly #exports: WebAssembly.Exports;

  constructor(host: Host = {}) {
    const env: Record<string, WebAssembly.ImportValue> = { memory: this.memory };
    for (const { name, kind } of WebAssembly.Module.imports(library)) {
      if (kind === "function") env[name] = host[name] ?? (() => 0);
    }
    this.#exports = new WebAssembly.Instance(library, { env }).exports;
    this.#placeRam();
    this.set32(CPU.maxPhyAddr, 40);
    this.set(CPU.cr0, CR0.ET);
    this.set32(CPU.eflags, EFLAGS.fixed);
    this.call("tlb_flush");
  }

  #placeRam(): void {
    this.#view.setBigUint64(TABLES + SLOT.pages, BigInt(RAM_SIZE >> 12), true);
    this.#view.setUint32(TABLES + SLOT.host, RAM, true);
    this.set32(CPU.slots, TABLES);
    this.set32(CPU.slotCount, 1);
    this.set32(CPU.pageFlags, TABLES + SLOT_SIZE);
  }

  /** Calls an exported helper on the vCPU. */
  call(name: string, ...args: Value[]): Value {
    return (this.#exports[name] as (...all: Value[]) => Value)(CPU_BASE, ...args);
  }

  // State fields: 64-bit as BigInt, 32-bit as unsigned numbers

  get(at: number): bigint {
    return this.#view.getBigUint64(CPU_BASE + at, true);
  }
  set(at: number, value: Value): void {
    this.#view.setBigUint64(CPU_BASE + at, BigInt.asUintN(64, BigInt(value)), true);
  }
  get32(at: number): number {
    return this.#view.getUint32(CPU_BASE + at, true);
  }
  set32(at: number, value: number): void {
    this.#view.setUint32(CPU_BASE + at, value, true);
  }
  gpr(name: keyof typeof GPR): bigint {
    return this.get(CPU.gpr + 8 * GPR[name]);
  }
  setGpr(name: keyof typeof GPR, value: Value): void {
    this.set(CPU.gpr + 8 * GPR[name], value);
  }
  selector(name: SegmentName): number {
    return this.get32(segmentOffset(name) + SEGMENT.selector);
  }
  base(name: SegmentName): bigint {
    return this.get(segmentOffset(name) + SEGMENT.base);
  }
  attributes(name: SegmentName): number {
    return this.get32(segmentOffset(name) + SEGMENT.attributes);
  }

  // Guest-physical memory

  read(at: number, width: 1 | 2 | 4 | 8 = 8): bigint {
    if (width === 8) return this.#view.getBigUint64(RAM + at, true);
    const read = { 1: this.#view.getUint8, 2: this.#view.getUint16, 4: this.#view.getUint32 }[width];
    return BigInt(read.call(this.#view, RAM + at, true));
  }
  write(at: number, value: Value, width: 1 | 2 | 4 | 8 = 8): void {
    for (let n = 0; n < width; n++) this.#view.setUint8(RAM + at + n, Number((BigInt(value) >> BigInt(8 * n)) & 0xffn));
  }

  /** The fault that the last helper raised, and forgets it. */
  fault(): Fault | undefined {
    const trap = this.get32(CPU.trap);
    this.set32(CPU.trap, TRAP.none);
    if (trap !== TRAP.exception) return undefined;
    return { vector: this.get32(CPU.faultVector), error: this.get32(CPU.faultError) };
  }

  /** Raises an exception at CPU.rip and delivers it. */
  deliver(vector: number, error = 0, address: Value = 0): number {
    this.set32(CPU.faultVector, vector);
    this.set32(CPU.faultError, error);
    this.set(CPU.faultAddress, address);
    this.set32(CPU.trap, TRAP.exception);
    this.call("deliver");
    return this.get32(CPU.trap);
  }

  // Set-ups

  /** Fills a segment register, with its hidden part, from the GDT in guest memory. */
  setSegment(name: SegmentName, selector: number): void {
    const at = segmentOffset(name);
    const descriptor = this.read(AT.gdt + (selector & ~7));
    const base = ((descriptor >> 16n) & 0xffffffn) | ((descriptor >> 32n) & 0xff000000n);
    const limit = Number((descriptor & 0xffffn) | ((descriptor >> 32n) & 0xf0000n));
    const attributes = Number(descriptor >> 32n) & 0x00f0ff00;
    this.set(at + SEGMENT.base, base);
    this.set32(at + SEGMENT.limit, attributes & 0x80_0000 ? ((limit << 12) | 0xfff) >>> 0 : limit);
    this.set32(at + SEGMENT.attributes, attributes);
    this.set32(at + SEGMENT.selector, selector);
  }

  writeDescriptor(selector: number, descriptor: bigint): void {
    this.write(AT.gdt + (selector & ~7), descriptor);
  }

  #tables(): void {
    for (const [selector, descriptor] of Object.entries(DESCRIPTORS))
      this.writeDescriptor(Number(selector), descriptor);
    this.set(CPU.gdtrBase, AT.gdt);
    this.set32(CPU.gdtrLimit, 0x7f);
    this.set(CPU.idtrBase, AT.idt);
    this.set32(CPU.idtrLimit, 0xfff);
  }

  #enter(code: number, stack: number): void {
    this.setSegment("cs", code);
    for (const name of ["ss", "ds", "es", "fs", "gs"] as const) this.setSegment(name, stack);
    this.setSegment("tr", SELECTOR.tss);
    this.call("update_mode");
  }

  /** Real-address mode after reset, with CS = 0. */
  realMode(): this {
    for (const name of ["cs", "ss", "ds", "es", "fs", "gs"] as const) {
      this.set32(segmentOffset(name) + SEGMENT.limit, 0xffff);
      this.set32(segmentOffset(name) + SEGMENT.attributes, 0x9300);
    }
    this.set32(CPU.idtrLimit, 0x3ff);
    this.call("update_mode");
    return this;
  }

  /** Flat 32-bit protected mode without paging, at level 0 or 3. */
  protectedMode(level: 0 | 3): this {
    this.#tables();
    this.set(CPU.cr0, CR0.PE | CR0.ET);
    this.write(AT.tss + 4, AT.kernelStack, 4);
    this.write(AT.tss + 8, SELECTOR.data, 2);
    this.#enter(level ? SELECTOR.userCode32 : SELECTOR.code32, level ? SELECTOR.userData : SELECTOR.data);
    return this;
  }

  /** IA-32e mode with the first 2 MiB identity-mapped for everybody; 64-bit mode at level 0 or 3, or compatibility mode. */
  longMode(level: 0 | 3, compatibility = false): this {
    this.#tables();
    this.write(AT.pageTables, (AT.pageTables + 0x1000) | 7);
    this.write(AT.pageTables + 0x1000, (AT.pageTables + 0x2000) | 7);
    this.write(AT.pageTables + 0x2000, 0x87);
    this.set(CPU.cr0, BigInt(CR0.PG) | BigInt(CR0.PE | CR0.ET | CR0.WP));
    this.set(CPU.cr3, AT.pageTables);
    this.set(CPU.cr4, CR4.PAE);
    this.set(CPU.efer, EFER.LME | EFER.LMA | EFER.SCE);
    this.write(AT.tss + 4, AT.kernelStack);
    const code = level ? SELECTOR.userCode64 : SELECTOR.code64;
    const code32 = level ? SELECTOR.userCode32 : SELECTOR.code32;
    this.#enter(compatibility ? code32 : code, level ? SELECTOR.userData : SELECTOR.data);
    return this;
  }

  /** An IDT entry of 8 bytes. `type` includes P and DPL: 0x8e00 is an interrupt gate for level 0. */
  gate(vector: number, selector: number, offset: number, type = 0x8e00): void {
    this.write(AT.idt + 8 * vector, (BigInt(offset & ~0xffff) << 32n) | gateLow(selector, offset, type));
  }

  /** An IDT entry of 16 bytes. */
  longGate(vector: number, offset: bigint, type = 0x8e00, ist = 0): void {
    const low = Number(offset & 0xffffffffn);
    const middle = BigInt.asUintN(32, BigInt(low & ~0xffff)) << 32n;
    this.write(AT.idt + 16 * vector, middle | gateLow(SELECTOR.code64, low, type | ist));
    this.write(AT.idt + 16 * vector + 8, offset >> 32n);
  }
}

function gateLow(selector: number, offset: number, type: number): bigint {
  return (BigInt(type) << 32n) | (BigInt(selector) << 16n) | BigInt(offset & 0xffff);
}
