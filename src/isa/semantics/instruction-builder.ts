import { assert } from "../../base/assert.ts";
import { Builder, type Value, widthType } from "../ir/builder.ts";
import { CPU, SEGMENT, SEGMENT_SIZE } from "../state.ts";
import type { Form, Operand } from "../table/row.ts";

type RegisterOperand = Extract<Operand, { kind: "register" | "fixed" }>;

/** A builder that knows the form whose semantics are being written: gives its operands as values. */
export class InstructionBuilder extends Builder {
  readonly form: Form;
  /** The linear address of the memory operand, once computed, by intent. */
  #address: { value: Value; intent: "read" | "write" } | undefined;
  /** What readForWrite loaded: the operand's old value. */
  #loaded: Value | undefined;
  /** Bytes between the encoded address of the memory operand and the one that is accessed. */
  #displacement: Value | undefined;

  constructor(form: Form) {
    super();
    this.form = form;
  }

  /** Operand size of the form in bits: 16, 32 or 64. */
  get bits(): 16 | 32 | 64 {
    return this.form.bits;
  }

  operand(index: number): Operand {
    const operand = this.form.operands[index];
    assert(operand !== undefined, `${this.form.row.mnemonic} has no operand ${index}`);
    return operand;
  }

  /** Width of an operand in bits. */
  bitsOf(index: number): number {
    return this.operand(index).width * 8;
  }

  /** Moves the memory operand by a number of bytes (i64), before its first use. */
  displace(bytes: Value): void {
    assert(this.#address === undefined, "the memory operand was used already");
    this.#displacement = bytes;
  }

  /** Offset of the memory operand within its segment. */
  offset(): Value {
    if (this.#displacement === undefined) return this.ea();
    return this.and(this.add(this.ea(), this.#displacement), this.addressMask());
  }

  /** The integer type that holds an operand. */
  typeOf(index: number): "i32" | "i64" {
    return this.operand(index).width === 8 ? "i64" : "i32";
  }

  /** Linear address of the memory operand, checked for an access of the operand's width. */
  address(intent: "read" | "write", width = this.#memoryWidth()): Value {
    if (this.#address?.intent !== intent) this.#address = { value: this.linear(this.offset(), width, intent), intent };
    return this.#address.value;
  }

  /**
   * The value of an operand: integers zero-extended (immediates sign-extended to the operand size, then cut to it),
   * vectors as v128 (narrower memory and mmx operands: i32 up to 4 bytes, i64 for 8).
   */
  read(index: number, width = this.operand(index).width): Value {
    const operand = this.operand(index);
    switch (operand.kind) {
      case "register":
      case "fixed":
        return this.#readRegister(operand, width);
      case "memory":
        return this.load(this.address("read", width), width);
      case "immediate":
      case "relative":
        return this.#immediate(operand, width);
      case "one":
        return this.i32(1);
      case "string":
        throw new Error("string operands are read by the string helpers");
    }
  }

  /** Reads an operand that is written back afterwards: a memory operand faults as a write. */
  readForWrite(index: number): Value {
    const operand = this.operand(index);
    if (operand.kind !== "memory") return this.read(index);
    this.#loaded = this.load(this.address("write"), operand.width, "write");
    return this.#loaded;
  }

  /**
   * Writes an operand. 32-bit general registers clear their upper half. After readForWrite a memory operand is
   * written back (compare-and-swap under LOCK) and cannot fault any more.
   */
  write(index: number, value: Value): void {
    const operand = this.operand(index);
    if (operand.kind === "register" || operand.kind === "fixed") return this.#writeRegister(operand, value);
    assert(operand.kind === "memory", "only registers and memory are written");
    if (this.#loaded === undefined) return this.store(this.address("write"), value, operand.width);
    if (this.form.lock) return this.storeLocked(this.address("write"), value, this.#loaded, operand.width);
    this.storeProbed(this.address("write"), value, operand.width);
  }

  #memoryWidth(): number {
    const memory = this.form.operands.find((o) => o.kind === "memory");
    return memory?.width ?? this.bits / 8;
  }

  #readRegister(operand: RegisterOperand, width: number): Value {
    if (operand.kind === "register") return this.getReg(operand.slot, width);
    return this.get(fixedOffset(operand), widthType(width), width);
  }

  #writeRegister(operand: RegisterOperand, value: Value): void {
    const wide = operand.file === "gpr" && operand.width === 4;
    const cut = wide ? this.extend(this.wrap(value)) : value;
    const width = wide ? 8 : operand.width;
    if (operand.kind === "register") this.setReg(operand.slot, cut, width);
    else this.set(fixedOffset(operand), cut, width);
  }

  #immediate(operand: Operand, width: number): Value {
    const bits = Math.max(width * 8, operand.width * 8, 8);
    if (bits === 64) return this.imm("i64");
    return this.zeroExtend(this.imm("i32"), bits);
  }
}

/** State offset of a register file's register. AH-BH are numbers 4-7 of gpr8 without REX and so never fixed operands here. */
function fixedOffset(operand: Extract<Operand, { kind: "fixed" }>): number {
  switch (operand.file) {
    case "gpr":
    case "gpr8":
      return CPU.gpr + 8 * operand.number;
    case "segment":
      return CPU.segments + SEGMENT_SIZE * operand.number + SEGMENT.selector;
    case "xmm":
      return CPU.xmm + 32 * operand.number;
    default:
      throw new Error(`no state offset for a fixed ${operand.file} register`);
  }
}
