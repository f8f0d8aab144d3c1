import * as S from "../semantics/shift.ts";
import { type Row, row, type Semantics } from "./row.ts";

/** Group 2 in the order of its encoding, with the flags left undefined by counts over 1. [SDM 2D A.4.2, table A-6] */
const GROUP2: readonly (readonly [string, Semantics, string])[] = [
  ["ROL", S.rol, "o"],
  ["ROR", S.ror, "o"],
  ["RCL", S.rcl, "o"],
  ["RCR", S.rcr, "o"],
  ["SHL", S.shl, "oac"],
  ["SHR", S.shr, "oac"],
  ["SAL", S.shl, "oac"],
  ["SAR", S.sar, "oac"],
];

const DOUBLE = { undefined: "oa" } as const;

export const SHIFT: readonly Row[] = [
  ...GROUP2.flatMap(([name, semantics, undefinedFlags], n) => {
    const once = undefinedFlags.includes("a") ? { undefined: "a" } : {};
    const more = { undefined: undefinedFlags };
    return [
      row(`C0 /${n}`, `${name} Eb,Ib`, semantics, more),
      row(`C1 /${n}`, `${name} Ev,Ib`, semantics, more),
      row(`D0 /${n}`, `${name} Eb,1`, semantics, once),
      row(`D1 /${n}`, `${name} Ev,1`, semantics, once),
      row(`D2 /${n}`, `${name} Eb,CL`, semantics, more),
      row(`D3 /${n}`, `${name} Ev,CL`, semantics, more),
    ];
  }),
  row("0F A4", "SHLD Ev,Gv,Ib", S.shld, DOUBLE),
  row("0F A5", "SHLD Ev,Gv,CL", S.shld, DOUBLE),
  row("0F AC", "SHRD Ev,Gv,Ib", S.shrd, DOUBLE),
  row("0F AD", "SHRD Ev,Gv,CL", S.shrd, DOUBLE),
];
