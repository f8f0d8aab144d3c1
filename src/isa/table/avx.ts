import * as A from "../semantics/avx.ts";
import * as A2 from "../semantics/avx2.ts";
import { moveScalar } from "../semantics/simd-move.ts";
import * as S from "../semantics/simd-sse4.ts";
import { type Row, row } from "./row.ts";
import { SIMD } from "./simd.ts";
import { SIMD_EXTENDED } from "./simd-extended.ts";
import { SIMD_FLOAT } from "./simd-float.ts";
import { both, type Promotion, promoted } from "./vex.ts";

const AVX = { feature: "avx" } as const;
const BOTH = { lengths: ["128", "256"], features: ["avx", "avx"] } as const;
/** AVX2 brought the integer instructions on 256 bits. */
const BOTH2 = { lengths: ["128", "256"], features: ["avx", "avx2"] } as const;
const ONE = { lengths: ["128"], features: ["avx"] } as const;
const SCALAR = { lengths: ["LIG"], features: ["avx"] } as const;
const THREE = { threeOperands: true } as const;
const TWO = { threeOperands: false } as const;

/** Instructions of SSE that AVX and AVX2 have too. [SDM 1 table 14-2 to 14-7] */
const PROMOTIONS: readonly Promotion[] = [
  {
    ...THREE,
    ...BOTH,
    mnemonics:
      "ADDPD ADDPS ADDSUBPD ADDSUBPS ANDNPD ANDNPS ANDPD ANDPS BLENDPD BLENDPS CMPPD CMPPS DIVPD DIVPS DPPS HADDPD HADDPS HSUBPD HSUBPS MAXPD MAXPS MINPD MINPS MULPD MULPS ORPD ORPS SHUFPD SHUFPS SUBPD SUBPS UNPCKHPD UNPCKHPS UNPCKLPD UNPCKLPS XORPD XORPS",
  },
  {
    ...THREE,
    ...BOTH2,
    mnemonics:
      "MPSADBW PACKSSDW PACKSSWB PACKUSDW PACKUSWB PADDB PADDD PADDQ PADDSB PADDSW PADDUSB PADDUSW PADDW PALIGNR PAND PANDN PAVGB PAVGW PBLENDW PCMPEQB PCMPEQD PCMPEQQ PCMPEQW PCMPGTB PCMPGTD PCMPGTQ PCMPGTW PHADDD PHADDSW PHADDW PHSUBD PHSUBSW PHSUBW PMADDUBSW PMADDWD PMAXSB PMAXSD PMAXSW PMAXUB PMAXUD PMAXUW PMINSB PMINSD PMINSW PMINUB PMINUD PMINUW PMULDQ PMULHRSW PMULHUW PMULHW PMULLD PMULLW PMULUDQ POR PSADBW PSHUFB PSIGNB PSIGND PSIGNW PSLLD PSLLDQ PSLLQ PSLLW PSRAD PSRAW PSRLD PSRLDQ PSRLQ PSRLW PSUBB PSUBD PSUBQ PSUBSB PSUBSW PSUBUSB PSUBUSW PSUBW PUNPCKHBW PUNPCKHDQ PUNPCKHQDQ PUNPCKHWD PUNPCKLBW PUNPCKLDQ PUNPCKLQDQ PUNPCKLWD PXOR",
  },
  {
    ...THREE,
    ...ONE,
    mnemonics:
      "AESDEC AESDECLAST AESENC AESENCLAST DPPD INSERTPS MOVHLPS MOVHPD MOVHPS MOVLHPS MOVLPD MOVLPS PCLMULQDQ PINSRB PINSRD PINSRW",
  },
  {
    ...THREE,
    ...SCALAR,
    mnemonics:
      "ADDSD ADDSS CMPSD CMPSS CVTSD2SS CVTSI2SD CVTSI2SS CVTSS2SD DIVSD DIVSS MAXSD MAXSS MINSD MINSS MULSD MULSS RCPSS ROUNDSD ROUNDSS RSQRTSS SQRTSD SQRTSS SUBSD SUBSS",
  },
  {
    ...TWO,
    ...BOTH,
    mnemonics:
      "CVTDQ2PD CVTDQ2PS CVTPD2DQ CVTPD2PS CVTPS2DQ CVTPS2PD CVTTPD2DQ CVTTPS2DQ LDDQU MOVAPD MOVAPS MOVDDUP MOVDQA MOVDQU MOVMSKPD MOVMSKPS MOVNTDQ MOVNTPD MOVNTPS MOVSHDUP MOVSLDUP MOVUPD MOVUPS PTEST RCPPS ROUNDPD ROUNDPS RSQRTPS SQRTPD SQRTPS",
  },
  {
    ...TWO,
    ...BOTH2,
    mnemonics:
      "MOVNTDQA PABSB PABSD PABSW PMOVMSKB PMOVSXBD PMOVSXBQ PMOVSXBW PMOVSXDQ PMOVSXWD PMOVSXWQ PMOVZXBD PMOVZXBQ PMOVZXBW PMOVZXDQ PMOVZXWD PMOVZXWQ PSHUFD PSHUFHW PSHUFLW",
  },
  {
    ...TWO,
    ...ONE,
    mnemonics:
      "AESIMC AESKEYGENASSIST EXTRACTPS LDMXCSR MASKMOVDQU MOVD MOVQ PCMPESTRI PCMPESTRM PCMPISTRI PCMPISTRM PEXTRB PEXTRD PEXTRW PHMINPOSUW STMXCSR",
  },
  {
    ...TWO,
    ...SCALAR,
    mnemonics: "COMISD COMISS CVTSD2SI CVTSS2SI CVTTSD2SI CVTTSS2SI UCOMISD UCOMISS",
  },
];

