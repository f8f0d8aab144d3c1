import * as S from "../semantics/arithmetic.ts";
import { type Row, row, type Semantics } from "./row.ts";

/** The eight operations of 00-3F and group 1 in the order of their encoding. [SDM 2D A.2, table A-6] */
const OPERATIONS: readonly [string, Semantics, boolean][] = [
  ["ADD", S.add, true],
  ["OR", S.or, true],
  ["ADC", S.adc, true],
  ["SBB", S.sbb, true],
  ["AND", S.and, true],
  ["SUB", S.sub, true],
  ["XOR", S.xor, true],
  ["CMP", S.cmp, false],
];

const hex = (byte: number): string => byte.toString(16).toUpperCase().padStart(2, "0");

export const ARITHMETIC: readonly Row[] = OPERATIONS.flatMap(([name, semantics, writes], n) => {
  const lock = writes ? ({ lock: true } as const) : {};
  const undefinedFlags = ["OR", "AND", "XOR"].includes(name) ? { undefined: "a" } : {};
  const attributes = { ...lock, ...undefinedFlags };
  const at = (offset: number): string => hex(n * 8 + offset);
  return [
    row(at(0), `${name} Eb,Gb`, semantics, attributes),
    row(at(1), `${name} Ev,Gv`, semantics, attributes),
    row(at(2), `${name} Gb,Eb`, semantics, undefinedFlags),
    row(at(3), `${name} Gv,Ev`, semantics, undefinedFlags),
    row(at(4), `${name} AL,Ib`, semantics, undefinedFlags),
    row(at(5), `${name} rAX,Iz`, semantics, undefinedFlags),
    row(`80 /${n}`, `${name} Eb,Ib`, semantics, attributes),
    row(`81 /${n}`, `${name} Ev,Iz`, semantics, attributes),
    row(`82 /${n}`, `${name} Eb,Ib`, semantics, { ...attributes, mode: "not64" }),
    row(`83 /${n}`, `${name} Ev,Ib`, semantics, attributes),
  ];
});
