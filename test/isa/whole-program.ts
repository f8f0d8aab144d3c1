import { GPR } from "../../src/isa/state.ts";
import { CodeBuffer, type Label } from "./code-buffer.ts";
import { CODE, DATA, MAX_CATCHES, PAGE, READ_ONLY } from "./layout.ts";
import type { UserProgram } from "./program.ts";
import type { Random } from "./random.ts";
import { type FormPool, InstructionWriter } from "./random-instruction.ts";
import { randomState } from "./random-state.ts";

/** Instructions after which a program counts as endless. */
const STEPS = 2500;
const MAX_DEPTH = 3;
const FUNCTIONS = 3;
const SLOT_BYTES = 8;
/** Counters of loops in memory, 4 bytes each, outside the windows. */
const COUNTERS = DATA + 0x80;
/** Where the stack begins, outside the windows. */
const STACK = DATA + PAGE + 0x600;
const NOP = 0x90;
const REX_W = 0x48;

/** Bytes of code that are changed while the program runs, with two contents, which both are instructions. */
interface Slot {
  readonly label: Label;
  readonly first: readonly number[];
  readonly second: readonly number[];
  isPlaced: boolean;
}

/**
 * Makes a whole program: blocks of random instructions under branches, bounded loops, calls, indirect jumps, with code that
 * changes itself and places to go on at after exceptions.
 */
export class WholeProgram {
  readonly #random: Random;
  readonly #bits: 32 | 64;
  readonly #hasYmm: boolean;
  readonly #writer: InstructionWriter;
  readonly #code: CodeBuffer;
  readonly #offset: number;
  readonly #functions: Label[] = [];
  readonly #slots: Slot[] = [];
  /** Tables of addresses, which stand behind the code. */
  readonly #tables: { readonly label: Label; readonly entries: readonly Label[] }[] = [];
  /** Slots' contents to copy from. */
  readonly #templates: { readonly label: Label; readonly bytes: readonly number[] }[] = [];
  readonly #landings: Label[] = [];
  #counters = 0;
  #isInFunction = false;

  constructor(random: Random, bits: 32 | 64, pool: FormPool, hasYmm: boolean) {
    this.#random = random;
    this.#bits = bits;
    this.#hasYmm = hasYmm;
    this.#writer = new InstructionWriter(random, bits, pool);
    this.#offset = random.pick([0x100, 0x100, PAGE - 0x180 + random.below(0x100), random.below(0x800)]);
    this.#code = new CodeBuffer(CODE + this.#offset);
  }

  make(): UserProgram {
    this.#prepare();
    const pieces = 3 + this.#random.below(7);
    for (let n = 0; n < pieces; n++) {
      this.#landings.push(this.#placed());
      this.#piece(0);
    }
    this.#end();
    this.#writeFunctions();
    this.#writeTail();
    const state = randomState(this.#random, this.#bits, this.#hasYmm);
    state.rip = BigInt(CODE + this.#offset);
    state.gpr[GPR.rsp] = BigInt(STACK + 8 * this.#random.below(4));
    const code = this.#code.finish();
    return { bits: this.#bits, code, offset: this.#offset, state, catches: this.#catches(), steps: STEPS };
  }

  #prepare(): void {
    const functions = this.#random.below(FUNCTIONS + 1);
    for (let n = 0; n < functions; n++) this.#functions.push(this.#code.label());
    const slots = this.#random.below(3);
    for (let n = 0; n < slots; n++)
      this.#slots.push({
        label: this.#code.label(),
        first: this.#content(),
        second: this.#content(),
        isPlaced: false,
      });
  }

  /** Instructions that fill a slot. */
  #content(): number[] {
    const bytes: number[] = [];
    for (let n = 0; n < 4 && bytes.length < SLOT_BYTES; n++)
      bytes.push(...this.#writer.inRegisters(SLOT_BYTES - bytes.length));
    while (bytes.length < SLOT_BYTES) bytes.push(NOP);
    return bytes;
  }

  #catches(): number[] {
    const wanted = this.#random.below(MAX_CATCHES + 1);
    const picked = this.#random.shuffle(this.#landings).slice(0, wanted);
    return picked.map(({ at }) => CODE + this.#offset + at).sort((a, b) => a - b);
  }

  #placed(): Label {
    const label = this.#code.label();
    this.#place(label);
    return label;
  }

