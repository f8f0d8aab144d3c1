import type { InstructionBuilder } from "../semantics/instruction-builder.ts";

/**
 * One row of the instruction table.
 *
 * `opcode` is in the manual's notation: mandatory prefix (66, F2, F3 or NP), escape and opcode bytes in hex, then
 * `/0`-`/7` for an opcode extension in ModRM.reg, or `+r` for a register in the low opcode bits:
 * "00", "80 /0", "50 +r", "0F AF", "66 0F 6F", "F3 0F 38 F6", "0F 01 /7 rm=1" (fixed ModRM.rm with mod = 3).
 * `operands` are the codes of [SDM 2D A.2]: Eb, Ev, Gv, Ib, Iz, Jb, Jz, M, Ob, Xb, Yv, Rd, Sw, Cd, Dd, Pq, Qq, Vdq, Wss...,
 * Zv for the register in the opcode (+r), and fixed registers by name: AL, rAX (by operand size), CL, DX, 1, ES, ST0.
 * "VEX.256.66.0F.WIG 58": VEX.L (128, 256, LZ, LIG), mandatory prefix, map, VEX.W (left out: W is that of the operand size),
 * opcode byte, extension. Operands of such rows are also By and Hx (VEX.vvvv), Lx (bits 4-7 of an immediate), and vm32x,
 * vm64y... (memory with an index in a vector register).
 * "Rd/Mb" is a different operand for registers and for memory. A row without a prefix in its opcode takes any, except
 * where a row of the same opcode names it.
 */
export interface Row {
  readonly opcode: string;
  readonly mnemonic: string;
  readonly operands: readonly string[];
  readonly semantics: Semantics;
  readonly attributes: Attributes;
}

/** Emits the IR of one form of an instruction: reads like the manual's "Operation". */
export type Semantics = (b: InstructionBuilder) => void;

export interface Attributes {
  /** LOCK is allowed with a memory destination; "always": memory is locked without it too. */
  readonly lock?: true | "always";
  /** REP/REPE (F3) and REPNE (F2) repeat it. */
  readonly rep?: "rep" | "repe";
  /** F2 and F3 make it #UD, where no row names them. [SDM 2A 3.1.1.1, NFx] */
  readonly nfx?: true;
  /** In 64-bit mode the operand size is 64 by default (d64: 16 by 66H too) or always (f64). [SDM 2D A.2.5] */
  readonly size64?: "d64" | "f64";
  /** Only valid (or not valid) in 64-bit mode. */
  readonly mode?: "only64" | "not64";
  /** The operand size does not select forms: one form serves all. */
  readonly sizeless?: true;
  /** Operand sizes it exists in, when not 16, 32 and 64: MOVNTI [32, 64]; REX.W forms. */
  readonly sizes?: readonly (16 | 32 | 64)[];
  /** Flags that the manual leaves undefined after it, as letters of "oszapc". */
  readonly undefined?: string;
  /** CPUID feature it belongs to; absent for the base set. */
  readonly feature?: string;
  /** Raises #GP above CPL 0. */
  readonly cpl0?: true;
  /** Ends a decoded block even though it does not jump (changes mode, mapping, interrupt flag, or state that decoding depends on). */
  readonly ends?: true;
  /** Memory operands need alignment to their width (#GP). */
  readonly aligned?: true;
  /** The address of its memory operand counts with rSP after the instruction popped. [SDM 2B POP] */
  readonly popsFirst?: true;
}

/** Makes a row: row("80 /0", "ADD Eb,Ib", alu.add, { lock: true }). */
export function row(opcode: string, text: string, semantics: Semantics, attributes: Attributes = {}): Row {
  const space = text.indexOf(" ");
  const mnemonic = space < 0 ? text : text.slice(0, space);
  const operands = space < 0 ? [] : text.slice(space + 1).split(",");
  return { opcode, mnemonic, operands, semantics, attributes };
}

/** Which register file an operand slot indexes. */
export type RegisterClass = (typeof REGISTER_CLASSES)[number];
export const REGISTER_CLASSES = ["gpr8", "gpr", "segment", "control", "debug", "x87", "mmx", "xmm"] as const;

/** The fields of an instruction that name a register. */
export const SLOTS = ["reg", "rm", "vvvv", "is4"] as const;

/** One operand of a form, resolved: where its value is and how wide it is (bytes). */
export type Operand =
  | {
      readonly kind: "register";
      readonly slot: (typeof SLOTS)[number];
      readonly file: RegisterClass;
      readonly width: number;
    }
  /** `index`: bytes of the vector register, in slot rm, that is the index. */
  | { readonly kind: "memory"; readonly width: number; readonly index?: number }
  | { readonly kind: "immediate"; readonly width: number; readonly signed: boolean }
  | { readonly kind: "relative"; readonly width: number }
  | { readonly kind: "fixed"; readonly file: RegisterClass; readonly number: number; readonly width: number }
  | { readonly kind: "one"; readonly width: number }
  | { readonly kind: "string"; readonly segment: "source" | "destination"; readonly width: number };

/**
 * One executable shape of a row: operand size chosen, ModRM.rm register or memory, LOCK and REP given. It has one IR
 * program and so one interpreter handler; register numbers, immediates and addressing stay fields of the instruction.
 */
export interface Form {
  /** Index in the list of forms; the interpreter's handler number follows from it. */
  readonly id: number;
  readonly row: Row;
  /** Operand size in bits. */
  readonly bits: 16 | 32 | 64;
  readonly operands: readonly Operand[];
  /** ModRM.rm (or a moffs, string or M operand) is memory. */
  readonly memory: boolean;
  readonly lock: boolean;
  readonly rep: "none" | "rep" | "repne";
  /** It executes in 64-bit mode only / elsewhere only / in both. */
  readonly mode: "any" | "only64" | "not64";
}