/** MOVSS and MOVSD have a first source between registers only; loads clear the rest. */
const SCALAR_MOVES: readonly Row[] = (["SS", "SD"] as const).flatMap((format) => {
  const [prefix, x] = [format === "SS" ? "F3" : "F2", format.toLowerCase()];
  return [
    row(`VEX.LIG.${prefix}.0F.WIG 10`, `VMOV${format} V${x},H${x},U${x}`, moveScalar, AVX),
    row(`VEX.LIG.${prefix}.0F.WIG 10`, `VMOV${format} V${x},M${x}`, moveScalar, AVX),
    row(`VEX.LIG.${prefix}.0F.WIG 11`, `VMOV${format} U${x},H${x},V${x}`, moveScalar, AVX),
    row(`VEX.LIG.${prefix}.0F.WIG 11`, `VMOV${format} M${x},V${x}`, moveScalar, AVX),
  ];
});

const OWN: readonly Row[] = [
  row("VEX.128.0F.WIG 77", "VZEROUPPER", A.clearUpper(false), { ...AVX, sizeless: true }),
  row("VEX.256.0F.WIG 77", "VZEROALL", A.clearUpper(true), { ...AVX, sizeless: true }),
  ...both("66.0F3A.W0 4A", "VBLENDVPS Vx,Hx,Wx,Lx", S.blendVariable("i32x4", 32), ["avx", "avx"]),
  ...both("66.0F3A.W0 4B", "VBLENDVPD Vx,Hx,Wx,Lx", S.blendVariable("i64x2", 64), ["avx", "avx"]),
  ...both("66.0F3A.W0 4C", "VPBLENDVB Vx,Hx,Wx,Lx", S.blendVariable("i8x16", 8), ["avx", "avx2"]),
  ...both("66.0F38.W0 0E", "VTESTPS Vx,Wx", S.testps, ["avx", "avx"]),
  ...both("66.0F38.W0 0F", "VTESTPD Vx,Wx", S.testpd, ["avx", "avx"]),
  ...both("66.0F38.W0 18", "VBROADCASTSS Vx,Md", A.broadcast(4), ["avx", "avx"]),
  row("VEX.256.66.0F38.W0 19", "VBROADCASTSD Vqq,Mq", A.broadcast(8), AVX),
  row("VEX.256.66.0F38.W0 1A", "VBROADCASTF128 Vqq,Mdq", A.broadcast(16), AVX),
  row("VEX.256.66.0F3A.W0 18", "VINSERTF128 Vqq,Hqq,Wdq,Ib", A.insert128, AVX),
  row("VEX.256.66.0F3A.W0 19", "VEXTRACTF128 Wdq,Vqq,Ib", A.extract128, AVX),
  row("VEX.256.66.0F3A.W0 06", "VPERM2F128 Vqq,Hqq,Wqq,Ib", A.permute128, AVX),
  ...both("66.0F38.W0 0C", "VPERMILPS Vx,Hx,Wx", A.permuteSingles, ["avx", "avx"]),
  ...both("66.0F38.W0 0D", "VPERMILPD Vx,Hx,Wx", A.permuteDoubles, ["avx", "avx"]),
  ...both("66.0F3A.W0 04", "VPERMILPS Vx,Wx,Ib", A.permuteSinglesImmediate, ["avx", "avx"]),
  ...both("66.0F3A.W0 05", "VPERMILPD Vx,Wx,Ib", A.permuteDoublesImmediate, ["avx", "avx"]),
  ...both("66.0F38.W0 2C", "VMASKMOVPS Vx,Hx,Mx", A.maskLoad(4), ["avx", "avx"]),
  ...both("66.0F38.W0 2D", "VMASKMOVPD Vx,Hx,Mx", A.maskLoad(8), ["avx", "avx"]),
  ...both("66.0F38.W0 2E", "VMASKMOVPS Mx,Hx,Vx", A.maskStore(4), ["avx", "avx"]),
  ...both("66.0F38.W0 2F", "VMASKMOVPD Mx,Hx,Vx", A.maskStore(8), ["avx", "avx"]),
];

