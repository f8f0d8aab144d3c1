import * as C from "../semantics/simd-convert.ts";
import * as F from "../semantics/simd-float.ts";
import { hex } from "./notation.ts";
import { type Attributes, type Row, row, type Semantics } from "./row.ts";

/** Mandatory prefix of each format. */
const PREFIX: Readonly<Record<F.Format, string>> = { PS: "NP", PD: "66", SS: "F3", SD: "F2" };
const FORMATS: readonly F.Format[] = ["PS", "PD", "SS", "SD"];

const SSE = { feature: "sse" } as const;
const SSE2 = { feature: "sse2" } as const;
const SSE_ALIGNED = { feature: "sse", aligned: true } as const;
const SSE2_ALIGNED = { feature: "sse2", aligned: true } as const;

/** The feature of a format; its packed memory operands are aligned. */
const attributesOf = (format: F.Format): Attributes => (F.isDouble(format) ? SSE2_ALIGNED : SSE_ALIGNED);

const rowsOf = (
  byte: number,
  name: string,
  semantics: (format: F.Format) => Semantics,
  formats: readonly F.Format[] = FORMATS,
  immediate = "",
): Row[] =>
  formats.map((format) => {
    const type = format.toLowerCase();
    const text = `${name}${format} V${type},W${type}${immediate}`;
    return row(`${PREFIX[format]} 0F ${hex(byte)}`, text, semantics(format), attributesOf(format));
  });

/** UCOMISS and COMISS have the prefixes of the packed formats. */
const flagRow = (byte: number, name: string, quiet: boolean, format: "SS" | "SD"): Row => {
  const type = format.toLowerCase();
  const prefix = format === "SS" ? "NP" : "66";
  return row(
    `${prefix} 0F ${hex(byte)}`,
    `${name}${format} V${type},W${type}`,
    F.compareFlags(quiet, format),
    attributesOf(format),
  );
};

const ARITHMETIC: readonly Row[] = [
  ...rowsOf(0x51, "SQRT", F.sqrt),
  ...rowsOf(0x52, "RSQRT", (format) => F.reciprocal(true, format), ["PS", "SS"]),
  ...rowsOf(0x53, "RCP", (format) => F.reciprocal(false, format), ["PS", "SS"]),
  ...rowsOf(0x58, "ADD", (format) => F.arithmetic("add", format)),
  ...rowsOf(0x59, "MUL", (format) => F.arithmetic("mul", format)),
  ...rowsOf(0x5c, "SUB", (format) => F.arithmetic("sub", format)),
  ...rowsOf(0x5d, "MIN", (format) => F.minMax("min", format)),
  ...rowsOf(0x5e, "DIV", (format) => F.arithmetic("div", format)),
  ...rowsOf(0x5f, "MAX", (format) => F.minMax("max", format)),
  ...rowsOf(0xc2, "CMP", F.compare, FORMATS, ",Ib"),
  flagRow(0x2e, "UCOMI", true, "SS"),
  flagRow(0x2e, "UCOMI", true, "SD"),
  flagRow(0x2f, "COMI", false, "SS"),
  flagRow(0x2f, "COMI", false, "SD"),
];

const CONVERSIONS: readonly Row[] = [
  row("NP 0F 2A", "CVTPI2PS Vq,Qq", C.dwordsToSingles(2), SSE),
  row("66 0F 2A", "CVTPI2PD Vpd,Qq", C.dwordsToDoubles, SSE2),
  row("F3 0F 2A", "CVTSI2SS Vss,Ey", C.integerToScalar("SS"), SSE),
  row("F2 0F 2A", "CVTSI2SD Vsd,Ey", C.integerToScalar("SD"), SSE2),
  row("NP 0F 2C", "CVTTPS2PI Pq,Wq", C.packedToInteger(true, "PS"), SSE),
  row("66 0F 2C", "CVTTPD2PI Pq,Wpd", C.packedToInteger(true, "PD"), SSE2_ALIGNED),
  row("F3 0F 2C", "CVTTSS2SI Gy,Wss", C.scalarToInteger(true, "SS"), SSE),
  row("F2 0F 2C", "CVTTSD2SI Gy,Wsd", C.scalarToInteger(true, "SD"), SSE2),
  row("NP 0F 2D", "CVTPS2PI Pq,Wq", C.packedToInteger(false, "PS"), SSE),
  row("66 0F 2D", "CVTPD2PI Pq,Wpd", C.packedToInteger(false, "PD"), SSE2_ALIGNED),
  row("F3 0F 2D", "CVTSS2SI Gy,Wss", C.scalarToInteger(false, "SS"), SSE),
  row("F2 0F 2D", "CVTSD2SI Gy,Wsd", C.scalarToInteger(false, "SD"), SSE2),
  row("NP 0F 5A", "CVTPS2PD Vpd,Wq", C.singlesToDoubles("PS"), SSE2),
  row("66 0F 5A", "CVTPD2PS Vps,Wpd", C.doublesToSingles("PD"), SSE2_ALIGNED),
  row("F3 0F 5A", "CVTSS2SD Vsd,Wss", C.singlesToDoubles("SS"), SSE2),
  row("F2 0F 5A", "CVTSD2SS Vss,Wsd", C.doublesToSingles("SD"), SSE2),
  row("NP 0F 5B", "CVTDQ2PS Vps,Wdq", C.dwordsToSingles(4), SSE2_ALIGNED),
  row("66 0F 5B", "CVTPS2DQ Vdq,Wps", C.packedToInteger(false, "PS"), SSE2_ALIGNED),
  row("F3 0F 5B", "CVTTPS2DQ Vdq,Wps", C.packedToInteger(true, "PS"), SSE2_ALIGNED),
  row("66 0F E6", "CVTTPD2DQ Vdq,Wpd", C.packedToInteger(true, "PD"), SSE2_ALIGNED),
  row("F3 0F E6", "CVTDQ2PD Vpd,Wq", C.dwordsToDoubles, SSE2),
  row("F2 0F E6", "CVTPD2DQ Vdq,Wpd", C.packedToInteger(false, "PD"), SSE2_ALIGNED),
];

/** Floating-point arithmetic, comparisons and conversions of SSE and SSE2. */
export const SIMD_FLOAT: readonly Row[] = [...ARITHMETIC, ...CONVERSIONS];
