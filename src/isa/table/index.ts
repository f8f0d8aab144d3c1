import { ARITHMETIC } from "./arithmetic.ts";
import type { Row } from "./row.ts";

/** The whole instruction table. */
export const ROWS: readonly Row[] = [...ARITHMETIC];
