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
  /** A register in bits 4-7. */
  is4: 9,
} as const;
/** Bytes of each kind of IMMEDIATE; an absolute offset has the bytes of the address size. */
export const IMMEDIATE_BYTES = Uint8Array.of(0, 1, 2, 4, 8, 3, 4, 6, 0, 1);

/** Registers a reg field may name in a form. */
export const REG_RULE = { any: 0, segment: 1, segmentWritten: 2, control: 3, debug: 4 } as const;

/** Leaves of an opcode with a ModRM byte: 8 for memory by reg, then 8 for mod = 3 by reg. */
export const GROUP_SIZE = 16;
/** Leaves by ModRM.rm, where those for mod = 3 and one reg differ. */
export const RM_SIZE = 8;

/** Where encodings with a VEX prefix begin in the dispatch table, and its entries. */
const VEX_DISPATCH = 1 << 13;
export const DISPATCH_SIZE = VEX_DISPATCH + (1 << 14);

/** Index into the dispatch table by 64-bit mode or not, mandatory prefix, map and opcode. */
export function dispatchIndex(long: number, prefix: number, map: number, byte: number): number {
  return (((long << 2) | prefix) << 10) | (map << 8) | byte;
}

/** The same with a VEX prefix, by its fields L, W and pp. */
export function vexDispatchIndex(l: number, w: number, pp: number, map: number, byte: number): number {
  return VEX_DISPATCH + ((((l << 3) | (w << 2) | pp) << 10) | (map << 8) | byte);
}