const AVX2_ONLY = { feature: "avx2" } as const;
const AVX2_BOTH = ["avx2", "avx2"] as const;

/** Gathers of dwords and quadwords with indices of 4 or 8 bytes; a register has no room for more elements than indices. */
function gathers(byte: string, name: string, indexSize: 4 | 8, [dword, quad]: readonly [string, string]): Row[] {
  const vm = `vm${8 * indexSize}`;
  const dwords = A2.gather(4, indexSize);
  const quads = A2.gather(8, indexSize);
  const wide = indexSize === 4 ? "qq" : "dq";
  return [
    row(`VEX.128.66.0F38.W0 ${byte}`, `${name}${dword} Vdq,${vm}x,Hdq`, dwords, AVX2_ONLY),
    row(`VEX.256.66.0F38.W0 ${byte}`, `${name}${dword} V${wide},${vm}y,H${wide}`, dwords, AVX2_ONLY),
    row(`VEX.128.66.0F38.W1 ${byte}`, `${name}${quad} Vdq,${vm}x,Hdq`, quads, AVX2_ONLY),
    row(`VEX.256.66.0F38.W1 ${byte}`, `${name}${quad} Vqq,${vm}${indexSize === 4 ? "x" : "y"},Hqq`, quads, AVX2_ONLY),
  ];
}

