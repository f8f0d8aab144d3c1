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

/** A vector as lanes of 128 bits (v128), the lowest first: one, or two of a 256-bit operand. */
export type Lanes = readonly Value[];

/**
 * A form with a VEX prefix: its first source may be another register than its destination, memory operands need no alignment
 * unless the row says so, and what lies above the result in its register becomes 0. [SDM 1 14.1.1, 14.9]
 */
export function isVex(b: InstructionBuilder): boolean {
  return b.form.row.opcode.startsWith("VEX.");
}

/** Index of the first source operand: the destination too, unless VEX.vvvv names another register. */
export function first(b: InstructionBuilder): number {
  const [destination, source] = b.form.operands;
  const apart = [destination, source].some((o) => o?.kind === "register" && o.slot === "vvvv");
  return apart ? 1 : 0;
}

/** Index of the second source operand, which is the only one of operations of one operand. */
export function second(b: InstructionBuilder): number {
  return first(b) + 1;
}

/**
 * An MMX, SSE or AVX instruction: raises what the state of control registers and the x87 unit demands by the registers it
 * uses, and after its body leaves the x87 unit in the MMX state if it used an MMX register. [SDM 3A 12.1, 13.1]
 */
export const simd =
  (body: Semantics): Semantics =>
  (b) => {
    const mmx = uses(b, "mmx");
    if (uses(b, "xmm") || !mmx) checkVectors(b);
    if (mmx) checkMmx(b);
    body(b);
    if (mmx) enterMmx(b);
  };

/** #UD or #NM where SSE, or AVX for a form with a VEX prefix, is not enabled. */
export function checkVectors(b: InstructionBuilder): void {
  const trap = b.get(isVex(b) ? CPU.avxTrap : CPU.sseTrap, "i32");
  b.callIf(trap, b.i32(0), "raise_plain", trap);
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

/** Linear address of the memory operand; a vector that the row wants aligned raises #GP(0) where it is not. */
export function vectorAddress(b: InstructionBuilder, intent: "read" | "write", width: number): Value {
  const linear = b.address(intent, width);
  if (b.form.row.attributes.aligned && width >= 16) b.trapIf(b.and(b.wrap(linear), b.i32(width - 1)), VECTOR.GP);
  return linear;
}

/** The low `width` bytes (4, 8, 16 or 32) of a vector operand, lanes of fewer bytes zero-extended. */
export function readLanes(b: InstructionBuilder, index: number, width = b.operand(index).width): Value[] {
  const operand = b.operand(index);
  const low = Math.min(width, 16);
  if (operand.kind === "memory") return loadLanes(b, vectorAddress(b, "read", width), width);
  if (operand.kind !== "register") return [b.get(CPU.xmm, "v128", low)];
  const lane = (n: number): Value => b.getReg(operand.slot, low, "v128", 16 * n);
  return width === 32 ? [lane(0), lane(1)] : [lane(0)];
}

function loadLanes(b: InstructionBuilder, linear: Value, width: number): Value[] {
  if (width < 32) return [b.load(linear, width, "read", "v128")];
  const upper = b.and(b.add(linear, b.i64(16)), b.get(CPU.linearMask, "i64"));
  return [b.load(linear, 16), b.load(upper, 16)];
}

/** The low lane of a vector operand. */
export function readVector(b: InstructionBuilder, index: number, width = b.operand(index).width): Value {
  return readLanes(b, index, width)[0]!;
}

/**
 * Writes the operand's width: memory has no more, mmx gets 8 bytes, and an xmm register keeps the bytes above. With VEX
 * those up to bit 127 come from the first source, or are 0 if there is none, and those above are 0.
 */
export function writeLanes(b: InstructionBuilder, index: number, values: Lanes): void {
  const operand = b.operand(index);
  const { width } = operand;
  if (operand.kind === "memory") return storeLanes(b, vectorAddress(b, "write", width), values, width);
  if (operand.kind !== "register") throw new Error("fixed vector registers are read only");
  const value = values[0]!;
  if (operand.file === "mmx") return b.setReg(operand.slot, b.replaceLane("i64x2", value, 1, b.i64(MMX_EXPONENT)), 16);
  if (!isVex(b)) return b.setReg(operand.slot, lowBytes(b, value, width), width);
  writeWhole(b, index, width < 16 ? onFirstSource(b, value, width) : value, values[1]);
}

function storeLanes(b: InstructionBuilder, linear: Value, values: Lanes, width: number): void {
  const [low, high] = values as [Value, Value?];
  if (high === undefined) b.store(linear, lowBytes(b, low, width), width);
  else b.storeWide(linear, low, high);
}

/** The first source with the low bytes of a value; zeros where the instruction has none. */
function onFirstSource(b: InstructionBuilder, value: Value, width: number): Value {
  const rest = first(b) === 1 ? readVector(b, 1, 16) : zero(b);
  return b.replaceLane(width === 8 ? "i64x2" : "i32x4", rest, 0, lowBytes(b, value, width));
}

/** Writes one lane: see writeLanes. */
export function writeVector(b: InstructionBuilder, index: number, value: Value): void {
  writeLanes(b, index, [value]);
}

/** Writes all 16 bytes of an xmm register operand, whatever the operand's width; with VEX the upper lane too. */
export function writeWhole(b: InstructionBuilder, index: number, value: Value, high?: Value): void {
  const operand = b.operand(index);
  if (operand.kind !== "register") throw new Error("not a register");
  b.setReg(operand.slot, value, 16);
  if (isVex(b)) b.setReg(operand.slot, high ?? zero(b), 16, 16);
}

function lowBytes(b: InstructionBuilder, value: Value, width: number): Value {
  if (width >= 16) return value;
  return width === 8 ? b.extractLane("i64x2", value, 0) : b.extractLane("i32x4", value, 0);
}

/** Bytes of a lane of an MMX, SSE or AVX operation: 8 or 16. */
export function vectorWidth(b: InstructionBuilder): 8 | 16 {
  return uses(b, "mmx") ? 8 : 16;
}

/** Writes what a function makes of each lane, or whatever stands for one, to the destination. */
export function writeEach<T>(b: InstructionBuilder, from: readonly T[], f: (from: T, lane: number) => Value): void {
  writeLanes(b, 0, from.map(f));
}

/** A function of each lane of vectors, and of the lane's number. */
export function mapLanes(x: Lanes, y: Lanes, f: (x: Value, y: Value, lane: number) => Value): Value[] {
  return x.map((value, lane) => f(value, y[lane]!, lane));
}

/** DEST := f(FIRST, SECOND), lane by lane of 128 bits. */
export const binary = (f: (b: InstructionBuilder, x: Value, y: Value, lane: number) => Value): Semantics =>
  simd((b) => {
    const x = readLanes(b, first(b));
    const y = readLanes(b, second(b));
    writeEach(b, x, (p, lane) => f(b, p, y[lane]!, lane));
  });

/** DEST := f(SRC), lane by lane of 128 bits. */
export const unary = (f: (b: InstructionBuilder, x: Value) => Value): Semantics =>
  simd((b) => {
    const x = readLanes(b, second(b));
    writeEach(b, x, (value) => f(b, value));
  });

/** DEST := FIRST op SECOND, element by element. */
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
