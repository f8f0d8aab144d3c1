import * as S from "../semantics/string.ts";
import { type Row, row } from "./row.ts";

const REP = { rep: "rep" } as const;
const REPE = { rep: "repe" } as const;

export const STRING: readonly Row[] = [
  row("A4", "MOVS Yb,Xb", S.movs, REP),
  row("A5", "MOVS Yv,Xv", S.movs, REP),
  row("A6", "CMPS Xb,Yb", S.cmps, REPE),
  row("A7", "CMPS Xv,Yv", S.cmps, REPE),
  row("AA", "STOS Yb,AL", S.stos, REP),
  row("AB", "STOS Yv,rAX", S.stos, REP),
  row("AC", "LODS AL,Xb", S.lods, REP),
  row("AD", "LODS rAX,Xv", S.lods, REP),
  row("AE", "SCAS AL,Yb", S.scas, REPE),
  row("AF", "SCAS rAX,Yv", S.scas, REPE),
];
