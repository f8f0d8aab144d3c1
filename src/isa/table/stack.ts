import * as S from "../semantics/stack.ts";
import { type Row, row } from "./row.ts";

const D64 = { size64: "d64" } as const;
const NOT64 = { size64: "d64", mode: "not64" } as const;

export const STACK: readonly Row[] = [
  row("50 +r", "PUSH Zv", S.pushOperand, D64),
  row("FF /6", "PUSH Ev", S.pushOperand, D64),
  row("6A", "PUSH Ib", S.pushImmediate, D64),
  row("68", "PUSH Iz", S.pushImmediate, D64),
  row("06", "PUSH ES", S.pushSegment, NOT64),
  row("0E", "PUSH CS", S.pushSegment, NOT64),
  row("16", "PUSH SS", S.pushSegment, NOT64),
  row("1E", "PUSH DS", S.pushSegment, NOT64),
  row("0F A0", "PUSH FS", S.pushSegment, D64),
  row("0F A8", "PUSH GS", S.pushSegment, D64),
  row("58 +r", "POP Zv", S.popOperand, D64),
  row("8F /0", "POP Ev", S.popOperand, { size64: "d64", popsFirst: true }),
  row("60", "PUSHA", S.pushAll, NOT64),
  row("61", "POPA", S.popAll, NOT64),
  row("9C", "PUSHF", S.pushFlags, D64),
  row("9D", "POPF", S.popFlags, { size64: "d64", ends: true }),
  row("C8", "ENTER Iw,Ib", S.enter, D64),
  row("C9", "LEAVE", S.leave, D64),
];
