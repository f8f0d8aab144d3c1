import { assert } from "../../base/assert.ts";
import type { Operand, RegisterClass, Row } from "./row.ts";

/** Operand size in bits. */
export type OperandSize = 16 | 32 | 64;

/** What an operand code's first letter addresses. [SDM 2D A.2.1] */
interface Addressing {
  /** Register operand, if the letter can be one. */
  readonly file?: RegisterClass;
  readonly slot?: "reg" | "rm" | "vvvv" | "is4";
  readonly memory?: true;
}

const ADDRESSING: Readonly<Record<string, Addressing>> = {
  E: { file: "gpr", slot: "rm", memory: true },
  G: { file: "gpr", slot: "reg" },
  R: { file: "gpr", slot: "rm" },
  Z: { file: "gpr", slot: "reg" },
  B: { file: "gpr", slot: "vvvv" },
  S: { file: "segment", slot: "reg" },
  C: { file: "control", slot: "reg" },
  D: { file: "debug", slot: "reg" },
  P: { file: "mmx", slot: "reg" },
  Q: { file: "mmx", slot: "rm", memory: true },
  N: { file: "mmx", slot: "rm" },
  V: { file: "xmm", slot: "reg" },
  W: { file: "xmm", slot: "rm", memory: true },
  U: { file: "xmm", slot: "rm" },
  H: { file: "xmm", slot: "vvvv" },
  L: { file: "xmm", slot: "is4" },
  M: { memory: true },
  O: { memory: true },
};

/** Fixed operands: register file, number, and width in bytes ("v": operand size, "z": at most 32 bits). */
const FIXED: Readonly<Record<string, readonly [RegisterClass, number, number | "v" | "z"]>> = {
  AL: ["gpr8", 0, 1],
  CL: ["gpr8", 1, 1],
  AX: ["gpr", 0, 2],
  DX: ["gpr", 2, 2],
  EAX: ["gpr", 0, 4],
  eAX: ["gpr", 0, "z"],
  rAX: ["gpr", 0, "v"],
  ES: ["segment", 0, 2],
  CS: ["segment", 1, 2],
  SS: ["segment", 2, 2],
  DS: ["segment", 3, 2],
  FS: ["segment", 4, 2],
  GS: ["segment", 5, 2],
  ST: ["x87", 0, 10],
  ST0: ["x87", 0, 10],
  XMM0: ["xmm", 0, 16],
};

/** Operand type suffixes of fixed width in bytes. [SDM 2D A.2.2] */
const WIDTHS: Readonly<Record<string, number>> = {
  "": 0,
  b: 1,
  w: 2,
  d: 4,
  q: 8,
  dq: 16,
  x: 16,
  ps: 16,
  pd: 16,
  ss: 4,
  sd: 8,
  si: 4,
  pi: 8,
  t: 10,
  qq: 32,
};

/** Operand type suffixes whose width follows the operand size. */
const SIZED: Readonly<Record<string, (bits: OperandSize) => number>> = {
  v: (bits) => bits / 8,
  z: (bits) => Math.min(bits, 32) / 8,
  y: (bits) => (bits === 64 ? 8 : 4),
  p: (bits) => bits / 8 + 2,
  a: (bits) => bits / 4,
  s: (bits) => (bits === 64 ? 10 : 6),
};

function widthOf(suffix: string, bits: OperandSize): number {
  const width = SIZED[suffix]?.(bits) ?? WIDTHS[suffix];
  assert(width !== undefined, `operand type: ${suffix}`);
  return width;
}

/** The part of an operand code that holds for register or memory forms. */
export function alternative(code: string, memory: boolean): string {
  const [register, other] = code.split("/") as [string, string?];
  return memory ? (other ?? register) : register;
}

