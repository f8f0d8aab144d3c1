import { CR0 } from "../../spec/x86/control-register.ts";
import type { Value } from "../ir/builder.ts";
import type { LaneType, PureOp } from "../ir/ops.ts";
import { CPU, VECTOR } from "../state.ts";
import type { RegisterClass, Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";

/** Bits of FSW: exception summary and top of stack. [SDM 1 8.1.3] */
const FSW_ES = 0x80;
const FSW_TOP = 0x3800;

/** An MMX register's bits 64-79 after it was written. [SDM 1 9.2] */
const MMX_EXPONENT = 0xffff;

/** A form has a register operand of this file. */
export function uses(b: InstructionBuilder, file: RegisterClass): boolean {
  return b.form.operands.some((o) => (o.kind === "register" || o.kind === "fixed") && o.file === file);
}

/**
 * An MMX or SSE instruction: raises what the state of CR0, CR4 and the x87 unit demands by the registers it uses, and
 * after its body leaves the x87 unit in the MMX state if it used an MMX register. [SDM 3A 12.1, 13.1]
 */
export const simd =
  (body: Semantics): Semantics =>
  (b) => {
    const mmx = uses(b, "mmx");
    if (uses(b, "xmm") || !mmx) checkSse(b);
    if (mmx) checkMmx(b);
    body(b);
    if (mmx) enterMmx(b);
  };

/** #UD or #NM where SSE is not enabled. */
export function checkSse(b: InstructionBuilder): void {
  const trap = b.get(CPU.sseTrap, "i32");
  b.trapIf(b.eq(trap, b.i32(VECTOR.UD)), VECTOR.UD);
  b.trapIf(b.eq(trap, b.i32(VECTOR.NM)), VECTOR.NM);
}

/** #UD by CR0.EM, #NM by CR0.TS, #MF for a pending x87 exception. */
export function checkMmx(b: InstructionBuilder): void {
  const cr0 = b.get(CPU.cr0, "i32", 4);
  b.trapIf(b.and(cr0, b.i32(CR0.EM)), VECTOR.UD);
  b.trapIf(b.and(cr0, b.i32(CR0.TS)), VECTOR.NM);
  b.trapIf(b.and(b.get(CPU.fsw, "i32"), b.i32(FSW_ES)), VECTOR.MF);
}

/** All x87 registers valid, TOP = 0. [SDM 1 9.5.1] */
export function enterMmx(b: InstructionBuilder): void {
  b.set(CPU.ftw, b.i32(0xff));
  b.set(CPU.fsw, b.and(b.get(CPU.fsw, "i32"), b.i32(~FSW_TOP)));
}

/** Linear address of the memory operand; 16 bytes that the row wants aligned raise #GP(0) where they are not. */
export function vectorAddress(b: InstructionBuilder, intent: "read" | "write", width: number): Value {
  const linear = b.address(intent, width);
  if (b.form.row.attributes.aligned && width === 16) b.trapIf(b.and(b.wrap(linear), b.i32(15)), VECTOR.GP);
  return linear;
}

/** The low `width` bytes (4, 8 or 16) of a vector operand, zero-extended to a v128. */
export function readVector(b: InstructionBuilder, index: number, width = b.operand(index).width): Value {
  const operand = b.operand(index);
  if (operand.kind === "memory") return b.load(vectorAddress(b, "read", width), width, "read", "v128");
  if (operand.kind === "register") return b.getReg(operand.slot, width, "v128");
  return b.get(CPU.xmm, "v128", width);
}

/** Writes the operand's width of a v128: an xmm register keeps the bytes above, memory has none, mmx gets 8 bytes. */
export function writeVector(b: InstructionBuilder, index: number, value: Value): void {
  const operand = b.operand(index);
  const width = operand.width;
  if (operand.kind === "memory") return b.store(vectorAddress(b, "write", width), lowBytes(b, value, width), width);
  if (operand.kind !== "register") throw new Error("fixed vector registers are read only");
  if (operand.file === "mmx") return b.setReg(operand.slot, b.replaceLane("i64x2", value, 1, b.i64(MMX_EXPONENT)), 16);
  b.setReg(operand.slot, lowBytes(b, value, width), width);
}

/** Writes all 16 bytes of an xmm register operand, whatever the operand's width. */
export function writeWhole(b: InstructionBuilder, index: number, value: Value): void {
  const operand = b.operand(index);
  if (operand.kind !== "register") throw new Error("not a register");
  b.setReg(operand.slot, value, 16);
}

function lowBytes(b: InstructionBuilder, value: Value, width: number): Value {
  if (width === 16) return value;
  return width === 8 ? b.extractLane("i64x2", value, 0) : b.extractLane("i32x4", value, 0);
}

/** Bytes of an MMX or SSE operation: 8 or 16. */
export function vectorWidth(b: InstructionBuilder): 8 | 16 {
  return uses(b, "mmx") ? 8 : 16;
}

/** DEST := f(DEST, SRC) on whole registers. */
export const binary = (f: (b: InstructionBuilder, x: Value, y: Value) => Value): Semantics =>
  simd((b) => writeVector(b, 0, f(b, readVector(b, 0), readVector(b, 1))));

/** DEST := f(SRC) on whole registers. */
export const unary = (f: (b: InstructionBuilder, x: Value) => Value): Semantics =>
  simd((b) => writeVector(b, 0, f(b, readVector(b, 1))));

/** DEST := DEST op SRC, lane by lane. */
export const laneOp = (op: PureOp, lanes: LaneType): Semantics => binary((b, x, y) => b.lanes(op, lanes, x, y));

/** v128 constants and masks. */
export const zero = (b: InstructionBuilder): Value => b.v128(0, 0, 0, 0);

/** The same 32-bit word in every lane. */
export const words = (b: InstructionBuilder, word: number): Value => b.v128(word, word, word, word);

/** The same 64-bit word in both lanes. */
export const quads = (b: InstructionBuilder, low: number, high: number): Value => b.v128(low, high, low, high);

/** mask ? x : y, bit by bit. */
export function blend(b: InstructionBuilder, mask: Value, x: Value, y: Value): Value {
  return b.bitwise("or", b.bitwise("and", x, mask), b.bitwise("andnot", y, mask));
}

/** A vector of two i64. */
export function pair(b: InstructionBuilder, low: Value, high: Value): Value {
  return b.replaceLane("i64x2", b.splat("i64x2", low), 1, high);
}

/** The 8-bit immediate, zero-extended. */
export function imm8(b: InstructionBuilder): Value {
  return b.and(b.imm("i32"), b.i32(0xff));
}
