import { ARITHMETIC } from "./arithmetic.ts";
import { AVX_ROWS } from "./avx.ts";
import { BIT } from "./bit.ts";
import { BRANCH } from "./branch.ts";
import { DECIMAL } from "./decimal.ts";
import { FMA_ROWS } from "./fma.ts";
import { MOVE } from "./move.ts";
import type { Row } from "./row.ts";
import { SHIFT } from "./shift.ts";
import { SIMD } from "./simd.ts";
import { SIMD_EXTENDED } from "./simd-extended.ts";
import { SIMD_FLOAT } from "./simd-float.ts";
import { STACK } from "./stack.ts";
import { STRING } from "./string.ts";
import { SYSTEM } from "./system.ts";
import { X87 } from "./x87.ts";

/** The whole instruction table. */
export const ROWS: readonly Row[] = [
  ...MOVE,
  ...ARITHMETIC,
  ...SHIFT,
  ...BIT,
  ...DECIMAL,
  ...STACK,
  ...BRANCH,
  ...STRING,
  ...SYSTEM,
  ...X87,
  ...SIMD,
  ...SIMD_FLOAT,
  ...SIMD_EXTENDED,
  ...AVX_ROWS,
  ...FMA_ROWS,
];
