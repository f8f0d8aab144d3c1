import * as S from "../semantics/bit.ts";
import { type Row, row } from "./row.ts";

const TEST = { undefined: "osap" } as const;
const CHANGE = { undefined: "osap", lock: true } as const;
const SCAN = { undefined: "osapc" } as const;
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
  row("F2 0F 38 F0", "CRC32 Gy,Eb", S.crc32, CRC),
  row("F2 0F 38 F1", "CRC32 Gy,Ev", S.crc32, CRC),
];