/** AVX2's own instructions. [SDM 1 14.6] */
const AVX2: readonly Row[] = [
  ...both("66.0F38.W0 18", "VBROADCASTSS Vx,Udq", A.broadcast(4), AVX2_BOTH),
  row("VEX.256.66.0F38.W0 19", "VBROADCASTSD Vqq,Udq", A.broadcast(8), AVX2_ONLY),
  ...both("66.0F38.W0 78", "VPBROADCASTB Vx,Wb", A.broadcast(1), AVX2_BOTH),
  ...both("66.0F38.W0 79", "VPBROADCASTW Vx,Ww", A.broadcast(2), AVX2_BOTH),
  ...both("66.0F38.W0 58", "VPBROADCASTD Vx,Wd", A.broadcast(4), AVX2_BOTH),
  ...both("66.0F38.W0 59", "VPBROADCASTQ Vx,Wq", A.broadcast(8), AVX2_BOTH),
  row("VEX.256.66.0F38.W0 5A", "VBROADCASTI128 Vqq,Mdq", A.broadcast(16), AVX2_ONLY),
  row("VEX.256.66.0F3A.W0 38", "VINSERTI128 Vqq,Hqq,Wdq,Ib", A.insert128, AVX2_ONLY),
  row("VEX.256.66.0F3A.W0 39", "VEXTRACTI128 Wdq,Vqq,Ib", A.extract128, AVX2_ONLY),
  row("VEX.256.66.0F3A.W0 46", "VPERM2I128 Vqq,Hqq,Wqq,Ib", A.permute128, AVX2_ONLY),
  row("VEX.256.66.0F38.W0 36", "VPERMD Vqq,Hqq,Wqq", A2.permuteDwords, AVX2_ONLY),
  row("VEX.256.66.0F38.W0 16", "VPERMPS Vqq,Hqq,Wqq", A2.permuteDwords, AVX2_ONLY),
  row("VEX.256.66.0F3A.W1 00", "VPERMQ Vqq,Wqq,Ib", A2.permuteQuads, AVX2_ONLY),
  row("VEX.256.66.0F3A.W1 01", "VPERMPD Vqq,Wqq,Ib", A2.permuteQuads, AVX2_ONLY),
  ...both("66.0F3A.W0 02", "VPBLENDD Vx,Hx,Wx,Ib", S.blendImmediate("i32x4"), AVX2_BOTH),
  ...both("66.0F38.W0 47", "VPSLLVD Vx,Hx,Wx", A2.shiftEach("shl", "i32x4"), AVX2_BOTH),
  ...both("66.0F38.W1 47", "VPSLLVQ Vx,Hx,Wx", A2.shiftEach("shl", "i64x2"), AVX2_BOTH),
  ...both("66.0F38.W0 45", "VPSRLVD Vx,Hx,Wx", A2.shiftEach("shr_u", "i32x4"), AVX2_BOTH),
  ...both("66.0F38.W1 45", "VPSRLVQ Vx,Hx,Wx", A2.shiftEach("shr_u", "i64x2"), AVX2_BOTH),
  ...both("66.0F38.W0 46", "VPSRAVD Vx,Hx,Wx", A2.shiftEachSigned, AVX2_BOTH),
  ...both("66.0F38.W0 8C", "VPMASKMOVD Vx,Hx,Mx", A.maskLoad(4), AVX2_BOTH),
  ...both("66.0F38.W1 8C", "VPMASKMOVQ Vx,Hx,Mx", A.maskLoad(8), AVX2_BOTH),
  ...both("66.0F38.W0 8E", "VPMASKMOVD Mx,Hx,Vx", A.maskStore(4), AVX2_BOTH),
  ...both("66.0F38.W1 8E", "VPMASKMOVQ Mx,Hx,Vx", A.maskStore(8), AVX2_BOTH),
  ...gathers("90", "VPGATHERD", 4, ["D", "Q"]),
  ...gathers("91", "VPGATHERQ", 8, ["D", "Q"]),
  ...gathers("92", "VGATHERD", 4, ["PS", "PD"]),
  ...gathers("93", "VGATHERQ", 8, ["PS", "PD"]),
];

/** AVX and AVX2. */
export const AVX_ROWS: readonly Row[] = [
  ...promoted([...SIMD, ...SIMD_FLOAT, ...SIMD_EXTENDED], PROMOTIONS),
  ...SCALAR_MOVES,
  ...OWN,
  ...AVX2,
];
