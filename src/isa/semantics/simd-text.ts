import type { Value } from "../ir/builder.ts";
import { CPU } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";
import { imm8, isVex, readVector, simd, zero } from "./simd.ts";

/**
 * What `compare_strings` finds: IntRes2 in bits 0-15, the index in bits 16-23, EFLAGS from bit 32. Lengths are in rAX and
 * rDX if `explicit`, else up to the first 0. [SDM 2B 4.1]
 */
function compareStrings(b: InstructionBuilder, explicit: boolean): Value {
  const y = readVector(b, 1);
  const x = readVector(b, 0);
  const half = (v: Value, lane: number): Value => b.extractLane("i64x2", v, lane);
  const bits = b.bits === 64 ? 64 : 32;
  const length = (name: "rax" | "rdx"): Value => (explicit ? b.extend(b.gpr(name, bits), true) : b.i64(-1, -1));
  const control = b.or(imm8(b), b.i32(explicit ? EXPLICIT : 0));
  return b.call(
    "compare_strings",
    control,
    half(x, 0),
    half(x, 1),
    half(y, 0),
    half(y, 1),
    length("rax"),
    length("rdx"),
  );
}

/** Bit of `compare_strings`' first argument beside the immediate. */
const EXPLICIT = 0x100;

function setFlags(b: InstructionBuilder, found: Value): void {
  b.flags("raw", 32, [b.wrap(b.shrU(found, b.i64(32)))]);
}

/** PCMPESTRI, PCMPISTRI: the index to ECX. */
export const compareStringsIndex = (explicit: boolean): Semantics =>
  simd((b) => {
    const found = compareStrings(b, explicit);
    b.setGpr("rcx", b.and(b.shrU(b.wrap(found), b.i32(16)), b.i32(0xff)), 32);
    setFlags(b, found);
  });

/** A mask of bytes or words whose lanes are set where a bit of `bits` is. */
function expand(b: InstructionBuilder, bits: Value): Value {
  const low = b.v128(0x08040201, 0x80402010, 0x08040201, 0x80402010);
  const both = b.replaceLane("i32x4", zero(b), 0, bits);
  const bytes = b.shuffle(both, both, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
  const byByte = b.lanes("eq", "i8x16", b.bitwise("and", bytes, low), low);
  const own = b.v128(0x00020001, 0x00080004, 0x00200010, 0x00800040);
  const byWord = b.lanes("eq", "i16x8", b.bitwise("and", b.splat("i16x8", bits), own), own);
  return b.select(b.and(b.imm("i32"), b.i32(1)), byWord, byByte);
}

/** PCMPESTRM, PCMPISTRM: the mask to XMM0, as bits or as bytes or words. */
export const compareStringsMask = (explicit: boolean): Semantics =>
  simd((b) => {
    const found = compareStrings(b, explicit);
    const bits = b.and(b.wrap(found), b.i32(0xffff));
    const plain = b.replaceLane("i32x4", zero(b), 0, bits);
    b.set(CPU.xmm, b.select(b.and(b.imm("i32"), b.i32(0x40)), expand(b, bits), plain));
    if (isVex(b)) b.set(CPU.xmm + 16, zero(b));
    setFlags(b, found);
  });
