import * as C from "../semantics/simd-crypto.ts";
import * as H from "../semantics/simd-horizontal.ts";
import * as I from "../semantics/simd-integer.ts";
import { move } from "../semantics/simd-move.ts";
import { pack } from "../semantics/simd-shuffle.ts";
import * as S from "../semantics/simd-sse4.ts";
import * as T from "../semantics/simd-text.ts";
import { hex } from "./notation.ts";
import { type Row, row, type Semantics } from "./row.ts";

const SSE3 = { feature: "sse3" } as const;
const SSE3_ALIGNED = { feature: "sse3", aligned: true } as const;
const SSSE3 = { feature: "ssse3" } as const;
const SSSE3_ALIGNED = { feature: "ssse3", aligned: true } as const;
const SSE41 = { feature: "sse4_1" } as const;
const SSE41_ALIGNED = { feature: "sse4_1", aligned: true } as const;
const SSE42 = { feature: "sse4_2" } as const;
const AES = { feature: "aes", aligned: true } as const;
const SHA = { feature: "sha", aligned: true } as const;

const SSE3_ROWS: readonly Row[] = [
  row("F2 0F D0", "ADDSUBPS Vps,Wps", H.addSub("PS"), SSE3_ALIGNED),
  row("66 0F D0", "ADDSUBPD Vpd,Wpd", H.addSub("PD"), SSE3_ALIGNED),
  row("F2 0F 7C", "HADDPS Vps,Wps", H.horizontalFloat("add", "PS"), SSE3_ALIGNED),
  row("66 0F 7C", "HADDPD Vpd,Wpd", H.horizontalFloat("add", "PD"), SSE3_ALIGNED),
  row("F2 0F 7D", "HSUBPS Vps,Wps", H.horizontalFloat("sub", "PS"), SSE3_ALIGNED),
  row("66 0F 7D", "HSUBPD Vpd,Wpd", H.horizontalFloat("sub", "PD"), SSE3_ALIGNED),
  row("F2 0F F0", "LDDQU Vdq,Mdq", move, SSE3),
  row("F2 0F 12", "MOVDDUP Vdq,Wq", H.duplicate([0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]), SSE3),
  row("F3 0F 12", "MOVSLDUP Vps,Wps", H.duplicate([0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11]), SSE3_ALIGNED),
  row(
    "F3 0F 16",
    "MOVSHDUP Vps,Wps",
    H.duplicate([4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15]),
    SSE3_ALIGNED,
  ),
];

/** SSSE3 operations of map 0F38, on MMX and, with 66, on XMM registers. */
const BOTH_FILES: readonly [number, string, Semantics][] = [
  [0x00, "PSHUFB", H.pshufb],
  [0x01, "PHADDW", H.horizontal("add", "i16x8")],
  [0x02, "PHADDD", H.horizontal("add", "i32x4")],
  [0x03, "PHADDSW", H.horizontal("add_sat_s", "i16x8")],
  [0x04, "PMADDUBSW", H.pmaddubsw],
  [0x05, "PHSUBW", H.horizontal("sub", "i16x8")],
  [0x06, "PHSUBD", H.horizontal("sub", "i32x4")],
  [0x07, "PHSUBSW", H.horizontal("sub_sat_s", "i16x8")],
  [0x08, "PSIGNB", H.psign("B")],
  [0x09, "PSIGNW", H.psign("W")],
  [0x0a, "PSIGND", H.psign("D")],
  [0x0b, "PMULHRSW", H.pmulhrsw],
  [0x1c, "PABSB", H.pabs("B")],
  [0x1d, "PABSW", H.pabs("W")],
  [0x1e, "PABSD", H.pabs("D")],
];

const SSSE3_ROWS: readonly Row[] = [
  ...BOTH_FILES.flatMap(([byte, name, semantics]) => [
    row(`NP 0F 38 ${hex(byte)}`, `${name} Pq,Qq`, semantics, SSSE3),
    row(`66 0F 38 ${hex(byte)}`, `${name} Vdq,Wdq`, semantics, SSSE3_ALIGNED),
  ]),
  row("NP 0F 3A 0F", "PALIGNR Pq,Qq,Ib", H.palignr, SSSE3),
  row("66 0F 3A 0F", "PALIGNR Vdq,Wdq,Ib", H.palignr, SSSE3_ALIGNED),
];

