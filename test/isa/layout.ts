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

/** Code segments of user programs under Linux, and the base that GS has in 64-bit mode. */
export const CS64 = 0x33;
export const CS32 = 0x23;
export const DS32 = 0x2b;
export const GS_BASE = 0x2000;

/** What stands around the program: one byte that raises an exception, PUSH ES (#UD) in 64-bit mode, HLT (#GP) in 32-bit mode. */
export const FILLER = { 64: 0x06, 32: 0xf4 } as const;

/** Byte `n` of the page that is only read. */
export function readOnlyByte(n: number): number {
  return (n * 157 + 1) & 0xff;
}

/** FNV-1a over 32-bit words: tells whether bytes outside the windows are as they were. */
export function hashWords(words: Uint32Array): number {
  let hash = 0x811c9dc5;
  for (const word of words) hash = Math.imul(hash ^ word, 0x01000193) >>> 0;
  return hash;
}
