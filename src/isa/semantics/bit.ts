import type { Value } from "../ir/builder.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { bitAt } from "./integer.ts";

/** Bit number within the operand; a register's bit offset reaches memory beyond the operand, of either sign. [SDM 1 3.7.3, 2A BT] */
function bitIndex(b: InstructionBuilder): Value {
  const index = b.read(1);
  if (b.operand(0).kind === "memory" && b.operand(1).kind === "register") {
    const wide = b.extend(b.signExtend(index, b.bits), true);
    const unit = Math.log2(b.bits);
    b.displace(b.shl(b.shrS(wide, b.i64(unit)), b.i64(unit - 3)));
  }
  return b.and(index, b.constant(index, b.bits - 1));
}

/** CF := the bit. [SDM 2A BT] */
export const bt: Semantics = (b) => {
  const index = bitIndex(b);
  b.flags("cf", b.bits, [bitAt(b, b.read(0), index)]);
};

const change =
  (update: (b: InstructionBuilder, value: Value, mask: Value) => Value): Semantics =>
  (b) => {
    const index = bitIndex(b);
    const value = b.readForWrite(0);
    const mask = b.shl(b.constant(value, 1), index);
    b.write(0, update(b, value, mask));
    b.flags("cf", b.bits, [bitAt(b, value, index)]);
  };

export const bts = change((b, value, mask) => b.or(value, mask));
export const btr = change((b, value, mask) => b.and(value, b.not(mask)));
export const btc = change((b, value, mask) => b.xor(value, mask));

/** Number of the highest bit of a value that is not 0. */
function highestBit(b: InstructionBuilder, value: Value): Value {
  return b.sub(b.constant(value, value.type === "i64" ? 63 : 31), b.op("clz", value));
}

/** ZF by the source; a source of 0 leaves the whole destination as it was. [SDM 2A BSF, BSR] */
const scan =
  (find: (b: InstructionBuilder, value: Value) => Value): Semantics =>
  (b) => {
    const value = b.read(1);
    const found = find(b, value);
    const empty = b.isZero(value);
    if (b.bits === 32) b.setReg("reg", b.select(empty, b.getReg("reg", 8), b.extend(found)), 8);
    else b.write(0, b.select(empty, b.read(0), found));
    b.flags("logic", b.bits, [value]);
  };

export const bsf = scan((b, value) => b.op("ctz", value));
export const bsr = scan(highestBit);

/** CF: the source is 0; ZF: the count is 0. [SDM 2B LZCNT, TZCNT] */
function count(b: InstructionBuilder, source: Value, result: Value): void {
  b.write(0, result);
  b.flags("shift", b.bits, [result, b.isZero(source), b.i32(0)]);
}

/** [SDM 2B TZCNT] */
export const tzcnt: Semantics = (b) => {
  const value = b.read(1);
  count(b, value, b.op("ctz", b.bits === 16 ? b.or(value, b.i32(0x10000)) : value));
};

/** [SDM 2A LZCNT] */
export const lzcnt: Semantics = (b) => {
  const value = b.read(1);
  const zeros = b.op("clz", value);
  count(b, value, b.bits === 16 ? b.sub(zeros, b.i32(16)) : zeros);
};

/** ZF by the source, all other flags 0. [SDM 2B POPCNT] */
export const popcnt: Semantics = (b) => {
  const value = b.read(1);
  b.write(0, b.op("popcnt", value));
  b.flags("raw", 32, [b.shl(b.isZero(value), b.i32(6))]);
};

/** CRC-32C of the source's bytes onto the destination. [SDM 2A CRC32] */
export const crc32: Semantics = (b) => {
  const source = b.read(1);
  const crc = b.call("crc32c", b.wrap(b.read(0)), b.extend(source), b.i32(b.operand(1).width));
  b.write(0, b.toInt(crc, b.typeOf(0)));
};
