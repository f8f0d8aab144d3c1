import { DECODE, decode } from "../../src/isa/decoder/decode.ts";
import { Instruction, NO_REGISTER, RIP } from "../../src/isa/decoder/instruction.ts";
import { EFLAGS, GPR } from "../../src/isa/state.ts";
import type { Form } from "../../src/isa/table/row.ts";
import { encodeForm } from "./encode.ts";
import { CODE, CODE_BYTES, CODE_PAGES, DATA, FS_BASE, GS_BASE, PAGE, WINDOW_BYTES } from "./layout.ts";
import type { UserProgram, UserState } from "./program.ts";
import type { Random } from "./random.ts";
import { randomState, randomTarget } from "./random-state.ts";
import { SELECTORS, usesSelector } from "./selectors.ts";

const ATTEMPTS = 50;
const MAX_INSTRUCTIONS = 4;
/** Forms whose counts or indexes are kept small in most programs, else every access would fault. */
const BIT_STRINGS: ReadonlySet<string> = new Set(["BT", "BTS", "BTR", "BTC"]);
const FLAG_RESTORERS: ReadonlySet<string> = new Set(["POPF"]);
/** Flags that a program may load: no single steps, no alignment checks. */
const HARMLESS_FLAGS = EFLAGS.arithmetic | EFLAGS.DF;

/** Bases of segments that have one, by number. */
const BASES: ReadonlyMap<number, number> = new Map([
  [4, FS_BASE],
  [5, GS_BASE],
]);

/** Locked by a prefix, or by nature. */
function isLocked(form: Form): boolean {
  return form.memory && (form.lock || form.row.attributes.lock === "always");
}

function windowView({ windows }: UserState): DataView {
  return new DataView(windows.buffer, windows.byteOffset, WINDOW_BYTES);
}

/** Makes programs: what is chosen depends on nothing but the seed and the table. */
export class ProgramGenerator {
  readonly #random: Random;
  readonly #insn = new Instruction();
  readonly #bits: 32 | 64;
  readonly #state: UserState;
  /** Registers that must keep their values: an address counts on them. */
  readonly #pinned = new Set<number>();
  readonly #code: number[] = [];
  readonly #offset: number;

  /** `hasYmm`: the upper halves of YMM registers are not 0. */
  constructor(random: Random, bits: 32 | 64, hasYmm: boolean) {
    this.#random = random;
    this.#bits = bits;
    // the end of the code pages and the border between them are met now and then
    const places = [0x100, 0x100, 0x100, PAGE - random.below(16), CODE_PAGES * PAGE - CODE_BYTES];
    this.#offset = random.pick(places);
    this.#state = randomState(random, bits, hasYmm);
    this.#state.rip = BigInt(CODE + this.#offset);
  }

