import * as I from "../semantics/simd-integer.ts";
import * as M from "../semantics/simd-move.ts";
import * as H from "../semantics/simd-shuffle.ts";
import * as X from "../semantics/simd-state.ts";
import { hex } from "./notation.ts";
import { type Attributes, type Row, row, type Semantics } from "./row.ts";

const MMX = { feature: "mmx" } as const;
const SSE = { feature: "sse" } as const;
const SSE2 = { feature: "sse2" } as const;
const SSE_ALIGNED = { feature: "sse", aligned: true } as const;
const SSE2_ALIGNED = { feature: "sse2", aligned: true } as const;

/** Packed integer operations that exist on MMX and, with 66, on XMM registers: opcode, mnemonic, semantics. [SDM 2D A.3] */
const PACKED: readonly [number, string, Semantics][] = [
  [0x60, "PUNPCKLBW", H.unpackLow(1)],
  [0x61, "PUNPCKLWD", H.unpackLow(2)],
  [0x62, "PUNPCKLDQ", H.unpackLow(4)],
  [0x63, "PACKSSWB", H.pack("i8x16", "s")],
  [0x64, "PCMPGTB", I.compareGreater("B")],
  [0x65, "PCMPGTW", I.compareGreater("W")],
  [0x66, "PCMPGTD", I.compareGreater("D")],
  [0x67, "PACKUSWB", H.pack("i8x16", "u")],
  [0x68, "PUNPCKHBW", H.unpackHigh(1)],
  [0x69, "PUNPCKHWD", H.unpackHigh(2)],
  [0x6a, "PUNPCKHDQ", H.unpackHigh(4)],
  [0x6b, "PACKSSDW", H.pack("i16x8", "s")],
  [0x74, "PCMPEQB", I.compareEqual("B")],
  [0x75, "PCMPEQW", I.compareEqual("W")],
  [0x76, "PCMPEQD", I.compareEqual("D")],
  [0xd1, "PSRLW", I.shiftRight("W")],
  [0xd2, "PSRLD", I.shiftRight("D")],
  [0xd3, "PSRLQ", I.shiftRight("Q")],
  [0xd5, "PMULLW", I.op("mul", "W")],
  [0xd8, "PSUBUSB", I.op("sub_sat_u", "B")],
  [0xd9, "PSUBUSW", I.op("sub_sat_u", "W")],
  [0xdb, "PAND", I.and],
  [0xdc, "PADDUSB", I.op("add_sat_u", "B")],
  [0xdd, "PADDUSW", I.op("add_sat_u", "W")],
  [0xdf, "PANDN", I.andn],
  [0xe1, "PSRAW", I.shiftRightSigned("W")],
  [0xe2, "PSRAD", I.shiftRightSigned("D")],
  [0xe5, "PMULHW", I.pmulhw],
  [0xe8, "PSUBSB", I.op("sub_sat_s", "B")],
  [0xe9, "PSUBSW", I.op("sub_sat_s", "W")],
  [0xeb, "POR", I.or],
  [0xec, "PADDSB", I.op("add_sat_s", "B")],
  [0xed, "PADDSW", I.op("add_sat_s", "W")],
  [0xef, "PXOR", I.xor],
  [0xf1, "PSLLW", I.shiftLeft("W")],
  [0xf2, "PSLLD", I.shiftLeft("D")],
  [0xf3, "PSLLQ", I.shiftLeft("Q")],
  [0xf5, "PMADDWD", I.pmaddwd],
  [0xf8, "PSUBB", I.sub("B")],
  [0xf9, "PSUBW", I.sub("W")],
  [0xfa, "PSUBD", I.sub("D")],
  [0xfc, "PADDB", I.add("B")],
  [0xfd, "PADDW", I.add("W")],
  [0xfe, "PADDD", I.add("D")],
];

