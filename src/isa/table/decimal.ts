import * as S from "../semantics/decimal.ts";
import { type Row, row } from "./row.ts";

const PACKED = { mode: "not64", sizeless: true, undefined: "o" } as const;
const UNPACKED = { mode: "not64", sizeless: true, undefined: "oszp" } as const;
const WITH_BASE = { mode: "not64", undefined: "oac" } as const;

export const DECIMAL: readonly Row[] = [
  row("27", "DAA", S.daa, PACKED),
  row("2F", "DAS", S.das, PACKED),
  row("37", "AAA", S.aaa, UNPACKED),
  row("3F", "AAS", S.aas, UNPACKED),
  row("D4", "AAM Ib", S.aam, WITH_BASE),
  row("D5", "AAD Ib", S.aad, WITH_BASE),
  row("D6", "SALC", S.salc, { mode: "not64", sizeless: true }),
];