  /** A program whose first instruction is of the form, if an encoding of it was found. */
  program(form: Form, others: readonly Form[]): UserProgram | undefined {
    if (!this.#append(form)) return undefined;
    const more = this.#random.chance(30) ? 1 + this.#random.below(MAX_INSTRUCTIONS - 1) : 0;
    for (let n = 0; n < more; n++) this.#append(this.#random.pick(others));
    return { bits: this.#bits, code: Uint8Array.from(this.#code), offset: this.#offset, state: this.#state };
  }

  /** Adds an instruction of a form and gives it registers to find its memory operand by; false if none was found. */
  #append(form: Form): boolean {
    // what a locked access reaches must be certain, so nothing may come before it
    if (isLocked(form) && this.#code.length > 0) return false;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const bytes = encodeForm(form, this.#bits, this.#random);
      if (decode(bytes, 0, bytes.length, this.#bits, this.#insn) !== DECODE.ok || this.#insn.form !== form.id) continue;
      if (this.#code.length + this.#insn.length > CODE_BYTES) return false;
      if (this.#countsInHalves(form)) continue;
      const insn = bytes.subarray(0, this.#insn.length);
      if (form.memory && !this.#reach(form, insn)) continue;
      this.#prepare(form);
      this.#code.push(...insn);
      return true;
    }
    return false;
  }

  /** Where a locked access may go without stopping the whole machine: within a cache line. */
  #lockedTarget(width: number): bigint {
    return BigInt(DATA + PAGE + 16) & BigInt(-Math.max(width, 8));
  }

  /** Sets registers or the displacement so that the memory operand is at a target; false if a locked one missed it. */
  #reach(form: Form, bytes: Uint8Array): boolean {
    const insn = this.#insn;
    const width = form.operands.find((o) => o.kind === "memory")?.width ?? 8;
    const linear = isLocked(form) ? this.#lockedTarget(width) : randomTarget(this.#random, width);
    const offset = linear - BigInt(BASES.get(insn.segment) ?? 0);
    const isAbsolute = insn.index === NO_REGISTER && (insn.base === NO_REGISTER || insn.base === RIP);
    if (isAbsolute) this.#reachByDisplacement(form, bytes, offset);
    else this.#reachByRegisters(offset);
    return isAbsolute || !isLocked(form) || this.#registerSum() === BigInt.asUintN(insn.addressSize, offset);
  }

  /** The address of a memory operand that has registers. */
  #registerSum(): bigint {
    const { base, index, scale, dispLow, addressSize } = this.#insn;
    const value = (register: number): bigint => this.#state.gpr[register] ?? 0n;
    return BigInt.asUintN(addressSize, value(base) + (value(index) << BigInt(scale)) + BigInt(dispLow));
  }

  #reachByRegisters(offset: bigint): void {
    const { base, index, scale, dispLow } = this.#insn;
    const { gpr } = this.#state;
    if (base < 16 && !this.#pinned.has(base)) {
      const both = base === index;
      const scaled = index < 16 && !both ? gpr[index]! << BigInt(scale) : 0n;
      const value = offset - scaled - BigInt(dispLow);
      gpr[base] = BigInt.asUintN(this.#bits, both ? value / (1n + (1n << BigInt(scale))) : value);
    } else if (base === NO_REGISTER && !this.#pinned.has(index)) {
      gpr[index] = BigInt.asUintN(this.#bits, (offset - BigInt(dispLow)) >> BigInt(scale));
    }
    for (const register of [base, index]) if (register < 16) this.#pinned.add(register);
  }

  /** Rewrites the last bytes that are a displacement or an absolute offset. */
  #reachByDisplacement(form: Form, bytes: Uint8Array, offset: bigint): void {
    const insn = this.#insn;
    const next = BigInt(CODE + this.#offset + this.#code.length + insn.length);
    const value = insn.base === RIP ? offset - next : offset;
    const absolute = form.row.operands.some((code) => code.startsWith("O"));
    const size = absolute ? insn.addressSize / 8 : 4;
    if (size < 4) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = bytes.length - size; at > 0; at--) {
      if (view.getInt32(at, true) !== insn.dispLow) continue;
      for (let n = 0; n < size; n++) bytes[at + n] = Number((value >> BigInt(8 * n)) & 0xffn);
      return;
    }
  }

  /** What an instruction needs besides its memory operand to do something worth seeing. */
  #prepare(form: Form): void {
    const { gpr } = this.#state;
    const { mnemonic } = form.row;
    const random = this.#random;
    if (BIT_STRINGS.has(mnemonic) && form.memory && !this.#pinned.has(this.#insn.reg)) {
      gpr[this.#insn.reg] = BigInt.asUintN(this.#bits, BigInt(random.below(600)) - 300n);
    }
    if (form.rep !== "none" && this.#insn.addressSize === 32) this.#clearUpperHalves();
    if (FLAG_RESTORERS.has(mnemonic)) this.#tameFlags();
    if (usesSelector(form)) this.#plantSelector(form);
    if (mnemonic === "XGETBV" && random.chance(50)) gpr[GPR.rcx] = BigInt(2 + random.below(3));
    if (/^(CALL|JMP|RET)$/.test(mnemonic) && random.chance(80)) this.#plantTarget(form);
  }

  /** A repetition that counts in the lower half of a register whose upper half is not known to be 0. */
  #countsInHalves(form: Form): boolean {
    return form.rep !== "none" && this.#insn.addressSize === 32 && this.#bits === 64 && this.#code.length > 0;
  }

  /** When a processor clears the upper halves of registers that a string instruction uses in 32 bits is its own affair. */
  #clearUpperHalves(): void {
    const { gpr } = this.#state;
    for (const register of [GPR.rcx, GPR.rsi, GPR.rdi]) {
      gpr[register] = BigInt.asUintN(32, gpr[register]!);
      this.#pinned.add(register);
    }
  }

  /** The words that POPF may meet have no flags that would trap. */
  #tameFlags(): void {
    this.#state.gpr[GPR.rsp] = BigInt(DATA + PAGE + 8);
    this.#pinned.add(GPR.rsp);
    const view = windowView(this.#state);
    for (let at = 64; at < 128; at += 8) view.setBigUint64(at, BigInt(this.#random.u32() & HARMLESS_FLAGS), true);
  }

  /** Puts selectors where they may be found. */
  #plantSelector(form: Form): void {
    const view = windowView(this.#state);
    for (let at = 0; at < WINDOW_BYTES; at += 2) view.setUint16(at, this.#random.pick(SELECTORS), true);
    const { rm } = this.#insn;
    if (form.memory || this.#pinned.has(rm) || rm === GPR.rsp) return;
    const high = this.#random.chance(50) ? this.#random.u64() : 0n;
    const value = (high & ~0xffffn) | BigInt(this.#random.pick(SELECTORS));
    this.#state.gpr[rm] = BigInt.asUintN(this.#bits, value);
  }

  /** Puts an address of code where an indirect jump finds it. */
  #plantTarget(form: Form): void {
    const target = BigInt(CODE + this.#random.below(CODE_PAGES * PAGE));
    if (!form.memory && form.operands[0]?.kind === "register") {
      if (!this.#pinned.has(this.#insn.rm)) this.#state.gpr[this.#insn.rm] = target;
      return;
    }
    const view = windowView(this.#state);
    const step = this.#bits / 8;
    for (let at = 0; at < WINDOW_BYTES; at += step) {
      if (step === 8) view.setBigUint64(at, target, true);
      else view.setUint32(at, Number(target), true);
    }
  }
}
