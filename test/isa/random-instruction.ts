import { DECODE, decode } from "../../src/isa/decoder/decode.ts";
import { Instruction, NO_REGISTER, RIP } from "../../src/isa/decoder/instruction.ts";
import { GPR } from "../../src/isa/state.ts";
import { FORM_ENDS } from "../../src/isa/table/facts.ts";
import type { Form } from "../../src/isa/table/row.ts";
import type { CodeBuffer } from "./code-buffer.ts";
import { readsFlags, undefinedFlags, writesAllFlags } from "./compare.ts";
import { encodeForm } from "./encode.ts";
import { DATA, FS_BASE, GS_BASE, PAGE } from "./layout.ts";
import type { Random } from "./random.ts";
import { randomTarget } from "./random-state.ts";

const ATTEMPTS = 30;
/** What most code consists of. */
const COMMON =
  /^(MOV|ADD|SUB|CMP|TEST|AND|OR|XOR|LEA|INC|DEC|NEG|NOT|ADC|SBB|SHL|SHR|SAR|ROL|RCR|MOVZX|MOVSXD?|CMOV.*|SET.*|XCHG|IMUL|PUSH|POP|BT|BSWAP|MOVS|STOS|MOVDQU|MOVAPS|PXOR|PADDD|ADDSD|MULPS)$/;
/** What moves the stack's frame, or whose outcome is the model's choice: see model-choices.ts. */
const UNWANTED =
  /^(ENTER|LEAVE|PUSHA|POPA|POPF|V?LDMXCSR|V?DPP[SD]|SHA\w+|V?P?GATHER\w+|V?MASKMOVDQU|MASKMOVQ|FN?(?:XSAVE|XRSTOR|SAVE|RSTOR|STENV|LDENV)|V?R(?:CP|SQRT)[PS]S|BOUND|WR[FG]SBASE)$/;
const STRING_REGISTERS = [GPR.rsi, GPR.rdi] as const;
const SEGMENT_BASES: ReadonlyMap<number, number> = new Map([
  [4, FS_BASE],
  [5, GS_BASE],
]);

function isWanted({ id, row, bits, operands, memory }: Form): boolean {
  const { mnemonic, opcode } = row;
  if (FORM_ENDS[id] || UNWANTED.test(mnemonic) || (opcode.startsWith("0F 0D") && !memory)) return false;
  if (bits === 16 && /^(SHLD|SHRD|MOVSXD)$/.test(mnemonic)) return false;
  return mnemonic !== "PUSH" || bits === 64 || !operands.some((o) => "file" in o && o.file === "segment");
}

/** What the generator needs to know of a form, found out once. */
interface Traits {
  readonly reads: boolean;
  readonly undefinedFlags: number;
  readonly writesAll: boolean;
}

const traits = new Map<Form, Traits>();

function traitsOf(form: Form): Traits {
  let known = traits.get(form);
  if (known === undefined) {
    known = { reads: readsFlags(form), undefinedFlags: undefinedFlags(form), writesAll: writesAllFlags(form) };
    traits.set(form, known);
  }
  return known;
}

/** The forms that random instructions are made of. */
export class FormPool {
  readonly #all: readonly Form[];
  readonly #common: readonly Form[];
  readonly #inRegisters: readonly Form[];

