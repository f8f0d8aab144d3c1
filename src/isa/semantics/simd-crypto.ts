import type { Value } from "../ir/builder.ts";
import { CPU } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import { inverseSubstitution, substitution } from "./aes-table.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { binary, first, imm8, pair, readVector, second, simd, unary, words, writeVector } from "./simd.ts";

/** Each byte looked up in a table of 256: sixteen swizzles, each of which answers for one high nibble. */
function lookUp(b: InstructionBuilder, table: Uint8Array, x: Value): Value {
  const rows = Array.from({ length: 16 }, (_, n) => {
    const view = new DataView(table.buffer, 16 * n, 16);
    const row = b.v128(view.getInt32(0, true), view.getInt32(4, true), view.getInt32(8, true), view.getInt32(12, true));
    const index = n === 0 ? x : b.lanes("sub", "i8x16", x, words(b, n * 0x10101010));
    return b.lanes("swizzle", "i8x16", row, index);
  });
  return rows.reduce((p, q) => b.bitwise("or", p, q));
}

/** Byte permutations of the state, four columns of four rows: row r moves left (or right) by r. [FIPS 197 5.1.2, 5.3.1] */
const shifted = (direction: 1 | -1): number[] =>
  Array.from({ length: 16 }, (_, n) => (((n >> 2) + direction * (n & 3) + 4) % 4) * 4 + (n & 3));
const SHIFT_ROWS = shifted(1);
const INVERSE_SHIFT_ROWS = shifted(-1);

/** Each column rotated up by a number of rows. */
const rotated = (rows: number): number[] => Array.from({ length: 16 }, (_, n) => (n & 12) | ((n + rows) & 3));

/** Every byte times x in GF(2^8). */
function doubled(b: InstructionBuilder, v: Value): Value {
  const carry = b.bitwise("and", b.lanes("shr_s", "i8x16", v, b.i32(7)), words(b, 0x1b1b1b1b));
  return b.bitwise("xor", b.lanes("shl", "i8x16", v, b.i32(1)), carry);
}

const xor = (b: InstructionBuilder, ...values: Value[]): Value => values.reduce((p, q) => b.bitwise("xor", p, q));

/** 2a + 3b + c + d for each column's bytes. [FIPS 197 5.1.3] */
function mixColumns(b: InstructionBuilder, v: Value): Value {
  const turn = (x: Value, rows: number): Value => b.shuffle(x, x, rotated(rows));
  const next = turn(v, 1);
  return xor(b, doubled(b, xor(b, v, next)), next, turn(xor(b, v, next), 2));
}

/** The inverse is MixColumns after adding 4(a + c) to the bytes of each pair of rows. [FIPS 197 5.3.3] */
function inverseMixColumns(b: InstructionBuilder, v: Value): Value {
  const fourfold = doubled(b, doubled(b, xor(b, v, b.shuffle(v, v, rotated(2)))));
  return mixColumns(b, xor(b, v, fourfold));
}

const subBytes = (b: InstructionBuilder, v: Value): Value => lookUp(b, substitution, v);

/** AESENC, AESENCLAST */
export const encrypt = (last: boolean): Semantics =>
  binary((b, x, key) => {
    const state = subBytes(b, b.shuffle(x, x, SHIFT_ROWS));
    return xor(b, last ? state : mixColumns(b, state), key);
  });

/** AESDEC, AESDECLAST */
export const decrypt = (last: boolean): Semantics =>
  binary((b, x, key) => {
    const state = lookUp(b, inverseSubstitution, b.shuffle(x, x, INVERSE_SHIFT_ROWS));
    return xor(b, last ? state : inverseMixColumns(b, state), key);
  });

export const aesimc: Semantics = unary(inverseMixColumns);

/** SubWord of dwords 1 and 3, each also rotated and added to the immediate. */
export const aeskeygenassist: Semantics = simd((b) => {
  const s = subBytes(b, readVector(b, 1));
  const arranged = b.shuffle(s, s, [4, 5, 6, 7, 5, 6, 7, 4, 12, 13, 14, 15, 13, 14, 15, 12]);
  const constant = b.bitwise("and", b.splat("i32x4", imm8(b)), b.v128(0, -1, 0, -1));
  writeVector(b, 0, xor(b, arranged, constant));
});

/** The product without carries of the quadwords that immediate bits 0 and 4 select. */
export const pclmulqdq: Semantics = simd((b) => {
  const imm = b.imm("i32");
  const x = readVector(b, first(b));
  const y = readVector(b, second(b));
  const half = (v: Value, bit: number): Value =>
    b.select(b.and(imm, b.i32(bit)), b.extractLane("i64x2", v, 1), b.extractLane("i64x2", v, 0));
  const low = b.call("carryless_multiply", half(x, 1), half(y, 16));
  writeVector(b, 0, pair(b, low, b.get(CPU.scratch, "i64")));
});

type Words = [Value, Value, Value, Value];

/** The four dwords of a vector, the highest first. */
function dwords(b: InstructionBuilder, v: Value): Words {
  const lane = (n: number): Value => b.extractLane("i32x4", v, n);
  return [lane(3), lane(2), lane(1), lane(0)];
}

function fromDwords(b: InstructionBuilder, [d3, d2, d1, d0]: readonly [Value, Value, Value, Value]): Value {
  const values = [d0, d1, d2, d3];
  return values.reduce((v, value, n) => (n === 0 ? v : b.replaceLane("i32x4", v, n, value)), b.splat("i32x4", d0));
}

