import * as S from "../semantics/bit.ts";
import * as V from "../semantics/bmi.ts";
import { type Row, row } from "./row.ts";

const TEST = { undefined: "osap" } as const;
const CHANGE = { undefined: "osap", lock: true } as const;
const SCAN = { undefined: "osapc" } as const;
const BMI1 = { undefined: "ap", feature: "bmi1" } as const;
const BMI2 = { feature: "bmi2" } as const;
const CRC = { feature: "sse4_2" } as const;

export const BIT: readonly Row[] = [
  row("0F A3", "BT Ev,Gv", S.bt, TEST),
  row("0F AB", "BTS Ev,Gv", S.bts, CHANGE),
  row("0F B3", "BTR Ev,Gv", S.btr, CHANGE),
  row("0F BB", "BTC Ev,Gv", S.btc, CHANGE),
  row("0F BA /4", "BT Ev,Ib", S.bt, TEST),
  row("0F BA /5", "BTS Ev,Ib", S.bts, CHANGE),
  row("0F BA /6", "BTR Ev,Ib", S.btr, CHANGE),
  row("0F BA /7", "BTC Ev,Ib", S.btc, CHANGE),
  row("0F BC", "BSF Gv,Ev", S.bsf, SCAN),
  row("0F BD", "BSR Gv,Ev", S.bsr, SCAN),
  row("F3 0F BC", "TZCNT Gv,Ev", S.tzcnt, { undefined: "osap", feature: "bmi1" }),
  row("F3 0F BD", "LZCNT Gv,Ev", S.lzcnt, { undefined: "osap", feature: "lzcnt" }),
  row("F3 0F B8", "POPCNT Gv,Ev", S.popcnt, { feature: "popcnt" }),
  row("VEX.LZ.0F38 F2", "ANDN Gy,By,Ey", V.andn, BMI1),
  row("VEX.LZ.0F38 F3 /1", "BLSR By,Ey", V.blsr, BMI1),
  row("VEX.LZ.0F38 F3 /2", "BLSMSK By,Ey", V.blsmsk, BMI1),
  row("VEX.LZ.0F38 F3 /3", "BLSI By,Ey", V.blsi, BMI1),
  row("VEX.LZ.0F38 F7", "BEXTR Gy,Ey,By", V.bextr, { undefined: "asp", feature: "bmi1" }),
  row("VEX.LZ.0F38 F5", "BZHI Gy,Ey,By", V.bzhi, { undefined: "ap", feature: "bmi2" }),
  row("VEX.LZ.F2.0F38 F5", "PDEP Gy,By,Ey", V.pdep, BMI2),
  row("VEX.LZ.F3.0F38 F5", "PEXT Gy,By,Ey", V.pext, BMI2),
  row("VEX.LZ.F2.0F38 F6", "MULX Gy,By,Ey", V.mulx, BMI2),
  row("VEX.LZ.66.0F38 F7", "SHLX Gy,Ey,By", V.shlx, BMI2),
  row("VEX.LZ.F3.0F38 F7", "SARX Gy,Ey,By", V.sarx, BMI2),
  row("VEX.LZ.F2.0F38 F7", "SHRX Gy,Ey,By", V.shrx, BMI2),
  row("VEX.LZ.F2.0F3A F0", "RORX Gy,Ey,Ib", V.rorx, BMI2),
  row("F2 0F 38 F0", "CRC32 Gy,Eb", S.crc32, CRC),
  row("F2 0F 38 F1", "CRC32 Gy,Ev", S.crc32, CRC),
];