  constructor(forms: readonly Form[]) {
    this.#all = forms.filter(isWanted);
    this.#common = this.#all.filter(({ row }) => COMMON.test(row.mnemonic));
    this.#inRegisters = this.#common.filter(
      ({ memory, row, operands }) =>
        !memory && !/^(PUSH|POP)$/.test(row.mnemonic) && operands.every(({ kind }) => kind !== "string"),
    );
  }

  pick(random: Random): Form {
    return random.pick(random.chance(65) ? this.#common : this.#all);
  }

  pickInRegisters(random: Random): Form {
    return random.pick(this.#inRegisters);
  }
}

/** Writes random instructions, each with what it needs to find its operands; what is not defined does not decide. */
export class InstructionWriter {
  readonly #random: Random;
  readonly #bits: 32 | 64;
  readonly #pool: FormPool;
  readonly #insn = new Instruction();
  /** General registers that no instruction may be seen to write. */
  readonly reserved = new Set<number>([GPR.rsp, GPR.rbp]);
  /** Some flags may be undefined. */
  flagsUndefined = true;

  constructor(random: Random, bits: 32 | 64, pool: FormPool) {
    this.#random = random;
    this.#bits = bits;
    this.#pool = pool;
  }

  /** Any instruction. */
  write(code: CodeBuffer): void {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) if (this.#try(code, this.#pool.pick(this.#random))) return;
  }

  /** Bytes of an instruction that accesses no memory and reads no flags, of `room` bytes at most; NOPs if none was found. */
  inRegisters(room: number): number[] {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const form = this.#pool.pickInRegisters(this.#random);
      const bytes = this.#encode(form);
      if (bytes && bytes.length <= room && !traitsOf(form).reads) return [...bytes];
    }
    return Array.from({ length: room }, () => 0x90);
  }

  /** Defines all flags by a comparison. */
  compare(code: CodeBuffer): void {
    const registers = (this.#random.below(8) << 3) | this.#random.below(8);
    if (this.#random.chance(50)) code.emit(0x39, 0xc0 | registers);
    else code.emit(0x83, 0xf8 | (registers & 7), Number(this.#random.edge(8)));
    this.flagsUndefined = false;
  }

  /** MOV of a constant. */
  load(code: CodeBuffer, register: number, value: bigint): void {
    const wide = BigInt.asUintN(this.#bits, value);
    const isShort = wide < 1n << 32n;
    const rex = (isShort ? 0 : 8) | (register >> 3);
    if (rex !== 0) code.emit(0x40 | rex);
    code.emit(0xb8 | (register & 7));
    code.number(wide, isShort ? 4 : 8);
  }

  /** A register that may be written. */
  register(): number {
    for (;;) {
      const register = this.#random.below(this.#bits === 64 ? 16 : 8);
      if (!this.reserved.has(register)) return register;
    }
  }

  /** An encoding of a form that touches no reserved register. */
  #encode(form: Form): Uint8Array | undefined {
    const bytes = encodeForm(form, this.#bits, this.#random);
    const insn = this.#insn;
    if (decode(bytes, 0, bytes.length, this.#bits, insn) !== DECODE.ok || insn.form !== form.id) return undefined;
    const isReserved = form.operands.some(
      (o) =>
        o.kind === "register" &&
        (o.file === "gpr" || o.file === "gpr8") &&
        this.#isReserved(insn[o.slot], o.file === "gpr8" && insn.rex === 0),
    );
    return isReserved ? undefined : bytes.subarray(0, insn.length);
  }

  /** `mayBeHigh`: 4 to 7 are AH, CH, DH and BH. */
  #isReserved(register: number, mayBeHigh: boolean): boolean {
    return this.reserved.has(mayBeHigh ? register & 3 : register);
  }

  #try(code: CodeBuffer, form: Form): boolean {
    const bytes = this.#encode(form);
    if (bytes === undefined) return false;
    const { reads, undefinedFlags: left, writesAll } = traitsOf(form);
    if (reads && this.flagsUndefined) this.compare(code);
    if (!this.#reach(code, form, bytes)) return false;
    code.emit(...bytes);
    this.flagsUndefined = (this.flagsUndefined && !writesAll) || left !== 0;
    return true;
  }

  /** Loads the registers that the instruction finds its operands by; false: it must not be executed. */
  #reach(code: CodeBuffer, form: Form, bytes: Uint8Array): boolean {
    const isString = form.operands.some(({ kind }) => kind === "string");
    if (isString) this.#reachStrings(code, form);
    else if (form.memory) return this.#reachMemory(code, form, bytes);
    return true;
  }

  #reachStrings(code: CodeBuffer, form: Form): void {
    for (const register of STRING_REGISTERS) this.load(code, register, randomTarget(this.#random, 8));
    if (form.rep !== "none") this.load(code, GPR.rcx, BigInt(this.#random.below(40)));
  }

  #reachMemory(code: CodeBuffer, form: Form, bytes: Uint8Array): boolean {
    const random = this.#random;
    const insn = this.#insn;
    const isLocked = form.lock || form.row.attributes.lock === "always";
    const { base, index } = insn;
    if (this.reserved.has(base) || this.reserved.has(index))
      return !isLocked && index === NO_REGISTER && random.chance(20);
    const width = form.operands.find((o) => o.kind === "memory")?.width ?? 8;
    const linear = isLocked ? BigInt(DATA + PAGE + 16) & BigInt(-Math.max(width, 8)) : this.#target(width);
    const offset = linear - BigInt(SEGMENT_BASES.get(insn.segment) ?? 0);
    if (base === RIP || (base === NO_REGISTER && index === NO_REGISTER))
      return this.#reachByDisplacement(code, form, bytes, offset) || !isLocked;
    if (isLocked && (base === index || base === NO_REGISTER || insn.addressSize === 16)) return false;
    this.#reachByRegisters(code, offset);
    return this.#reachBit(code, form, isLocked);
  }

  #target(width: number): bigint {
    if (this.#random.chance(15)) return randomTarget(this.#random, width);
    const aligned = BigInt(-(width & -width) || -1);
    return BigInt(DATA + PAGE + this.#random.below(96) - 48) & (this.#random.chance(80) ? aligned : -1n);
  }

  #reachByRegisters(code: CodeBuffer, offset: bigint): void {
    const { base, index, scale, dispLow } = this.#insn;
    const isVector = index >= 16 || index === NO_REGISTER;
    const step = isVector || base === index ? 0n : BigInt(this.#random.below(8));
    if (step !== 0n || (!isVector && base !== index)) this.load(code, index, step);
    const value = offset - (step << BigInt(scale)) - BigInt(dispLow);
    if (base !== NO_REGISTER) this.load(code, base, base === index ? value / (1n + (1n << BigInt(scale))) : value);
    else if (!isVector) this.load(code, index, (offset - BigInt(dispLow)) >> BigInt(scale));
  }

  /** Bit strings reach far by the register that counts bits. */
  #reachBit(code: CodeBuffer, form: Form, isLocked: boolean): boolean {
    const { reg, base, index } = this.#insn;
    if (!/^BT[SRC]?$/.test(form.row.mnemonic) || form.operands[1]?.kind !== "register") return true;
    if (reg === base || reg === index) return !isLocked;
    this.load(code, reg, BigInt(this.#random.below(isLocked ? 16 : 200)));
    return true;
  }

  /** Rewrites the displacement or the absolute offset; false if there is none of enough bytes. */
  #reachByDisplacement(code: CodeBuffer, form: Form, bytes: Uint8Array, offset: bigint): boolean {
    const insn = this.#insn;
    const isAbsolute = form.row.operands.some((operand) => operand.startsWith("O"));
    const size = isAbsolute ? insn.addressSize / 8 : 4;
    if (size < 4) return false;
    const value = insn.base === RIP ? offset - BigInt(code.here + insn.length) : offset;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = bytes.length - size; at > 0; at--) {
      if (view.getInt32(at, true) !== insn.dispLow) continue;
      for (let n = 0; n < size; n++) bytes[at + n] = Number((value >> BigInt(8 * n)) & 0xffn);
      return true;
    }
    return false;
  }
}
