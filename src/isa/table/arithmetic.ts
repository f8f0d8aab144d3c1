import * as S from "../semantics/arithmetic.ts";
import * as M from "../semantics/multiply.ts";
import { hex } from "./notation.ts";
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

const GROUP1: readonly Row[] = OPERATIONS.flatMap(([name, semantics, writes], n) => {
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

const LOCK = { lock: true } as const;
const LOGIC = { undefined: "a" } as const;
const MULTIPLY = { undefined: "szap" } as const;
const DIVIDE = { undefined: "oszapc" } as const;
const ADX = { feature: "adx" } as const;

export const ARITHMETIC: readonly Row[] = [
  ...GROUP1,
  row("40 +r", "INC Zv", S.inc, { mode: "not64" }),
  row("48 +r", "DEC Zv", S.dec, { mode: "not64" }),
  row("FE /0", "INC Eb", S.inc, LOCK),
  row("FF /0", "INC Ev", S.inc, LOCK),
  row("FE /1", "DEC Eb", S.dec, LOCK),
  row("FF /1", "DEC Ev", S.dec, LOCK),
  row("84", "TEST Eb,Gb", S.test, LOGIC),
  row("85", "TEST Ev,Gv", S.test, LOGIC),
  row("A8", "TEST AL,Ib", S.test, LOGIC),
  row("A9", "TEST rAX,Iz", S.test, LOGIC),
  row("F6 /0", "TEST Eb,Ib", S.test, LOGIC),
  row("F6 /1", "TEST Eb,Ib", S.test, LOGIC),
  row("F7 /0", "TEST Ev,Iz", S.test, LOGIC),
  row("F7 /1", "TEST Ev,Iz", S.test, LOGIC),
  row("F6 /2", "NOT Eb", S.not, LOCK),
  row("F7 /2", "NOT Ev", S.not, LOCK),
  row("F6 /3", "NEG Eb", S.neg, LOCK),
  row("F7 /3", "NEG Ev", S.neg, LOCK),
  row("F6 /4", "MUL Eb", M.mul, MULTIPLY),
  row("F7 /4", "MUL Ev", M.mul, MULTIPLY),
  row("F6 /5", "IMUL Eb", M.imul, MULTIPLY),
  row("F7 /5", "IMUL Ev", M.imul, MULTIPLY),
  row("0F AF", "IMUL Gv,Ev", M.imul2, MULTIPLY),
  row("69", "IMUL Gv,Ev,Iz", M.imul3, MULTIPLY),
  row("6B", "IMUL Gv,Ev,Ib", M.imul3, MULTIPLY),
  row("F6 /6", "DIV Eb", M.div, DIVIDE),
  row("F7 /6", "DIV Ev", M.div, DIVIDE),
  row("F6 /7", "IDIV Eb", M.idiv, DIVIDE),
  row("F7 /7", "IDIV Ev", M.idiv, DIVIDE),
  row("66 0F 38 F6", "ADCX Gy,Ey", M.addWithFlag("cf"), ADX),
  row("F3 0F 38 F6", "ADOX Gy,Ey", M.addWithFlag("of"), ADX),
];
