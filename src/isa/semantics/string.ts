import type { Value } from "../ir/builder.ts";
import { CPU } from "../state.ts";
import type { Semantics } from "../table/row.ts";
import type { InstructionBuilder } from "./instruction-builder.ts";

/** The `repeat` argument of the string helpers. */
const REPEAT = { none: 0, rep: 1, repne: 2 } as const;

type StringHelper = "movs" | "stos" | "lods" | "cmps" | "scas";

function callHelper(b: InstructionBuilder, helper: StringHelper): Value {
  return b.call(helper, b.i32(width(b)), b.segment(), b.addressMask(), b.i32(REPEAT[b.form.rep]));
}

/** Bytes of one element. */
function width(b: InstructionBuilder): number {
  return Math.max(...b.form.operands.map((operand) => operand.width));
}

/** A repeated instruction is entered again until the helper has done all of it. */
function goOn(b: InstructionBuilder, done: Value): void {
  if (b.form.rep === "none") return;
  b.set(CPU.resumeRip, b.ripThis());
  b.jump(b.select(done, b.ripNext(), b.ripThis()));
}

/** [SDM 2B MOVS, STOS, 2A LODS] */
const transfer =
  (helper: StringHelper): Semantics =>
  (b) =>
    goOn(b, callHelper(b, helper));

export const movs = transfer("movs");
export const stos = transfer("stos");
export const lods = transfer("lods");

/** Flags of the last comparison, if there was one; until the end of a repetition they stay. [SDM 2A CMPS, 2B REP, SCAS] */
const comparison =
  (helper: StringHelper): Semantics =>
  (b) => {
    const done = callHelper(b, helper);
    const bits = width(b) * 8;
    const last = (at: number): Value => b.get(CPU.scratch + at, bits === 64 ? "i64" : "i32", bits / 8);
    const [x, y] = [last(0), last(8)];
    const when = b.form.rep === "none" ? undefined : b.and(done, b.get(CPU.scratch + 16, "i32"));
    b.flags("sub", bits, [x, y, b.sub(x, y)], when);
    goOn(b, done);
  };

export const cmps = comparison("cmps");
export const scas = comparison("scas");
