import { FUSED_ADDEND } from "../float-op.ts";
import * as F from "../semantics/fma.ts";
import type { Format } from "../semantics/simd-float.ts";
import { hex } from "./notation.ts";
import { type Row, row } from "./row.ts";
import { both } from "./vex.ts";

const FMA = { feature: "fma" } as const;
const ORDERS = ["132", "213", "231"] as const;

/** Low digit of the opcode of the packed form, name, product negated, addend. [SDM 2D table A-4] */
const OPERATIONS: readonly [number, string, boolean, keyof typeof FUSED_ADDEND][] = [
  [0x6, "FMADDSUB", false, "addSubtract"],
  [0x7, "FMSUBADD", false, "subtractAdd"],
  [0x8, "FMADD", false, "add"],
  [0xa, "FMSUB", false, "subtract"],
  [0xc, "FNMADD", true, "add"],
  [0xe, "FNMSUB", true, "subtract"],
];

const FUSED: readonly Row[] = ORDERS.flatMap((order, n) =>
  OPERATIONS.flatMap(([digit, name, negate, addend]) => {
    const byte = 0x90 + 0x10 * n + digit;
    const of = (format: Format) => F.fused(`first${order}`, negate, FUSED_ADDEND[addend], format);
    const packed = (w: number, format: Format): Row[] =>
      both(`66.0F38.W${w} ${hex(byte)}`, `V${name}${order}${format} Vx,Hx,Wx`, of(format), ["fma", "fma"]);
    const scalar = (w: number, format: Format): Row => {
      const type = format.toLowerCase();
      const text = `V${name}${order}${format} V${type},H${type},W${type}`;
      return row(`VEX.LIG.66.0F38.W${w} ${hex(byte + 1)}`, text, of(format), FMA);
    };
    const scalars = digit < 8 ? [] : [scalar(0, "SS"), scalar(1, "SD")];
    return [...packed(0, "PS"), ...packed(1, "PD"), ...scalars];
  }),
);

/** FMA and F16C. */
export const FMA_ROWS: readonly Row[] = [
  ...FUSED,
  ...both("66.0F38.W0 13", "VCVTPH2PS Vx,Wh", F.halvesToSingles, ["f16c", "f16c"]),
  ...both("66.0F3A.W0 1D", "VCVTPS2PH Wh,Vx,Ib", F.singlesToHalves, ["f16c", "f16c"]),
];