const rol = (b: InstructionBuilder, v: Value, count: number): Value => b.op("rotl", v, b.i32(count));
const ror = (b: InstructionBuilder, v: Value, count: number): Value => b.op("rotr", v, b.i32(count));
const xor3 = (b: InstructionBuilder, x: Value, y: Value, z: Value): Value => b.xor(b.xor(x, y), z);
const ch = (b: InstructionBuilder, x: Value, y: Value, z: Value): Value => b.xor(b.and(x, y), b.and(b.not(x), z));
const maj = (b: InstructionBuilder, x: Value, y: Value, z: Value): Value => b.xor(b.and(x, b.xor(y, z)), b.and(y, z));

/** Constants of the four groups of twenty rounds. [FIPS 180-4 4.2.1] */
const SHA1_K = [0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6] as const;

/** Four rounds of SHA-1; the immediate chooses function and constant. [SDM 2B SHA1RNDS4] */
export const sha1rnds4: Semantics = simd((b) => {
  const imm = b.imm("i32");
  const y = readVector(b, 1);
  let [va, vb, vc, vd] = dwords(b, readVector(b, 0));
  const message = dwords(b, y);
  const low = b.and(imm, b.i32(1));
  const high = b.and(imm, b.i32(2));
  const pick = (p: Value, q: Value, r: Value, s: Value): Value =>
    b.select(high, b.select(low, s, r), b.select(low, q, p));
  const constant = pick(...(SHA1_K.map((k) => b.i32(k)) as Words));
  let ve: Value | undefined;
  for (const word of message) {
    const parity = xor3(b, vb, vc, vd);
    const f = pick(ch(b, vb, vc, vd), parity, maj(b, vb, vc, vd), parity);
    const sum = [f, rol(b, va, 5), word, constant].reduce((p, q) => b.add(p, q));
    const next = ve === undefined ? sum : b.add(sum, ve);
    [va, vb, vc, vd, ve] = [next, va, rol(b, vb, 30), vc, vd];
  }
  writeVector(b, 0, fromDwords(b, [va, vb, vc, vd]));
});

export const sha1nexte: Semantics = binary((b, x, y) => {
  const e = rol(b, b.extractLane("i32x4", x, 3), 30);
  return b.replaceLane("i32x4", y, 3, b.add(b.extractLane("i32x4", y, 3), e));
});

export const sha1msg1: Semantics = binary((b, x, y) =>
  xor(b, x, b.shuffle(y, x, [8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23])),
);

export const sha1msg2: Semantics = binary((b, x, y) => {
  const [x3, x2, x1, x0] = dwords(b, x);
  const [, w13, w14, w15] = dwords(b, y);
  const w16 = rol(b, b.xor(x3, w13), 1);
  const w17 = rol(b, b.xor(x2, w14), 1);
  const w18 = rol(b, b.xor(x1, w15), 1);
  return fromDwords(b, [w16, w17, w18, rol(b, b.xor(x0, w16), 1)]);
});

const SMALL_0 = [7, 18, 3] as const;
const SMALL_1 = [17, 19, 10] as const;

/** Two rotations and a shift. [FIPS 180-4 4.1.2] */
function small(b: InstructionBuilder, [r1, r2, s]: readonly [number, number, number], v: Value): Value {
  return xor3(b, ror(b, v, r1), ror(b, v, r2), b.shrU(v, b.i32(s)));
}

/** Three rotations. */
function big(b: InstructionBuilder, r1: number, r2: number, r3: number, v: Value): Value {
  return xor3(b, ror(b, v, r1), ror(b, v, r2), ror(b, v, r3));
}

/** Two rounds of SHA-256 with the sums of words and constants in XMM0. [SDM 2B SHA256RNDS2] */
export const sha256rnds2: Semantics = simd((b) => {
  const y = readVector(b, 1);
  const [vc0, vd0, vg0, vh0] = dwords(b, readVector(b, 0));
  const [va0, vb0, ve0, vf0] = dwords(b, y);
  let [va, vb, vc, vd, ve, vf, vg, vh] = [va0, vb0, vc0, vd0, ve0, vf0, vg0, vh0];
  const wk = b.get(CPU.xmm, "v128");
  for (const lane of [0, 1]) {
    const parts = [ch(b, ve, vf, vg), big(b, 6, 11, 25, ve), b.extractLane("i32x4", wk, lane), vh];
    const t1 = parts.reduce((p, q) => b.add(p, q));
    const t2 = b.add(maj(b, va, vb, vc), big(b, 2, 13, 22, va));
    [va, vb, vc, vd, ve, vf, vg, vh] = [b.add(t1, t2), va, vb, vc, b.add(t1, vd), ve, vf, vg];
  }
  writeVector(b, 0, fromDwords(b, [va, vb, ve, vf]));
});

export const sha256msg1: Semantics = binary((b, x, y) => {
  const [w3, w2, w1, w0] = dwords(b, x);
  const w4 = b.extractLane("i32x4", y, 0);
  const sum = (word: Value, next: Value): Value => b.add(word, small(b, SMALL_0, next));
  return fromDwords(b, [sum(w3, w4), sum(w2, w3), sum(w1, w2), sum(w0, w1)]);
});

export const sha256msg2: Semantics = binary((b, x, y) => {
  const [x3, x2, x1, x0] = dwords(b, x);
  const [w15, w14] = dwords(b, y);
  const sum = (word: Value, before: Value): Value => b.add(word, small(b, SMALL_1, before));
  const w16 = sum(x0, w14);
  const w17 = sum(x1, w15);
  return fromDwords(b, [sum(x3, w17), sum(x2, w16), w17, w16]);
});
