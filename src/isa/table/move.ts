import * as S from "../semantics/move.ts";
import { CONDITIONS, hex } from "./notation.ts";
import { type Row, row } from "./row.ts";

const LOCK = { lock: true } as const;
const ALWAYS_LOCKED = { lock: "always" } as const;
const MOVBE = { feature: "movbe", nfx: true } as const;

export const MOVE: readonly Row[] = [
  row("88", "MOV Eb,Gb", S.mov),
  row("89", "MOV Ev,Gv", S.mov),
  row("8A", "MOV Gb,Eb", S.mov),
  row("8B", "MOV Gv,Ev", S.mov),
  row("A0", "MOV AL,Ob", S.mov),
  row("A1", "MOV rAX,Ov", S.mov),
  row("A2", "MOV Ob,AL", S.mov),
  row("A3", "MOV Ov,rAX", S.mov),
  row("B0 +r", "MOV Zb,Ib", S.mov),
  row("B8 +r", "MOV Zv,Iv", S.mov),
  row("C6 /0", "MOV Eb,Ib", S.mov),
  row("C7 /0", "MOV Ev,Iz", S.mov),
  row("63", "MOVSXD Gv,Ez", S.movsx, { mode: "only64" }),
  row("0F B6", "MOVZX Gv,Eb", S.movzx),
  row("0F B7", "MOVZX Gv,Ew", S.movzx),
  row("0F BE", "MOVSX Gv,Eb", S.movsx),
  row("0F BF", "MOVSX Gv,Ew", S.movsx),
  row("86", "XCHG Eb,Gb", S.xchg, ALWAYS_LOCKED),
  row("87", "XCHG Ev,Gv", S.xchg, ALWAYS_LOCKED),
  row("90 +r", "XCHG Zv,rAX", S.xchg),
  row("0F C0", "XADD Eb,Gb", S.xadd, LOCK),
  row("0F C1", "XADD Ev,Gv", S.xadd, LOCK),
  row("0F B0", "CMPXCHG Eb,Gb", S.cmpxchg, LOCK),
  row("0F B1", "CMPXCHG Ev,Gv", S.cmpxchg, LOCK),
  row("0F C7 /1", "CMPXCHG8B Ma", S.cmpxchgPair, { lock: true, sizes: [32, 64], feature: "cx8" }),
  row("8D", "LEA Gv,M", S.lea),
  row("0F C8 +r", "BSWAP Zv", S.bswap),
  row("0F 38 F0", "MOVBE Gv,Mv", S.movbe, MOVBE),
  row("0F 38 F1", "MOVBE Mv,Gv", S.movbe, MOVBE),
  row("D7", "XLAT", S.xlat, { sizeless: true }),
  row("98", "CBW", S.cbw),
  row("99", "CWD", S.cwd),
  row("9E", "SAHF", S.sahf, { sizeless: true }),
  row("9F", "LAHF", S.lahf, { sizeless: true }),
  ...CONDITIONS.map((name, code) =>
    row(`0F ${hex(0x40 + code)}`, `CMOV${name} Gv,Ev`, S.cmov(code), { feature: "cmov" }),
  ),
  ...CONDITIONS.map((name, code) => row(`0F ${hex(0x90 + code)}`, `SET${name} Eb`, S.set(code))),
];