/** PMOVSX* from opcode 20, PMOVZX* from 30: ending, source operand, steps. */
const EXTENSIONS: readonly [string, string, Parameters<typeof S.extendLanes>[1][]][] = [
  ["BW", "Wq", ["i16x8"]],
  ["BD", "Wd", ["i16x8", "i32x4"]],
  ["BQ", "Ww", ["i16x8", "i32x4", "i64x2"]],
  ["WD", "Wq", ["i32x4"]],
  ["WQ", "Wd", ["i32x4", "i64x2"]],
  ["DQ", "Wq", ["i64x2"]],
];

/** SSE4.1 operations of two XMM operands. */
const SSE41_PACKED: readonly [number, string, Semantics][] = [
  [0x28, "PMULDQ", S.pmuldq],
  [0x29, "PCMPEQQ", I.compareEqual("Q")],
  [0x2b, "PACKUSDW", pack("i16x8", "u")],
  [0x38, "PMINSB", I.op("min_s", "B")],
  [0x39, "PMINSD", I.op("min_s", "D")],
  [0x3a, "PMINUW", I.op("min_u", "W")],
  [0x3b, "PMINUD", I.op("min_u", "D")],
  [0x3c, "PMAXSB", I.op("max_s", "B")],
  [0x3d, "PMAXSD", I.op("max_s", "D")],
  [0x3e, "PMAXUW", I.op("max_u", "W")],
  [0x3f, "PMAXUD", I.op("max_u", "D")],
  [0x40, "PMULLD", I.op("mul", "D")],
  [0x41, "PHMINPOSUW", S.phminposuw],
];

const SSE41_ROWS: readonly Row[] = [
  ...SSE41_PACKED.map(([byte, name, semantics]) =>
    row(`66 0F 38 ${hex(byte)}`, `${name} Vdq,Wdq`, semantics, SSE41_ALIGNED),
  ),
  ...EXTENSIONS.flatMap(([ending, source, steps], n) => [
    row(`66 0F 38 ${hex(0x20 + n)}`, `PMOVSX${ending} Vdq,${source}`, S.extendLanes("s", ...steps), SSE41),
    row(`66 0F 38 ${hex(0x30 + n)}`, `PMOVZX${ending} Vdq,${source}`, S.extendLanes("u", ...steps), SSE41),
  ]),
  row("66 0F 38 10", "PBLENDVB Vdq,Wdq,XMM0", S.blendVariable("i8x16", 8), SSE41_ALIGNED),
  row("66 0F 38 14", "BLENDVPS Vdq,Wdq,XMM0", S.blendVariable("i32x4", 32), SSE41_ALIGNED),
  row("66 0F 38 15", "BLENDVPD Vdq,Wdq,XMM0", S.blendVariable("i64x2", 64), SSE41_ALIGNED),
  row("66 0F 38 17", "PTEST Vdq,Wdq", S.ptest, SSE41_ALIGNED),
  row("66 0F 38 2A", "MOVNTDQA Vdq,Mdq", move, SSE41_ALIGNED),
  row("66 0F 3A 08", "ROUNDPS Vps,Wps,Ib", S.round("PS"), SSE41_ALIGNED),
  row("66 0F 3A 09", "ROUNDPD Vpd,Wpd,Ib", S.round("PD"), SSE41_ALIGNED),
  row("66 0F 3A 0A", "ROUNDSS Vss,Wss,Ib", S.round("SS"), SSE41),
  row("66 0F 3A 0B", "ROUNDSD Vsd,Wsd,Ib", S.round("SD"), SSE41),
  row("66 0F 3A 0C", "BLENDPS Vps,Wps,Ib", S.blendImmediate("i32x4"), SSE41_ALIGNED),
  row("66 0F 3A 0D", "BLENDPD Vpd,Wpd,Ib", S.blendImmediate("i64x2"), SSE41_ALIGNED),
  row("66 0F 3A 0E", "PBLENDW Vdq,Wdq,Ib", S.blendImmediate("i16x8"), SSE41_ALIGNED),
  row("66 0F 3A 14", "PEXTRB Rd/Mb,Vdq,Ib", S.extract("i8x16"), SSE41),
  row("66 0F 3A 15", "PEXTRW Rd/Mw,Vdq,Ib", S.extract("i16x8"), SSE41),
  row("66 0F 3A 16", "PEXTRD Ey,Vdq,Ib", S.extract("i32x4"), SSE41),
  row("66 0F 3A 17", "EXTRACTPS Ed,Vdq,Ib", S.extract("i32x4"), SSE41),
  row("66 0F 3A 20", "PINSRB Vdq,Rd/Mb,Ib", S.insert("i8x16"), SSE41),
  row("66 0F 3A 21", "INSERTPS Vdq,Udq/Md,Ib", S.insertps, SSE41),
  row("66 0F 3A 22", "PINSRD Vdq,Ey,Ib", S.insert("i32x4"), SSE41),
  row("66 0F 3A 40", "DPPS Vps,Wps,Ib", S.dotProduct("PS"), SSE41_ALIGNED),
  row("66 0F 3A 41", "DPPD Vpd,Wpd,Ib", S.dotProduct("PD"), SSE41_ALIGNED),
  row("66 0F 3A 42", "MPSADBW Vdq,Wdq,Ib", S.mpsadbw, SSE41_ALIGNED),
];

