import * as S from "../semantics/branch.ts";
import { CONDITIONS, hex } from "./notation.ts";
import { type Row, row } from "./row.ts";

const F64 = { size64: "f64" } as const;
const SIZELESS = { sizeless: true } as const;

/** Reserved for hints; 1E is also what ENDBR and RDSSP are without CET. [SDM 2D A.3] */
const HINT_NOPS = [0x0d, 0x18, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f];

export const BRANCH: readonly Row[] = [
  ...CONDITIONS.map((name, code) => row(hex(0x70 + code), `J${name} Jb`, S.jcc(code), F64)),
  ...CONDITIONS.map((name, code) => row(`0F ${hex(0x80 + code)}`, `J${name} Jz`, S.jcc(code), F64)),
  row("E0", "LOOPNE Jb", S.loopne, F64),
  row("E1", "LOOPE Jb", S.loope, F64),
  row("E2", "LOOP Jb", S.loop, F64),
  row("E3", "JCXZ Jb", S.jcxz, F64),
  row("E8", "CALL Jz", S.call, F64),
  row("E9", "JMP Jz", S.jmp, F64),
  row("EB", "JMP Jb", S.jmp, F64),
  row("FF /2", "CALL Ev", S.callIndirect, F64),
  row("FF /4", "JMP Ev", S.jmpIndirect, F64),
  row("C2", "RET Iw", S.retImmediate, F64),
  row("C3", "RET", S.ret, F64),
  row("CC", "INT3", S.int3, SIZELESS),
  row("CD", "INT Ib", S.int),
  row("CE", "INTO", S.into, { sizeless: true, mode: "not64" }),
  row("F1", "INT1", S.int1, SIZELESS),
  row("62", "BOUND Gv,Ma", S.bound, { mode: "not64" }),
  row("90", "NOP", S.nop, SIZELESS),
  row("F3 90", "PAUSE", S.nop, SIZELESS),
  ...HINT_NOPS.map((byte) => row(`0F ${hex(byte)}`, "NOP Ev", S.nop)),
  row("0F 0B", "UD2", S.ud, SIZELESS),
  row("0F B9", "UD1 Gv,Ev", S.ud, SIZELESS),
  row("0F FF", "UD0 Gv,Ev", S.ud, SIZELESS),
  row("F5", "CMC", S.cmc, SIZELESS),
  row("F8", "CLC", S.clc, SIZELESS),
  row("F9", "STC", S.stc, SIZELESS),
  row("FC", "CLD", S.cld, SIZELESS),
  row("FD", "STD", S.std, SIZELESS),
];