/** The same for operations that SSE added to MMX registers. */
const PACKED_SSE: readonly [number, string, Semantics][] = [
  [0xda, "PMINUB", I.op("min_u", "B")],
  [0xde, "PMAXUB", I.op("max_u", "B")],
  [0xe0, "PAVGB", I.op("avgr_u", "B")],
  [0xe3, "PAVGW", I.op("avgr_u", "W")],
  [0xe4, "PMULHUW", I.pmulhuw],
  [0xea, "PMINSW", I.op("min_s", "W")],
  [0xee, "PMAXSW", I.op("max_s", "W")],
  [0xf6, "PSADBW", I.psadbw],
];

/** The same for operations that SSE2 added to MMX registers. */
const PACKED_SSE2: readonly [number, string, Semantics][] = [
  [0xd4, "PADDQ", I.add("Q")],
  [0xf4, "PMULUDQ", I.pmuludq],
  [0xfb, "PSUBQ", I.sub("Q")],
];

const bothFiles = (list: readonly [number, string, Semantics][], attributes: Attributes): Row[] =>
  list.flatMap(([byte, name, semantics]) => [
    row(`NP 0F ${hex(byte)}`, `${name} Pq,${/^PUNPCKL/.test(name) ? "Qd" : "Qq"}`, semantics, attributes),
    row(`66 0F ${hex(byte)}`, `${name} Vdq,Wdq`, semantics, SSE2_ALIGNED),
  ]);

/** Shifts by an immediate: opcode, extension, mnemonic, semantics. */
const SHIFTS: readonly [number, number, string, Semantics][] = [
  [0x71, 2, "PSRLW", I.shiftRight("W")],
  [0x71, 4, "PSRAW", I.shiftRightSigned("W")],
  [0x71, 6, "PSLLW", I.shiftLeft("W")],
  [0x72, 2, "PSRLD", I.shiftRight("D")],
  [0x72, 4, "PSRAD", I.shiftRightSigned("D")],
  [0x72, 6, "PSLLD", I.shiftLeft("D")],
  [0x73, 2, "PSRLQ", I.shiftRight("Q")],
  [0x73, 6, "PSLLQ", I.shiftLeft("Q")],
];

const INTEGER: readonly Row[] = [
  ...bothFiles(PACKED, MMX),
  ...bothFiles(PACKED_SSE, SSE),
  ...bothFiles(PACKED_SSE2, SSE2),
  ...SHIFTS.flatMap(([byte, extension, name, semantics]) => [
    row(`NP 0F ${hex(byte)} /${extension}`, `${name} Nq,Ib`, semantics, MMX),
    row(`66 0F ${hex(byte)} /${extension}`, `${name} Udq,Ib`, semantics, SSE2),
  ]),
  row("66 0F 73 /3", "PSRLDQ Udq,Ib", I.psrldq, SSE2),
  row("66 0F 73 /7", "PSLLDQ Udq,Ib", I.pslldq, SSE2),
  row("66 0F 6C", "PUNPCKLQDQ Vdq,Wdq", H.unpackLow(8), SSE2_ALIGNED),
  row("66 0F 6D", "PUNPCKHQDQ Vdq,Wdq", H.unpackHigh(8), SSE2_ALIGNED),
  row("NP 0F 70", "PSHUFW Pq,Qq,Ib", H.pshuflw, SSE),
  row("66 0F 70", "PSHUFD Vdq,Wdq,Ib", H.pshufd, SSE2_ALIGNED),
  row("F3 0F 70", "PSHUFHW Vdq,Wdq,Ib", H.pshufhw, SSE2_ALIGNED),
  row("F2 0F 70", "PSHUFLW Vdq,Wdq,Ib", H.pshuflw, SSE2_ALIGNED),
  row("NP 0F C4", "PINSRW Pq,Rd/Mw,Ib", H.pinsrw, SSE),
  row("66 0F C4", "PINSRW Vdq,Rd/Mw,Ib", H.pinsrw, SSE2),
  row("NP 0F C5", "PEXTRW Gd,Nq,Ib", H.pextrw, SSE),
  row("66 0F C5", "PEXTRW Gd,Udq,Ib", H.pextrw, SSE2),
  row("NP 0F D7", "PMOVMSKB Gd,Nq", I.moveMask("i8x16"), SSE),
  row("66 0F D7", "PMOVMSKB Gd,Udq", I.moveMask("i8x16"), SSE2),
  row("NP 0F 50", "MOVMSKPS Gd,Ups", I.moveMask("i32x4"), SSE),
  row("66 0F 50", "MOVMSKPD Gd,Upd", I.moveMask("i64x2"), SSE2),
];

