import { FLAT, type Instruction, NO_REGISTER, NO_SEGMENT, PREFIX, RIP } from "./decoder/instruction.ts";
import { FORM_POPS } from "./decoder/tables.ts";
import { SEGMENTS } from "./state.ts";
import { formOf } from "./table/forms.ts";
import type { Form, Operand, RegisterClass } from "./table/row.ts";

const LEGACY = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"] as const;
const BYTES = ["al", "cl", "dl", "bl", "spl", "bpl", "sil", "dil"] as const;
const HIGH_BYTES = ["ah", "ch", "dh", "bh"] as const;
const POINTERS: Readonly<Record<number, string>> = {
  1: "BYTE",
  2: "WORD",
  4: "DWORD",
  6: "FWORD",
  8: "QWORD",
  10: "TBYTE",
  16: "XMMWORD",
  32: "YMMWORD",
};
/** Names that follow the operand size: of 16, 32 and 64 bits. */
const SIZED_NAMES: Readonly<Record<string, readonly [string, string, string]>> = {
  CBW: ["cbw", "cwde", "cdqe"],
  CWD: ["cwd", "cdq", "cqo"],
  CMPXCHG8B: ["cmpxchg8b", "cmpxchg8b", "cmpxchg16b"],
  MOVD: ["movd", "movd", "movq"],
  VMOVD: ["vmovd", "vmovd", "vmovq"],
};

/** The instruction in Intel syntax; `address` is that of its first byte, for the targets of relative jumps. */
export function disassemble(instruction: Instruction, address: bigint): string {
  const form = formOf(instruction);
  const operands = form.row.operands.map((code, n) => operandText(instruction, form.operands[n]!, code, address));
  return `${prefixText(form, instruction.prefixes)}${mnemonic(form, instruction.addressSize)} ${operands.join(",")}`.trimEnd();
}

/** Prefixes that mean something for the instruction. */
function prefixText(form: Form, prefixes: number): string {
  const lock = prefixes & PREFIX.lock ? "lock " : "";
  if (form.rep === "none") return lock;
  return lock + (form.rep === "repne" ? "repne " : form.row.attributes.rep === "repe" ? "repe " : "rep ");
}

function mnemonic(form: Form, addressSize: number): string {
  const name = form.row.mnemonic;
  if (name === "JCXZ") return addressSize === 16 ? "jcxz" : addressSize === 32 ? "jecxz" : "jrcxz";
  const names = SIZED_NAMES[name];
  return names ? names[form.bits === 16 ? 0 : form.bits === 32 ? 1 : 2] : name.toLowerCase();
}

function operandText(instruction: Instruction, operand: Operand, code: string, address: bigint): string {
  switch (operand.kind) {
    case "register":
      return registerName(operand.file, instruction[operand.slot], operand.width, instruction.rex !== 0);
    case "fixed":
      return registerName(operand.file, operand.number, operand.width, false);
    case "memory":
      return pointer(operand.width) + segmentText(instruction, operand.index) + addressText(instruction, operand.index);
    case "string":
      return stringText(instruction, operand);
    case "immediate":
      return immediateText(instruction, operand.width, code);
    case "relative":
      return targetText(instruction, address);
    case "one":
      return "1";
  }
}

function pointer(width: number): string {
  return POINTERS[width] ? `${POINTERS[width]} PTR ` : "";
}

/** Name of a register; `width` in bytes. */
export function registerName(file: RegisterClass, number: number, width: number, rex: boolean): string {
  switch (file) {
    case "gpr8":
      if (number >= 8) return `r${number}b`;
      return !rex && number >= 4 ? HIGH_BYTES[number - 4]! : BYTES[number]!;
    case "gpr":
      return generalName(number, width);
    case "segment":
      return SEGMENTS[number & 7]!;
    case "control":
      return `cr${number}`;
    case "debug":
      return `dr${number}`;
    case "x87":
      return `st(${number & 7})`;
    case "mmx":
      return `mm${number & 7}`;
    case "xmm":
      return `${width === 32 ? "y" : "x"}mm${number}`;
  }
}

function generalName(number: number, width: number): string {
  if (number >= 8) return `r${number}${width === 8 ? "" : width === 4 ? "d" : "w"}`;
  return (width === 8 ? "r" : width === 4 ? "e" : "") + LEGACY[number];
}

function segmentText({ override, segment, base, index }: Instruction, vector?: number): string {
  const bare = base === NO_REGISTER && index === NO_REGISTER && !vector;
  if (override === NO_SEGMENT && (!bare || segment === FLAT)) return bare ? "ds:" : "";
  return `${SEGMENTS[segment]}:`;
}

/** `vector`: bytes of the vector register that is the index, if one is. */
function addressText(instruction: Instruction, vector?: number): string {
  const { base, index, scale } = instruction;
  const displacement = encodedDisplacement(instruction);
  if (base === NO_REGISTER && index === NO_REGISTER && !vector)
    return hex(BigInt.asUintN(instruction.addressSize, displacement));
  const parts = [];
  if (base === RIP) parts.push(instruction.addressSize === 64 ? "rip" : "eip");
  else if (base !== NO_REGISTER) parts.push(generalName(base, instruction.addressSize / 8));
  const times = scale ? `*${1 << scale}` : "";
  if (vector) parts.push(registerName("xmm", instruction.rm, vector, false) + times);
  else if (index !== NO_REGISTER) parts.push(generalName(index, instruction.addressSize / 8) + times);
  const sum = parts.join("+");
  if (displacement === 0n) return `[${sum}]`;
  return displacement < 0n ? `[${sum}-${hex(-displacement)}]` : `[${sum}+${hex(displacement)}]`;
}

/** The displacement without what the decoder added for forms that pop first. */
function encodedDisplacement({ form, base, dispLow, dispHigh }: Instruction): bigint {
  return signed64(dispLow, dispHigh) - BigInt(base === 4 ? FORM_POPS[form]! : 0);
}

function stringText(instruction: Instruction, operand: Extract<Operand, { kind: "string" }>): string {
  const source = operand.segment === "source";
  const register = generalName(source ? 6 : 7, instruction.addressSize / 8);
  const segment = source ? (instruction.override === NO_SEGMENT ? "ds" : SEGMENTS[instruction.segment]!) : "es";
  return `${pointer(operand.width)}${segment}:[${register}]`;
}

function immediateText(instruction: Instruction, width: number, code: string): string {
  const { immLow, immHigh } = instruction;
  if (code === "Ap") return `${hex(BigInt(immHigh >>> 0))}:${hex(BigInt(immLow >>> 0))}`;
  if (formOf(instruction).row.mnemonic === "ENTER") return hex(BigInt(code === "Iw" ? immLow & 0xffff : immLow >>> 16));
  return hex(
    BigInt.asUintN(pushed(instruction, code) ? formOf(instruction).bits : width * 8, signed64(immLow, immHigh)),
  );
}

/** PUSH extends its byte to the operand size. */
function pushed(instruction: Instruction, code: string): boolean {
  return code === "Ib" && formOf(instruction).row.mnemonic === "PUSH";
}

function targetText(instruction: Instruction, address: bigint): string {
  const { immLow, immHigh, length } = instruction;
  return hex(BigInt.asUintN(formOf(instruction).bits, address + BigInt(length) + signed64(immLow, immHigh)));
}

function signed64(low: number, high: number): bigint {
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

function hex(value: bigint): string {
  return `0x${value.toString(16)}`;
}