  /** Whoever comes here may have left flags undefined. */
  #place(label: Label): void {
    this.#code.place(label);
    this.#writer.flagsUndefined = true;
  }

  #end(): void {
    this.#code.emit(0x0f, 0x0b);
  }

  #piece(depth: number): void {
    const random = this.#random;
    const kind = random.below(100);
    if (kind < 30 || depth >= MAX_DEPTH) this.#straight();
    else if (kind < 48) this.#branch(depth);
    else if (kind < 66) this.#loop(depth);
    else if (kind < 76) this.#call();
    else if (kind < 83) this.#switch(depth);
    else if (kind < 92) this.#change();
    else if (kind < 96) this.#fault();
    else this.#overlap();
  }

  #straight(): void {
    const count = 1 + this.#random.below(6);
    for (let n = 0; n < count; n++) this.#writer.write(this.#code);
  }

  #pieces(depth: number): void {
    const count = 1 + this.#random.below(2);
    for (let n = 0; n < count; n++) this.#piece(depth + 1);
  }

  /** Jcc by flags that are defined. */
  #jumpIf(target: Label): void {
    if (this.#writer.flagsUndefined || this.#random.chance(50)) this.#writer.compare(this.#code);
    this.#code.emit(0x0f, 0x80 | this.#random.below(16));
    this.#code.relative(target);
  }

  #jump(target: Label): void {
    this.#code.emit(0xe9);
    this.#code.relative(target);
  }

  #branch(depth: number): void {
    const [other, end] = [this.#code.label(), this.#code.label()];
    this.#jumpIf(other);
    this.#pieces(depth);
    if (this.#random.chance(50)) {
      this.#jump(end);
      this.#place(other);
      this.#pieces(depth);
    } else this.#place(other);
    this.#place(end);
  }

  #loop(depth: number): void {
    const turns = 1 + this.#random.below(depth === 0 ? 20 : 5);
    const free = [GPR.rbx, ...(this.#bits === 64 ? [12, 13, 14, 15] : [])].filter((r) => !this.#writer.reserved.has(r));
    if (this.#isInFunction || free.length === 0 || this.#random.chance(30)) this.#loopByMemory(depth, turns);
    else this.#loopByRegister(depth, turns, this.#random.pick(free));
  }

  #loopByMemory(depth: number, turns: number): void {
    const counter = COUNTERS + 4 * this.#counters++;
    this.#atAbsolute([0xc7], 0, counter);
    this.#code.number(turns, 4);
    const top = this.#placed();
    this.#pieces(depth);
    this.#atAbsolute([0x83], 5, counter);
    this.#code.emit(1, 0x0f, 0x85);
    this.#code.relative(top);
    this.#writer.flagsUndefined = false;
  }

  #loopByRegister(depth: number, turns: number, counter: number): void {
    const { reserved } = this.#writer;
    this.#writer.load(this.#code, counter, BigInt(turns));
    reserved.add(counter);
    const top = this.#placed();
    this.#pieces(depth);
    reserved.delete(counter);
    if (counter >= 8) this.#code.emit(0x41);
    this.#code.emit(0x83, 0xe8 | (counter & 7), 1, 0x0f, 0x85);
    this.#code.relative(top);
    this.#writer.flagsUndefined = false;
  }

  /** An opcode with an absolute address as its operand, whose last bytes may be an immediate's. */
  #atAbsolute(opcode: readonly number[], reg: number, address: number | Label): void {
    this.#code.emit(...opcode, ...(this.#bits === 64 ? [(reg << 3) | 4, 0x25] : [(reg << 3) | 5]));
    if (typeof address === "number") this.#code.number(address, 4);
    else this.#code.absolute(address);
  }

  #call(): void {
    if (this.#isInFunction || this.#functions.length === 0) return this.#straight();
    const target = this.#random.pick(this.#functions);
    const kind = this.#random.below(3);
    if (kind === 0) {
      this.#code.emit(0xe8);
      this.#code.relative(target);
    } else if (kind === 1) this.#atAbsolute([0xff], 2, this.#table([target]));
    else {
      const register = this.#loadAddress(target);
      this.#code.emit(...(register >= 8 ? [0x41] : []), 0xff, 0xd0 | (register & 7));
    }
    this.#writer.flagsUndefined = true;
  }

  #loadAddress(target: Label): number {
    const register = this.#writer.register();
    this.#code.emit(...(register >= 8 ? [0x41] : []), 0xb8 | (register & 7));
    this.#code.absolute(target);
    return register;
  }

  #table(entries: readonly Label[]): Label {
    const label = this.#code.label();
    this.#tables.push({ label, entries });
    return label;
  }

  /** A jump through a table by what is in a register. */
  #switch(depth: number): void {
    const cases = Array.from({ length: this.#random.pick([2, 4]) }, () => this.#code.label());
    const end = this.#code.label();
    const register = this.#writer.register();
    const high = register >= 8;
    this.#code.emit(...(high ? [0x41] : []), 0x83, 0xe0 | (register & 7), cases.length - 1);
    const scale = this.#bits === 64 ? 0xc0 : 0x80;
    this.#code.emit(...(high ? [0x42] : []), 0xff, 0x24, scale | ((register & 7) << 3) | 5);
    this.#code.absolute(this.#table(cases));
    this.#writer.flagsUndefined = true;
    for (const one of cases) {
      this.#place(one);
      this.#piece(depth + 1);
      this.#jump(end);
    }
    this.#place(end);
  }

  /** Code that changes a slot, which may stand right behind, elsewhere, or has been executed already. */
  #change(): void {
    const random = this.#random;
    if (this.#slots.length === 0) return this.#straight();
    const slot = random.pick(this.#slots);
    const kind = random.below(4);
    if (kind === 0) this.#toggle(slot);
    else if (kind === 1 && this.#bits === 64) this.#storeWhole(slot);
    else if (kind === 2) this.#copyOver(slot);
    else this.#storeHalves(slot);
    if (random.chance(50)) this.#code.emit(0xeb, 0);
    this.#writer.flagsUndefined = true;
    if (!slot.isPlaced) this.#placeSlot(slot);
  }

  #placeSlot(slot: Slot): void {
    slot.isPlaced = true;
    this.#place(slot.label);
    this.#code.emit(...slot.first);
    this.#writer.flagsUndefined = true;
  }

  /** XOR with the difference of both contents. */
  #toggle({ label, first, second }: Slot): void {
    this.#halves(
      label,
      6,
      0x81,
      first.map((byte, n) => byte ^ second[n]!),
    );
  }

  #storeHalves({ label, first, second }: Slot): void {
    this.#halves(label, 0, 0xc7, this.#random.chance(70) ? second : first);
  }

  #halves(label: Label, reg: number, opcode: number, bytes: readonly number[]): void {
    for (const at of [0, 4]) {
      const address = this.#loadAddress(label);
      this.#code.emit(...(address >= 8 ? [0x41] : []), opcode, 0x80 | (reg << 3) | (address & 7));
      if ((address & 7) === 4) this.#code.emit(0x24);
      this.#code.number(at, 4);
      this.#code.emit(...bytes.slice(at, at + 4));
    }
  }

  #storeWhole({ label, second }: Slot): void {
    const register = this.#writer.register();
    const bytes = Buffer.from(second);
    this.#writer.load(this.#code, register, bytes.readBigUInt64LE());
    this.#code.emit(REX_W | (register >= 8 ? 4 : 0), 0x89, ((register & 7) << 3) | 4, 0x25);
    this.#code.absolute(label);
  }

  #copyOver({ label, first, second }: Slot): void {
    const template = { label: this.#code.label(), bytes: this.#random.chance(70) ? second : first };
    this.#templates.push(template);
    this.#code.emit(0xbe);
    this.#code.absolute(template.label);
    this.#code.emit(0xbf);
    this.#code.absolute(label);
    this.#writer.load(this.#code, GPR.rcx, BigInt(SLOT_BYTES));
    this.#code.emit(0xfc, 0xf3, 0xa4);
  }

  /** Something that raises an exception, or may. */
  #fault(): void {
    const random = this.#random;
    const register = random.pick([GPR.rax, GPR.rcx, GPR.rdx, GPR.rsi]);
    const kind = random.below(5);
    if (kind === 0) this.#code.emit(0x0f, 0x0b);
    else if (kind === 1) this.#code.emit(0x31, 0xc9, 0xf7, 0xf1);
    else if (kind === 2) this.#code.emit(0xf4);
    else {
      this.#writer.load(this.#code, register, random.pick([8n, BigInt(READ_ONLY), 0x8000_0000_0000_0000n]));
      this.#code.emit(kind === 3 ? 0x8b : 0x01, 0x10 | register);
    }
    this.#writer.flagsUndefined = true;
  }

  /** A jump into the immediate of an instruction, which is instructions itself. */
  #overlap(): void {
    const inside = this.#code.label();
    this.#jumpIf(inside);
    this.#code.emit(0xa9);
    this.#place(inside);
    const bytes = this.#writer.inRegisters(4);
    while (bytes.length < 4) bytes.push(NOP);
    this.#code.emit(...bytes);
  }

  #writeFunctions(): void {
    this.#isInFunction = true;
    for (const label of this.#functions) {
      this.#place(label);
      const rex = this.#bits === 64 ? [REX_W] : [];
      this.#code.emit(0x55, ...rex, 0x89, 0xe5);
      this.#pieces(1);
      this.#code.emit(0xc9, 0xc3);
    }
    for (const slot of this.#slots) {
      if (slot.isPlaced) continue;
      this.#placeSlot(slot);
      this.#end();
    }
  }

  #writeTail(): void {
    const size = this.#bits === 64 ? 8 : 4;
    for (const { label, entries } of this.#tables) {
      this.#code.place(label);
      for (const entry of entries) this.#code.absolute(entry, size);
    }
    for (const { label, bytes } of this.#templates) {
      this.#code.place(label);
      this.#code.emit(...bytes);
    }
  }
}