const LOGIC: readonly [number, string, Semantics][] = [
  [0x54, "AND", I.and],
  [0x55, "ANDN", I.andn],
  [0x56, "OR", I.or],
  [0x57, "XOR", I.xor],
];

const FLOAT_BITS: readonly Row[] = [
  ...LOGIC.flatMap(([byte, name, semantics]) => [
    row(`NP 0F ${hex(byte)}`, `${name}PS Vps,Wps`, semantics, SSE_ALIGNED),
    row(`66 0F ${hex(byte)}`, `${name}PD Vpd,Wpd`, semantics, SSE2_ALIGNED),
  ]),
  row("NP 0F 14", "UNPCKLPS Vps,Wps", H.unpackLow(4), SSE_ALIGNED),
  row("66 0F 14", "UNPCKLPD Vpd,Wpd", H.unpackLow(8), SSE2_ALIGNED),
  row("NP 0F 15", "UNPCKHPS Vps,Wps", H.unpackHigh(4), SSE_ALIGNED),
  row("66 0F 15", "UNPCKHPD Vpd,Wpd", H.unpackHigh(8), SSE2_ALIGNED),
  row("NP 0F C6", "SHUFPS Vps,Wps,Ib", H.shufps, SSE_ALIGNED),
  row("66 0F C6", "SHUFPD Vpd,Wpd,Ib", H.shufpd, SSE2_ALIGNED),
];

const MOVES: readonly Row[] = [
  row("NP 0F 10", "MOVUPS Vps,Wps", M.move, SSE),
  row("66 0F 10", "MOVUPD Vpd,Wpd", M.move, SSE2),
  row("F3 0F 10", "MOVSS Vss,Wss", M.moveScalar, SSE),
  row("F2 0F 10", "MOVSD Vsd,Wsd", M.moveScalar, SSE2),
  row("NP 0F 11", "MOVUPS Wps,Vps", M.move, SSE),
  row("66 0F 11", "MOVUPD Wpd,Vpd", M.move, SSE2),
  row("F3 0F 11", "MOVSS Wss,Vss", M.moveScalar, SSE),
  row("F2 0F 11", "MOVSD Wsd,Vsd", M.moveScalar, SSE2),
  row("NP 0F 12", "MOVLPS Vq,Mq", M.moveLow, SSE),
  row("NP 0F 12", "MOVHLPS Vq,Uq", M.moveLow, SSE),
  row("66 0F 12", "MOVLPD Vq,Mq", M.moveLow, SSE2),
  row("NP 0F 13", "MOVLPS Mq,Vq", M.move, SSE),
  row("66 0F 13", "MOVLPD Mq,Vq", M.move, SSE2),
  row("NP 0F 16", "MOVHPS Vdq,Mq", M.moveHigh, SSE),
  row("NP 0F 16", "MOVLHPS Vdq,Uq", M.moveHigh, SSE),
  row("66 0F 16", "MOVHPD Vdq,Mq", M.moveHigh, SSE2),
  row("NP 0F 17", "MOVHPS Mq,Vq", M.storeHigh, SSE),
  row("66 0F 17", "MOVHPD Mq,Vq", M.storeHigh, SSE2),
  row("NP 0F 28", "MOVAPS Vps,Wps", M.move, SSE_ALIGNED),
  row("66 0F 28", "MOVAPD Vpd,Wpd", M.move, SSE2_ALIGNED),
  row("NP 0F 29", "MOVAPS Wps,Vps", M.move, SSE_ALIGNED),
  row("66 0F 29", "MOVAPD Wpd,Vpd", M.move, SSE2_ALIGNED),
  row("NP 0F 2B", "MOVNTPS Mps,Vps", M.move, SSE_ALIGNED),
  row("66 0F 2B", "MOVNTPD Mpd,Vpd", M.move, SSE2_ALIGNED),
  row("NP 0F 6E", "MOVD Pq,Ey", M.moveFromGeneral, MMX),
  row("66 0F 6E", "MOVD Vdq,Ey", M.moveFromGeneral, SSE2),
  row("NP 0F 7E", "MOVD Ey,Pq", M.moveToGeneral, MMX),
  row("66 0F 7E", "MOVD Ey,Vq", M.moveToGeneral, SSE2),
  row("NP 0F 6F", "MOVQ Pq,Qq", M.move, MMX),
  row("66 0F 6F", "MOVDQA Vdq,Wdq", M.move, SSE2_ALIGNED),
  row("F3 0F 6F", "MOVDQU Vdq,Wdq", M.move, SSE2),
  row("NP 0F 7F", "MOVQ Qq,Pq", M.move, MMX),
  row("66 0F 7F", "MOVDQA Wdq,Vdq", M.move, SSE2_ALIGNED),
  row("F3 0F 7F", "MOVDQU Wdq,Vdq", M.move, SSE2),
  row("F3 0F 7E", "MOVQ Vq,Wq", M.moveQuad, SSE2),
  row("66 0F D6", "MOVQ Wq,Vq", M.moveQuad, SSE2),
  row("F3 0F D6", "MOVQ2DQ Vdq,Nq", M.moveToWhole, SSE2),
  row("F2 0F D6", "MOVDQ2Q Pq,Uq", M.move, SSE2),
  row("NP 0F E7", "MOVNTQ Mq,Pq", M.move, SSE),
  row("66 0F E7", "MOVNTDQ Mdq,Vdq", M.move, SSE2_ALIGNED),
  row("NP 0F F7", "MASKMOVQ Pq,Nq", M.maskMove, SSE),
  row("66 0F F7", "MASKMOVDQU Vdq,Udq", M.maskMove, SSE2),
  row("NP 0F C3", "MOVNTI My,Gy", M.moveInteger, SSE2),
];

