import { assert } from "../../base/assert.ts";
import { type Attributes, type Row, row, type Semantics } from "./row.ts";

/**
 * Rows with a VEX prefix that mean what a legacy row means: `threeOperands` have a first source of their own, in VEX.vvvv.
 * `lengths` are the values of VEX.L; an instruction on 256 bits works on two lanes as the legacy one does on its own.
 */
export interface Promotion {
  readonly mnemonics: string;
  readonly threeOperands: boolean;
  readonly lengths: readonly Length[];
  /** CPUID features of the lengths. */
  readonly features: readonly string[];
}

type Length = "128" | "256" | "LIG";

/** What needs its memory aligned behind a VEX prefix too. [SDM 1 14.9] */
const ALIGNED = /^MOV(AP[SD]|NT|DQA)/;
/** 256-bit forms whose operands are not all twice as wide. */
const WIDE_OPERANDS: Readonly<Record<string, string>> = {
  MOVDDUP: "Vqq,Wqq",
  CVTPD2PS: "Vdq,Wqq",
  CVTPD2DQ: "Vdq,Wqq",
  CVTTPD2DQ: "Vdq,Wqq",
};
/** Shifts of all elements by one count, which is in an XMM register or 128 bits of memory. */
const SHIFTS = /^PS(LL|RL|RA)[WDQ]$/;

/** Suffixes of twice the width. */
const TWICE: Readonly<Record<string, string>> = { w: "d", d: "q", q: "dq", dq: "qq", ps: "qq", pd: "qq" };

const widened = (code: string): string =>
  code.replace(/^([VWUM])(dq|pd|ps|[wdq])$/, (_, file, type) => file + TWICE[type]);

/** The rows behind a VEX prefix of all rows that a promotion names. Rows on MMX registers have none. */
export function promoted(rows: readonly Row[], promotions: readonly Promotion[]): Row[] {
  return promotions.flatMap((promotion) => {
    const names = new Set(promotion.mnemonics.split(" "));
    const sources = rows.filter((row) => names.has(row.mnemonic) && !row.operands.some((code) => /^[PQN]/.test(code)));
    const missing = [...names].filter((name) => !sources.some(({ mnemonic }) => mnemonic === name));
    assert(missing.length === 0, `no rows to promote: ${missing.join(" ")}`);
    return promotion.lengths.flatMap((length, n) =>
      sources.map((source) => promote(source, promotion, length, promotion.features[n]!)),
    );
  });
}

function promote(source: Row, { threeOperands }: Promotion, length: Length, feature: string): Row {
  const attributes: Attributes = { ...source.attributes, feature };
  const { aligned: _, ...unaligned } = attributes;
  const operands = threeOperands ? withFirstSource(source.operands) : source.operands;
  const codes = length === "256" ? wideOperands(source, operands) : operands;
  return {
    opcode: vexOpcode(source, length),
    mnemonic: `V${source.mnemonic}`,
    operands: codes,
    semantics: source.semantics,
    attributes: ALIGNED.test(source.mnemonic) ? attributes : unaligned,
  };
}

/** The destination's operand once more, in VEX.vvvv; shifts by an immediate have their destination there. */
function withFirstSource(operands: readonly string[]): string[] {
  const [destination, ...rest] = operands as [string, ...string[]];
  if (destination.startsWith("M")) return [...operands];
  const first = `H${destination.slice(1)}`;
  return destination.startsWith("U") ? [first, ...operands] : [destination, first, ...rest];
}

function wideOperands(source: Row, operands: readonly string[]): string[] {
  const given = WIDE_OPERANDS[source.mnemonic];
  if (given) return given.split(",");
  const isCount = SHIFTS.test(source.mnemonic) && operands[2] === "Wdq";
  return operands.map((code, n) => (isCount && n === 2 ? code : widened(code.replace(/^H(dq|pd|ps)$/, "Hqq"))));
}

/** "66 0F 38 00" as "VEX.128.66.0F38.WIG 00"; VEX.W is the operand size of general registers. */
function vexOpcode(source: Row, length: Length): string {
  const match = /^(NP|66|F2|F3) (0F(?: 38| 3A)?) (.*)$/.exec(source.opcode)!;
  const [, prefix, map, rest] = match as unknown as [string, string, string, string];
  const sized = source.operands.some((code) => /^[EG]y$/.test(code));
  const fields = ["VEX", length, ...(prefix === "NP" ? [] : [prefix]), map.replace(" ", ""), ...(sized ? [] : ["WIG"])];
  return `${fields.join(".")} ${rest}`;
}

/** A row for VEX.128 and one for VEX.256: operands with the suffix x have 16 and 32 bytes, h half of that. */
export function both(opcode: string, text: string, semantics: Semantics, features: readonly [string, string]): Row[] {
  const sized = (x: string, h: string): string =>
    text.replace(/\b([A-Z])([xh])\b/g, (_, file, type) => file + (type === "x" ? x : h));
  return [
    row(`VEX.128.${opcode}`, sized("dq", "q"), semantics, { feature: features[0] }),
    row(`VEX.256.${opcode}`, sized("qq", "dq"), semantics, { feature: features[1] }),
  ];
}
