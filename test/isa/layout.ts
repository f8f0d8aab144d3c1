/**
 * The memory that test programs see, alike on the evaluator, the interpreter and the processor: two pages of code, two
 * pages of data, one page that is only read, nothing around them.
 */
export const PAGE = 0x1000;
export const CODE = 0x1000_0000;
export const CODE_PAGES = 2;
export const DATA = 0x2000_0000;
export const DATA_PAGES = 2;
export const READ_ONLY = 0x3000_0000;

/** The bytes of the data pages that a test sets and gets back: where the pages meet, and their end. The rest begins as 0. */
export const WINDOWS = [
  { start: DATA + PAGE - 64, length: 128 },
  { start: DATA + 2 * PAGE - 64, length: 64 },
] as const;
export const WINDOW_BYTES = 192;

/** Longest program in bytes. */
export const CODE_BYTES = 64;

/** Segments of user programs under Linux, and the bases that FS and GS have in 64-bit mode. */
export const CS64 = 0x33;
export const CS32 = 0x23;
export const DS32 = 0x2b;
export const FS_BASE = 0x3000;
export const GS_BASE = 0x2000;

/** Exceptions after which a program may go on. */
export const MAX_CATCHES = 4;

/** What stands around the program: one byte that raises an exception, PUSH ES (#UD) in 64-bit mode, HLT (#GP) in 32-bit mode. */
export const FILLER = { 64: 0x06, 32: 0xf4 } as const;

/** Where a state's parts are in its image: registers, selectors in the order of their encoding, FXSAVE's image, upper halves of YMM. */
export const IMAGE = {
  gpr: 0,
  rip: 128,
  rflags: 136,
  selectors: 140,
  fsBase: 152,
  gsBase: 160,
  fxsave: 176,
  ymm: 688,
  windows: 944,
} as const;
export const IMAGE_BYTES = 944 + WINDOW_BYTES;

/** The image of FXSAVE64 as far as it is a program's: behind it are reserved bytes. [SDM 1 10.5.1, table 10-2] */
export const FXSAVE_BYTES = 416;

/** Byte `n` of the page that is only read. */
export function readOnlyByte(n: number): number {
  return (n * 157 + 1) & 0xff;
}

/** Hash of the data pages without the windows: tells whether bytes outside them are as they were. */
export function hashData(words: Uint32Array): number {
  let hash = HASH_START;
  let from = 0;
  for (const { start, length } of WINDOWS) {
    const end = (start - DATA) / 4;
    hash = hashWords(hash, words, from, end);
    from = end + length / 4;
  }
  return hash >>> 0;
}

/** Hash of the code pages. */
export function hashCode(words: Uint32Array): number {
  return hashWords(HASH_START, words, 0, words.length) >>> 0;
}

/** FNV-1a, a word at a time. */
const HASH_START = 0x811c9dc5;

function hashWords(start: number, words: Uint32Array, from: number, to: number): number {
  let hash = start;
  for (let n = from; n < to; n++) hash = Math.imul(hash ^ words[n]!, 0x01000193);
  return hash;
}
