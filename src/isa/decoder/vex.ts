import { vexDispatchIndex } from "./encoding.ts";
import { type Instruction, PREFIX } from "./instruction.ts";

/** Prefixes that are #UD before a VEX prefix, beside REX. [SDM 2A 2.3.2, 2.3.3, 2.3.4] */
export const VEX_REFUSED = PREFIX.operandSize | PREFIX.lock | PREFIX.rep | PREFIX.repne;

/**
 * Whether the byte before `at` begins a VEX prefix: C4 or C5, which outside 64-bit mode is LES or LDS unless the byte
 * after it would be a ModRM byte of registers. [SDM 2A 2.3.5]
 */
export function isVex(bytes: Uint8Array, at: number, end: number, mode: number): boolean {
  if ((bytes[at - 1]! & 0xfe) !== 0xc4) return false;
  return mode === 64 || (at < end && bytes[at]! >= 0xc0);
}

/**
 * Takes the fields of a VEX prefix whose first byte stands before `at`, and gives the index in the dispatch table of the
 * opcode behind it. Outside 64-bit mode R, X and B name no registers. [SDM 2A 2.3.5, figure 2-9]
 */
export function readVex(bytes: Uint8Array, at: number, mode: number, out: Instruction): number {
  const long = bytes[at - 1] === 0xc4;
  const first = bytes[at]!;
  const last = long ? bytes[at + 1]! : first;
  const rxb = long ? (~first >> 5) & 7 : (~first >> 5) & 4;
  const w = long ? last >> 7 : 0;
  out.rex = (w << 3) | (mode === 64 ? rxb : 0);
  out.vvvv = (~last >> 3) & 15;
  const map = long ? first & 31 : 1;
  const opcode = bytes[at + (long ? 2 : 1)]!;
  // maps beyond the third are empty, as is map 0
  return vexDispatchIndex((last >> 2) & 1, w, last & 3, map < 4 ? map : 0, opcode);
}