const STATE: readonly Row[] = [
  row("NP 0F 77", "EMMS", X.emms, { ...MMX, sizeless: true }),
  row("NP 0F AE /0", "FXSAVE M", X.fxsave, { feature: "fxsr", sizes: [32, 64] }),
  row("NP 0F AE /1", "FXRSTOR M", X.fxrstor, { feature: "fxsr", sizes: [32, 64] }),
  row("NP 0F AE /2", "LDMXCSR Md", X.ldmxcsr, SSE),
  row("NP 0F AE /3", "STMXCSR Md", X.stmxcsr, SSE),
  row("NP 0F AE /7", "CLFLUSH Mb", X.clflush, { feature: "clfsh" }),
  row("66 0F AE /7", "CLFLUSHOPT Mb", X.clflush, { feature: "clflushopt" }),
  row("66 0F AE /6", "CLWB Mb", X.clflush, { feature: "clwb" }),
  row("NP 0F AE /5", "LFENCE", X.fence, { ...SSE2, sizeless: true }),
  row("NP 0F AE /6", "MFENCE", X.memoryFence, { ...SSE2, sizeless: true }),
  row("NP 0F AE /7", "SFENCE", X.fence, { ...SSE, sizeless: true }),
  row("0F 18 /0", "PREFETCHNTA Mb", X.hint, SSE),
  row("0F 18 /1", "PREFETCHT0 Mb", X.hint, SSE),
  row("0F 18 /2", "PREFETCHT1 Mb", X.hint, SSE),
  row("0F 18 /3", "PREFETCHT2 Mb", X.hint, SSE),
  row("0F 0D /0", "PREFETCH Mb", X.hint, { feature: "prefetchw" }),
  row("0F 0D /1", "PREFETCHW Mb", X.hint, { feature: "prefetchw" }),
];

/** MMX and the integer, move and state instructions of SSE and SSE2. */
export const SIMD: readonly Row[] = [...INTEGER, ...FLOAT_BITS, ...MOVES, ...STATE];
