import { afterAll, describe, expect, test } from "vitest";
import { DECODE, decode } from "../../src/isa/decoder/decode.ts";
import { Instruction } from "../../src/isa/decoder/instruction.ts";
import { GPR, VECTOR } from "../../src/isa/state.ts";
import { CODE, DATA, PAGE } from "./layout.ts";
import { Processor } from "./processor.ts";
import { newState, type UserProgram } from "./program.ts";

const BATCH = 4000;
const OFFSET = 0x100;
const MAPS = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
const PREFIXES = [[], [0x66], [0xf3], [0xf2]];
/** First bytes that are prefixes or escapes, of VEX and EVEX too, or enter the kernel. */
const NO_OPCODES = new Set([0x0f, 0x26, 0x2e, 0x36, 0x3e, 0x62, 0x64, 0x65, 0x66, 0x67, 0xc4, 0xc5, 0xf0, 0xf2, 0xf3]);

/** Extensions that processors have and the table has not, by the bytes of their encodings. [SDM 2A, 2B, 2D by their names] */
const EXTENSIONS: readonly (readonly [string, RegExp])[] = [
  ["GFNI", /^660f(38cf|3ac[ef])/],
  ["MOVDIR64B, ENQCMD, ENQCMDS", /^(66|f2|f3)0f38f8/],
  ["MOVDIRI", /^0f38f9/],
  ["INVPCID", /^660f3882/],
  ["RTM: XBEGIN, XABORT", /^(66|f2|f3)?c[67]f8/],
  ["RDRAND, RDSEED, RDPID, SENDUIPI", /^(66|f2|f3)?0fc7[ef]/],
  ["XSAVE family, PTWRITE, CET, WAITPKG", /^(66|f2|f3)?0fae/],
  ["XSAVES, XSAVEC, VMX pointers", /^(66|f2|f3)?0fc7[0-3]/],
  ["TSXLDTRK, SERIALIZE, PKU, SGX, MONITOR, WBNOINVD and other system extensions", /^(66|f2|f3)?0f(01|09)/],
  ["SHA, AES, CLMUL", /^(66)?0f(38(c[89a-d]|d[b-f])|3a(cc|44|df))/],
];

/** The same behind a VEX prefix: hexadecimal digits of C4, its two bytes and the opcode. */
const VEX_EXTENSIONS: typeof EXTENSIONS = [
  ["GFNI", /^c4.[27]..cf|^c4.[3b]..c[ef]/],
  ["VAES, VPCLMULQDQ", /^c4.[2a]..d[c-f]|^c4.[3b]..44/],
  ["AVX-512 mask registers", /^c4.[19]..(4[1-9ab]|9[0-389])|^c4.[3b]..3[0-3]/],
  ["AVX-VNNI, AVX-IFMA, AVX-NE-CONVERT, AVX-VNNI-INT", /^c4.[2a]..(5[0-3]|b[0145]|7[2]|d[23])/],
  ["VPERMQ and VPERMPD without VEX.W, which AMD's processors take too", /^c4e37d0[01]/],
  ["CMPccXADD, AMX, SHA512, SM3, SM4", /^c4.[2a]..(e.|4[9b]|5[ce]|6c|c[bcd]|d[a])|^c4.[3b]..de/],
];

/** What only AMD's processors have. [AMD APM 3] */
const AMD_EXTENSIONS: typeof EXTENSIONS = [
  ["SSE4A", /^(66|f2)0f(78|79)|^f[23]0f2b/],
  ["3DNow!", /^(66|f2|f3)?0f0[ef]/],
  ["XOP", /^(66|f2|f3)?8f/],
];

const processor = Processor.build();
afterAll(() => {
  if (typeof processor !== "string") processor.close();
});

const hex = (bytes: readonly number[]): string => Buffer.from(bytes).toString("hex");

/** Register operands of every number, and memory by rBX. */
const MODRMS = Array.from({ length: 256 }, (_, n) => n).filter((n) => n >= 0xc0 || (n < 0x40 && (n & 7) === GPR.rbx));

/** Long opcodes have no groups of registers. */
const modrms = (bytes: number): readonly number[] => (bytes < 3 ? MODRMS : MODRMS.filter((n) => (n & 7) === GPR.rbx));