const SSE42_ROWS: readonly Row[] = [
  row("66 0F 38 37", "PCMPGTQ Vdq,Wdq", I.compareGreater("Q"), { feature: "sse4_2", aligned: true }),
  row("66 0F 3A 60", "PCMPESTRM Vdq,Wdq,Ib", T.compareStringsMask(true), { ...SSE42, sizes: [32, 64] }),
  row("66 0F 3A 61", "PCMPESTRI Vdq,Wdq,Ib", T.compareStringsIndex(true), { ...SSE42, sizes: [32, 64] }),
  row("66 0F 3A 62", "PCMPISTRM Vdq,Wdq,Ib", T.compareStringsMask(false), SSE42),
  row("66 0F 3A 63", "PCMPISTRI Vdq,Wdq,Ib", T.compareStringsIndex(false), SSE42),
];

const CRYPTO_ROWS: readonly Row[] = [
  row("66 0F 38 DB", "AESIMC Vdq,Wdq", C.aesimc, AES),
  row("66 0F 38 DC", "AESENC Vdq,Wdq", C.encrypt(false), AES),
  row("66 0F 38 DD", "AESENCLAST Vdq,Wdq", C.encrypt(true), AES),
  row("66 0F 38 DE", "AESDEC Vdq,Wdq", C.decrypt(false), AES),
  row("66 0F 38 DF", "AESDECLAST Vdq,Wdq", C.decrypt(true), AES),
  row("66 0F 3A DF", "AESKEYGENASSIST Vdq,Wdq,Ib", C.aeskeygenassist, AES),
  row("66 0F 3A 44", "PCLMULQDQ Vdq,Wdq,Ib", C.pclmulqdq, { feature: "pclmulqdq", aligned: true }),
  row("NP 0F 38 C8", "SHA1NEXTE Vdq,Wdq", C.sha1nexte, SHA),
  row("NP 0F 38 C9", "SHA1MSG1 Vdq,Wdq", C.sha1msg1, SHA),
  row("NP 0F 38 CA", "SHA1MSG2 Vdq,Wdq", C.sha1msg2, SHA),
  row("NP 0F 38 CB", "SHA256RNDS2 Vdq,Wdq", C.sha256rnds2, SHA),
  row("NP 0F 38 CC", "SHA256MSG1 Vdq,Wdq", C.sha256msg1, SHA),
  row("NP 0F 38 CD", "SHA256MSG2 Vdq,Wdq", C.sha256msg2, SHA),
  row("NP 0F 3A CC", "SHA1RNDS4 Vdq,Wdq,Ib", C.sha1rnds4, SHA),
];

/** SSE3, SSSE3, SSE4, AES, PCLMULQDQ and SHA. */
export const SIMD_EXTENDED: readonly Row[] = [
  ...SSE3_ROWS,
  ...SSSE3_ROWS,
  ...SSE41_ROWS,
  ...SSE42_ROWS,
  ...CRYPTO_ROWS,
];