/** The operand can be in memory / in a register. */
export function allows(code: string, memory: boolean): boolean {
  if (code.includes("/")) return true;
  if (isVectorIndexed(code)) return memory;
  if (/^STi$|^XMM0$|^[A-Z]{2,3}$/.test(code) || code in FIXED) return !memory;
  const addressing = ADDRESSING[code[0]!];
  if (addressing === undefined) return true;
  return memory ? addressing.memory === true : addressing.slot !== undefined;
}

/** The operand is chosen by ModRM.rm, so its code decides whether register and memory forms exist. */
export function isRm(code: string): boolean {
  return code === "STi" || isVectorIndexed(code) || (!(code in FIXED) && /^[ERQNWUM]/.test(code));
}

/** The operand needs a ModRM byte. */
export function needsModrm(code: string): boolean {
  return isRm(code) || (!(code in FIXED) && /^[GSCDPVHB]/.test(code));
}

/** The operand is memory without a ModRM byte: an absolute offset or a string. */
export function isImplicitMemory(code: string): boolean {
  return !(code in FIXED) && /^[OXY]/.test(code);
}

/** The operand's width, or the instruction's meaning, follows the operand size. */
export function isSized(code: string): boolean {
  if (code in FIXED) return typeof FIXED[code]![2] === "string";
  return code.split("/").some((part) => part.startsWith("J") || part.slice(1) in SIZED);
}

/** vm32x, vm64y...: memory whose index is a vector register of 16 (x) or 32 (y) bytes. [SDM 2A 3.1.1.3] */
function isVectorIndexed(code: string): boolean {
  return /^vm(32|64)[xy]$/.test(code);
}

/** One element of memory with a vector register for index: VEX.W is its size. */
function gathered(row: Row, code: string): Operand {
  return { kind: "memory", width: row.opcode.includes(".W1 ") ? 8 : 4, index: code.endsWith("y") ? 32 : 16 };
}

/** Resolves one operand code of a row for an operand size and for register or memory forms. */
export function resolveOperand(row: Row, code: string, bits: OperandSize, memory: boolean): Operand {
  if (code === "1") return { kind: "one", width: 1 };
  if (code === "STi") return { kind: "register", slot: "rm", file: "x87", width: 10 };
  if (isVectorIndexed(code)) return gathered(row, code);
  const fixed = FIXED[code];
  if (fixed) return { kind: "fixed", file: fixed[0], number: fixed[1], width: fixedWidth(fixed[2], bits) };
  const part = alternative(code, memory);
  const suffix = part.slice(1);
  switch (part[0]) {
    case "I":
      return { kind: "immediate", width: immediateWidth(row, suffix, bits), signed: true };
    case "A":
      return { kind: "immediate", width: widthOf(suffix, bits), signed: false };
    case "J":
      return { kind: "relative", width: bits / 8 };
    case "X":
      return { kind: "string", segment: "source", width: widthOf(suffix, bits) };
    case "Y":
      return { kind: "string", segment: "destination", width: widthOf(suffix, bits) };
  }
  return addressed(part, widthOf(suffix, bits), memory);
}

function fixedWidth(width: number | "v" | "z", bits: OperandSize): number {
  return typeof width === "number" ? width : widthOf(width, bits);
}

/** An immediate is extended to the operand size where the operands before it have that size. */
function immediateWidth(row: Row, suffix: string, bits: OperandSize): number {
  if (suffix === "z" || suffix === "v") return bits / 8;
  return suffix === "b" && row.operands.some((code) => /^[EG]v$/.test(code)) ? bits / 8 : widthOf(suffix, bits);
}

function addressed(code: string, width: number, memory: boolean): Operand {
  const addressing = ADDRESSING[code[0]!];
  assert(addressing !== undefined, `operand code: ${code}`);
  if (addressing.memory && (memory || addressing.slot === undefined)) return { kind: "memory", width };
  const byte = addressing.file === "gpr" && width === 1;
  return { kind: "register", slot: addressing.slot!, file: byte ? "gpr8" : addressing.file!, width };
}
