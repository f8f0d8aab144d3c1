import type { Value } from "../ir/builder.ts";
import { EFLAGS, VECTOR } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { reverseBytes } from "./integer.ts";

/** [SDM 2B MOV] */
export const mov: Semantics = (b) => b.write(0, b.read(1));

/** [SDM 2B MOVZX] */
export const movzx: Semantics = (b) => b.write(0, b.toInt(b.read(1), b.typeOf(0)));

/** [SDM 2B MOVSX/MOVSXD] */
export const movsx: Semantics = (b) => {
  const value = b.signExtend(b.read(1), b.bitsOf(1));
  b.write(0, b.typeOf(0) === "i64" ? b.extend(value, true) : value);
};

/** Writes operand 0 and something else: memory first, which may fault or start again; registers last, which wins. */
function writeWith(b: InstructionBuilder, value: Value, other: () => void): void {
  const memory = b.operand(0).kind === "memory";
  if (!memory) other();
  b.write(0, value);
  if (memory) other();
}

/** [SDM 2D XCHG] */
export const xchg: Semantics = (b) => {
  const old = b.readForWrite(0);
  const value = b.read(1);
  writeWith(b, value, () => b.write(1, old));
};

/** TEMP := SRC + DEST; SRC := DEST; DEST := TEMP. [SDM 2D XADD] */
export const xadd: Semantics = (b) => {
  const x = b.readForWrite(0);
  const y = b.read(1);
  const sum = b.add(x, y);
  writeWith(b, sum, () => b.write(1, x));
  b.flags("add", b.bitsOf(0), [x, y, sum]);
};

/** IF accumulator = DEST THEN DEST := SRC ELSE accumulator := DEST. [SDM 2A CMPXCHG] */
export const cmpxchg: Semantics = (b) => {
  const bits = b.bitsOf(0);
  const old = b.readForWrite(0);
  const source = b.read(1);
  const accumulator = b.gpr("rax", bits);
  const equal = b.eq(accumulator, old);
  if (bits === 32) exchange32(b, equal, source, old);
  else writeWith(b, b.select(equal, source, old), () => b.setGpr("rax", old, bits));
  b.flags("sub", bits, [accumulator, old, b.sub(accumulator, old)]);
};

/** Of two 32-bit registers only the one that changes loses its upper half. */
function exchange32(b: InstructionBuilder, equal: Value, source: Value, old: Value): void {
  const accumulator = b.select(equal, b.gpr("rax", 64), b.extend(old));
  if (b.operand(0).kind === "memory") {
    b.write(0, b.select(equal, source, old));
    return b.setGpr("rax", accumulator, 64);
  }
  const destination = b.select(equal, b.extend(source), b.getReg("rm", 8));
  // with EAX as both the operands are equal and the destination counts
  b.setGpr("rax", accumulator, 64);
  b.setReg("rm", destination, 8);
}

const cmpxchg8b: Semantics = (b) => {
  const old = b.readForWrite(0);
  const pair = (high: "rdx" | "rcx", low: "rax" | "rbx"): Value =>
    b.or(b.shl(b.extend(b.gpr(high, 32)), b.i64(32)), b.extend(b.gpr(low, 32)));
  const expected = pair("rdx", "rax");
  const equal = b.eq(expected, old);
  const [rax, rdx] = [b.gpr("rax", 64), b.gpr("rdx", 64)];
  b.write(0, b.select(equal, pair("rcx", "rbx"), old));
  b.setGpr("rax", b.select(equal, rax, b.zeroExtend(old, 32)), 64);
  b.setGpr("rdx", b.select(equal, rdx, b.shrU(old, b.i64(32))), 64);
  b.flags("zf", 32, [equal]);
};

const cmpxchg16b: Semantics = (b) => {
  b.trapIf(b.wrap(b.and(b.address("write"), b.i64(15))), VECTOR.GP);
  const old = b.readForWrite(0);
  const [low, high] = [b.extractLane("i64x2", old, 0), b.extractLane("i64x2", old, 1)];
  const equal = b.and(b.eq(low, b.gpr("rax", 64)), b.eq(high, b.gpr("rdx", 64)));
  const lowValue = b.select(equal, b.gpr("rbx", 64), low);
  const highValue = b.select(equal, b.gpr("rcx", 64), high);
  b.write(0, b.replaceLane("i64x2", b.splat("i64x2", lowValue), 1, highValue));
  b.setGpr("rax", low, 64);
  b.setGpr("rdx", high, 64);
  b.flags("zf", 32, [equal]);
};

/** With REX.W on 16 bytes. [SDM 2A CMPXCHG8B/CMPXCHG16B] */
export const cmpxchgPair: Semantics = (b) => (b.bits === 64 ? cmpxchg16b(b) : cmpxchg8b(b));

/** [SDM 2A LEA] */
export const lea: Semantics = (b) => b.write(0, b.toInt(b.ea(), b.typeOf(0)));

/** [SDM 2A CMOVcc] */
export const cmov =
  (code: number): Semantics =>
  (b) => {
    const value = b.read(1);
    b.write(0, b.select(b.cond(code), value, b.read(0)));
  };

/** [SDM 2B SETcc] */
export const set =
  (code: number): Semantics =>
  (b) =>
    b.write(0, b.cond(code));

/** A 16-bit operand gives 0, as processors do; the manual leaves it undefined. [SDM 2A BSWAP] */
export const bswap: Semantics = (b) => b.write(0, b.bits === 16 ? b.i32(0) : reverseBytes(b, b.read(0), b.bits));

/** [SDM 2B MOVBE] */
export const movbe: Semantics = (b) => b.write(0, reverseBytes(b, b.read(1), b.bits));

/** AL := [DS:rBX + AL] [SDM 2D XLAT] */
export const xlat: Semantics = (b) => {
  const offset = b.and(b.add(b.gpr("rbx", 64), b.extend(b.gpr("rax", 8))), b.addressMask());
  b.setGpr("rax", b.load(b.linear(offset, 1, "read"), 1), 8);
};

/** rAX := sign-extended half of itself. [SDM 2A CBW/CWDE/CDQE] */
export const cbw: Semantics = (b) => {
  const half = b.signExtend(b.gpr("rax", b.bits / 2), b.bits / 2);
  b.setGpr("rax", b.bits === 64 ? b.extend(half, true) : half, b.bits);
};

/** rDX := sign of rAX. [SDM 2A CWD/CDQ/CQO] */
export const cwd: Semantics = (b) => {
  const value = b.gpr("rax", b.bits);
  const wide = b.signExtend(value, b.bits);
  b.setGpr("rdx", b.shrS(wide, b.constant(wide, b.bits === 64 ? 63 : 31)), b.bits);
};

/** Flags that LAHF and SAHF transfer. */
const LOW_FLAGS = EFLAGS.CF | EFLAGS.PF | EFLAGS.AF | EFLAGS.ZF | EFLAGS.SF;

/** AH := low byte of EFLAGS. [SDM 2A LAHF] */
export const lahf: Semantics = (b) => {
  const low = b.or(b.and(b.eflags(), b.i32(LOW_FLAGS)), b.i32(EFLAGS.fixed));
  b.setGpr("rax", b.or(b.and(b.gpr("rax", 16), b.i32(0xff)), b.shl(low, b.i32(8))), 16);
};

/** [SDM 2B SAHF] */
export const sahf: Semantics = (b) => {
  const low = b.and(b.shrU(b.gpr("rax", 16), b.i32(8)), b.i32(LOW_FLAGS));
  b.flags("raw", 32, [b.or(low, b.shl(b.cond(0), b.i32(11)))]);
};
