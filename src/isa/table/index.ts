import { ARITHMETIC } from "./arithmetic.ts";
import { BIT } from "./bit.ts";
import { BRANCH } from "./branch.ts";
import { DECIMAL } from "./decimal.ts";
import { MOVE } from "./move.ts";
import type { Row } from "./row.ts";
import { SHIFT } from "./shift.ts";
import { STACK } from "./stack.ts";
import { STRING } from "./string.ts";
import { SYSTEM } from "./system.ts";

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
];
