/** What the decoder's tables hold: see tables.ts. */

/** No form: the encoding is invalid. */
export const NO_FORM = 0xffff;
/** Forms of a leaf: by operand size (16, 32, 64), then LOCK, then REP (none, F3, F2). */
export const LEAF_FORMS_SIZE = 18;

/** How a leaf's operand size follows from the mode and prefixes. */
export const SIZE_RULE = { plain: 0, d64: 1, f64: 2 } as const;

/** How a form's immediate is encoded. */
export const IMMEDIATE = {
  none: 0,
  byte: 1,
  word: 2,
  dword: 3,
  qword: 4,
  enter: 5,
  far16: 6,
  far32: 7,
  offset: 8,
} as const;
/** Bytes of each kind of IMMEDIATE; an absolute offset has the bytes of the address size. */
export const IMMEDIATE_BYTES = Uint8Array.of(0, 1, 2, 4, 8, 3, 4, 6, 0);

/** Registers a reg field may name in a form. */
export const REG_RULE = { any: 0, segment: 1, segmentWritten: 2, control: 3, debug: 4 } as const;

/** Index into the dispatch table. */
export function dispatchIndex(long: number, prefix: number, map: number, byte: number): number {
  return (((long << 2) | prefix) << 10) | (map << 8) | byte;
}
