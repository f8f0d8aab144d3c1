import type { Form } from "../../src/isa/table/row.ts";
import { DATA, DATA_PAGES, PAGE, WINDOWS } from "./layout.ts";

/** Bytes, from and up to an offset, that differ by model in what an instruction stores. */
type Range = readonly [number, number];

/** The x87 pointers in an environment of 16 and 32 bits. [SDM 1 8.1.10, figures 8-9 and 8-12] */
const ENVIRONMENT16: readonly Range[] = [[6, 14]];
const ENVIRONMENT32: readonly Range[] = [[12, 28]];
/** The same in an image of FXSAVE, and MXCSR_MASK. [SDM 1 10.5.1, table 10-2] */
const FXSAVE: readonly Range[] = [
  [6, 24],
  [28, 32],
];

/** Whether an instruction stores the x87 opcode, instruction and operand pointers. */
export function storesPointers({ row }: Form): boolean {
  return /^(FNSTENV|FNSAVE|FXSAVE)$/.test(row.mnemonic);
}

/** Whether an instruction stores or loads x87 state as a whole. */
export function movesState({ row }: Form): boolean {
  return /^(FNSTENV|FNSAVE|FXSAVE|FLDENV|FRSTOR|FXRSTOR)$/.test(row.mnemonic);
}

/** Names of the bytes that differ by model, as a comparison has them; undefined if some are where only a hash is kept. */
export function pointerBytes({ row, bits }: Form, address: bigint): string[] | undefined {
  const ranges = row.mnemonic === "FXSAVE" ? FXSAVE : bits === 16 ? ENVIRONMENT16 : ENVIRONMENT32;
  const names: string[] = [];
  for (const [from, to] of ranges) {
    for (let n = from; n < to; n++) {
      const linear = Number(BigInt.asUintN(64, address + BigInt(n)));
      const index = windowIndex(linear);
      if (index !== undefined) names.push(`window byte ${index}`);
      else if (linear >= DATA && linear < DATA + DATA_PAGES * PAGE) return undefined;
    }
  }
  return names;
}

function windowIndex(linear: number): number | undefined {
  let before = 0;
  for (const { start, length } of WINDOWS) {
    if (linear >= start && linear < start + length) return before + linear - start;
    before += length;
  }
  return undefined;
}