/** Encodings with legacy prefixes, up to ModRM. */
function legacyEncodings(bits: 32 | 64): number[][] {
  const all = PREFIXES.flatMap((prefix) =>
    MAPS.flatMap((map) => opcodes(bits, map).map((opcode) => [...prefix, ...map, opcode])),
  );
  return all.flatMap((start) => modrms(start.length).map((modrm) => [...start, modrm]));
}

/** Encodings with a VEX prefix of three bytes: every map, pp, L, W and opcode; VEX.vvvv that names no register, and one that does. */
function vexEncodings(): number[][] {
  const bytes = Array.from({ length: 256 }, (_, n) => n);
  const fields = bytes.filter((n) => (n & 0x78) === 0x78 || (n & 0xf8) === 0x70);
  const starts = [1, 2, 3].flatMap((map) =>
    fields.flatMap((last) => bytes.map((opcode) => [0xc4, 0xe0 | map, last, opcode])),
  );
  return starts.flatMap((start) => VEX_MODRMS.map((modrm) => [...start, modrm]));
}

/** Memory and registers, with two extensions of the opcode. */
const VEX_MODRMS = MODRMS.filter((n) => (n & 0x27) === GPR.rbx && (n & 8) === 0);

/** Those of them that the decoder refuses. */
function refused(encodings: readonly number[][], bits: 32 | 64): number[][] {
  const insn = new Instruction();
  return encodings.filter((bytes) => {
    const padded = Uint8Array.from({ length: 15 }, (_, n) => bytes[n] ?? 0);
    return decode(padded, 0, padded.length, bits, insn) === DECODE.invalid;
  });
}

function opcodes(bits: 32 | 64, map: readonly number[]): number[] {
  const bytes = Array.from({ length: 256 }, (_, n) => n);
  if (map.length === 1) return bytes.filter((byte) => byte !== 0x38 && byte !== 0x3a);
  return map.length > 1 ? bytes : bytes.filter((byte) => !NO_OPCODES.has(byte) && (bits === 32 || byte >> 4 !== 4));
}

function programOf(bytes: readonly number[], bits: 32 | 64): UserProgram {
  const state = newState(bits);
  state.rip = BigInt(CODE + OFFSET);
  for (const register of [GPR.rbx, GPR.rsp]) state.gpr[register] = BigInt(DATA + PAGE);
  return { bits, code: Uint8Array.from({ length: 15 }, (_, n) => bytes[n] ?? 0), offset: OFFSET, state };
}

/** Encodings that the processor executes, or refuses otherwise than with #UD. */
function executed(on: Processor, encodings: readonly number[][], bits: 32 | 64): string[] {
  const found: string[] = [];
  for (let first = 0; first < encodings.length; first += BATCH) {
    const batch = encodings.slice(first, first + BATCH);
    for (const [n, result] of on.run(batch.map((bytes) => programOf(bytes, bits))).entries()) {
      const isRefused = result?.vector === VECTOR.UD && result.state.rip === BigInt(CODE + OFFSET);
      if (!isRefused) found.push(`${hex(batch[n]!)}: vector ${result?.vector}`);
    }
  }
  return found;
}

describe.for([
  ["with legacy prefixes", legacyEncodings, [...EXTENSIONS, ...AMD_EXTENSIONS]],
  ["with a VEX prefix", vexEncodings, VEX_EXTENSIONS],
] as const)("encodings %s that the decoder refuses", ([, encodingsOf, extensions]) => {
  test.for([64, 32] as const)("are #UD on the processor too, in %i-bit code", { timeout: 120_000 }, (bits, context) => {
    context.skip(typeof processor === "string", `the processor is no judge here: ${processor}`);
    if (typeof processor === "string") return;
    const encodings = refused(encodingsOf(bits), bits).filter(
      (bytes) => !extensions.some(([, pattern]) => pattern.test(hex(bytes))),
    );
    expect(executed(processor, encodings, bits), `${encodings.length} encodings`).toEqual([]);
    expect(encodings.length).toBeGreaterThan(10_000);
  });
});
