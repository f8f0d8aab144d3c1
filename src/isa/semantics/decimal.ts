import type { Value } from "../ir/builder.ts";
import { VECTOR } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { bitOf } from "./integer.ts";

/** SF, ZF and PF of AL with the given CF and AF; OF := 0 (undefined). */
function setFlags(b: InstructionBuilder, al: Value, cf: Value, af: Value): void {
  const parity = b.and(b.not(b.op("popcnt", al)), b.i32(1));
  const at = (flag: Value, bit: number): Value => b.shl(flag, b.i32(bit));
  const image = [at(parity, 2), at(af, 4), at(b.isZero(al), 6), b.and(al, b.i32(0x80))].reduce(
    (x, y) => b.or(x, y),
    cf,
  );
  b.flags("raw", 32, [image]);
}

const carryFlag = (b: InstructionBuilder): Value => bitOf(b, b.eflags(), 0);
const adjustFlag = (b: InstructionBuilder): Value => bitOf(b, b.eflags(), 4);
const byte = (b: InstructionBuilder, value: Value): Value => b.and(value, b.i32(0xff));
const above = (b: InstructionBuilder, value: Value, limit: number): Value => b.compare("lt_u", b.i32(limit), value);

/** Packed decimal: corrects each digit of AL by 6. [SDM 2A DAA, DAS] */
const adjustPacked =
  (op: "add" | "sub"): Semantics =>
  (b) => {
    const al = b.gpr("rax", 8);
    const cf = carryFlag(b);
    const low = b.or(above(b, b.and(al, b.i32(15)), 9), adjustFlag(b));
    const high = b.or(above(b, al, 0x99), cf);
    const correction = b.or(b.mul(low, b.i32(6)), b.mul(high, b.i32(0x60)));
    const result = byte(b, b.op(op, al, correction));
    // DAS: a borrow out of the low digit's correction is a carry too
    const borrow = op === "sub" ? b.and(low, b.compare("lt_u", al, b.i32(6))) : b.i32(0);
    b.setGpr("rax", result, 8);
    setFlags(b, result, b.or(high, borrow), low);
  };

export const daa = adjustPacked("add");
export const das = adjustPacked("sub");

/** Unpacked decimal: AX corrected by 106H, AL cut to a digit. [SDM 2A AAA, AAS] */
const adjustUnpacked =
  (op: "add" | "sub"): Semantics =>
  (b) => {
    const ax = b.gpr("rax", 16);
    const adjust = b.or(above(b, b.and(ax, b.i32(15)), 9), adjustFlag(b));
    const result = b.and(b.op(op, ax, b.mul(adjust, b.i32(0x106))), b.i32(0xff0f));
    b.setGpr("rax", result, 16);
    setFlags(b, byte(b, result), adjust, adjust);
  };

export const aaa = adjustUnpacked("add");
export const aas = adjustUnpacked("sub");

/** AH := AL / imm8; AL := AL MOD imm8 [SDM 2A AAM] */
export const aam: Semantics = (b) => {
  const al = b.gpr("rax", 8);
  const base = b.read(0);
  b.trapIf(b.isZero(base), VECTOR.DE);
  const quotient = b.wrap(b.call("udiv64", b.extend(al), b.extend(base)));
  const result = b.sub(al, b.mul(quotient, base));
  b.setGpr("rax", b.or(b.shl(quotient, b.i32(8)), result), 16);
  setFlags(b, result, b.i32(0), b.i32(0));
};

/** AL := AL + AH * imm8; AH := 0 [SDM 2A AAD] */
export const aad: Semantics = (b) => {
  const ax = b.gpr("rax", 16);
  const result = byte(b, b.add(ax, b.mul(b.shrU(ax, b.i32(8)), b.read(0))));
  b.setGpr("rax", result, 16);
  setFlags(b, result, b.i32(0), b.i32(0));
};

/** AL := CF ? FFH : 0; without a place in the manual. */
export const salc: Semantics = (b) => b.setGpr("rax", b.neg(b.cond(2)), 8);
