import * as S from "../semantics/x87.ts";
import { type Row, row, type Semantics } from "./row.ts";

const ONE = { sizeless: true } as const;
const BY_SIZE = { sizes: [16, 32] } as const;

/** Operations by ModRM.reg of D8, DC, DA and DE; 2 and 3 are comparisons. [SDM 2D table] */
const OPERATIONS: readonly [number, string][] = [
  [0, "ADD"],
  [1, "MUL"],
  [4, "SUB"],
  [5, "SUBR"],
  [6, "DIV"],
  [7, "DIVR"],
];

/** Mnemonics where ST(i) is the destination: the reversed forms change places. */
const TO_REGISTER: Readonly<Record<number, string>> = { 0: "ADD", 1: "MUL", 4: "SUBR", 5: "SUB", 6: "DIVR", 7: "DIV" };

const ARITHMETIC: readonly Row[] = OPERATIONS.flatMap(([n, name]) => [
  row(`D8 /${n}`, `F${name} Md`, S.arithmeticSingle(n), ONE),
  row(`D8 /${n}`, `F${name} ST0,STi`, S.arithmetic(n), ONE),
  row(`DC /${n}`, `F${name} Mq`, S.arithmeticDouble(n), ONE),
  row(`DC /${n}`, `F${TO_REGISTER[n]} STi,ST0`, S.arithmeticTo(n, 0), ONE),
  row(`DE /${n}`, `F${TO_REGISTER[n]}P STi,ST0`, S.arithmeticTo(n, 1), ONE),
  row(`DA /${n}`, `FI${name} Md`, S.arithmeticInteger(n), ONE),
  row(`DE /${n}`, `FI${name} Mw`, S.arithmeticInteger(n), ONE),
]);

/** Comparisons; DC /2, DC /3 and DE /2 are aliases that the manual leaves out. */
const COMPARE: readonly Row[] = [
  row("D8 /2", "FCOM Md", S.compareSingle(0), ONE),
  row("D8 /3", "FCOMP Md", S.compareSingle(1), ONE),
  row("DC /2", "FCOM Mq", S.compareDouble(0), ONE),
  row("DC /3", "FCOMP Mq", S.compareDouble(1), ONE),
  row("DA /2", "FICOM Md", S.compareInteger(0), ONE),
  row("DA /3", "FICOMP Md", S.compareInteger(1), ONE),
  row("DE /2", "FICOM Mw", S.compareInteger(0), ONE),
  row("DE /3", "FICOMP Mw", S.compareInteger(1), ONE),
  ...["D8", "DC"].flatMap((byte) => [
    row(`${byte} /2`, "FCOM STi", S.compare(false, 0), ONE),
    row(`${byte} /3`, "FCOMP STi", S.compare(false, 1), ONE),
  ]),
  row("DE /2", "FCOMP STi", S.compare(false, 1), ONE),
  row("DE /3 rm=1", "FCOMPP", S.compareTopTwo(false), ONE),
  row("DD /4", "FUCOM STi", S.compare(true, 0), ONE),
  row("DD /5", "FUCOMP STi", S.compare(true, 1), ONE),
  row("DA /5 rm=1", "FUCOMPP", S.compareTopTwo(true), ONE),
  row("DB /5", "FUCOMI ST0,STi", S.compareFlags(true, 0), ONE),
  row("DB /6", "FCOMI ST0,STi", S.compareFlags(false, 0), ONE),
  row("DF /5", "FUCOMIP ST0,STi", S.compareFlags(true, 1), ONE),
  row("DF /6", "FCOMIP ST0,STi", S.compareFlags(false, 1), ONE),
];

/** Loads and stores; DF /1 of registers, DD /1 of registers and other doubles of FXCH and FSTP are aliases too, D9 /3 nearly. */
const MOVE: readonly Row[] = [
  row("D9 /0", "FLD Md", S.loadSingle, ONE),
  row("D9 /0", "FLD STi", S.loadRegister, ONE),
  row("DD /0", "FLD Mq", S.loadDouble, ONE),
  row("DB /5", "FLD Mt", S.loadExtended, ONE),
  row("DF /0", "FILD Mw", S.loadInteger, ONE),
  row("DB /0", "FILD Md", S.loadInteger, ONE),
  row("DF /5", "FILD Mq", S.loadInteger, ONE),
  row("DF /4", "FBLD Mt", S.loadDecimal, ONE),
  row("D9 /2", "FST Md", S.storeReal("single", 0), ONE),
  row("D9 /3", "FSTP Md", S.storeReal("single", 1), ONE),
  row("DD /2", "FST Mq", S.storeReal("double", 0), ONE),
  row("DD /3", "FSTP Mq", S.storeReal("double", 1), ONE),
  row("DB /7", "FSTP Mt", S.storeReal("extended", 1), ONE),
  row("DF /6", "FBSTP Mt", S.storeReal("decimal", 1), ONE),
  row("DD /2", "FST STi", S.storeRegister(0), ONE),
  row("DD /3", "FSTP STi", S.storeRegister(1), ONE),
  row("D9 /3", "FSTP STi", S.storeIfPresent, ONE),
  row("DF /2", "FSTP STi", S.storeRegister(1), ONE),
  row("DF /3", "FSTP STi", S.storeRegister(1), ONE),
  row("DF /2", "FIST Mw", S.storeInteger(0), ONE),
  row("DB /2", "FIST Md", S.storeInteger(0), ONE),
  row("DF /3", "FISTP Mw", S.storeInteger(1), ONE),
  row("DB /3", "FISTP Md", S.storeInteger(1), ONE),
  row("DF /7", "FISTP Mq", S.storeInteger(1), ONE),
  row("DF /1", "FISTTP Mw", S.storeTruncated, ONE),
  row("DB /1", "FISTTP Md", S.storeTruncated, ONE),
  row("DD /1", "FISTTP Mq", S.storeTruncated, ONE),
  row("D9 /1", "FXCH STi", S.exchange, ONE),
  row("DD /1", "FXCH STi", S.exchange, ONE),
  row("DF /1", "FXCH STi", S.exchange, ONE),
];

/** Condition codes of FCMOVcc by ModRM.reg. [SDM 1 table 8-5] */
const CONDITIONS: readonly [string, number][] = [
  ["B", 2],
  ["E", 4],
  ["BE", 6],
  ["U", 10],
];

const MOVE_IF: readonly Row[] = CONDITIONS.flatMap(([name, code], n) => [
  row(`DA /${n}`, `FCMOV${name} ST0,STi`, S.moveIf(code), ONE),
  row(`DB /${n}`, `FCMOVN${name} ST0,STi`, S.moveIf(code + 1), ONE),
]);

const CONSTANTS: readonly Row[] = ["1", "L2T", "L2E", "PI", "LG2", "LN2", "Z"].map((name, n) =>
  row(`D9 /5 rm=${n}`, `FLD${name}`, S.loadConstant(n), ONE),
);

/** D9 E0-FF by the low five bits. [SDM 2D table A-10] */
const UNARY: readonly (readonly [number, string])[] = [
  [0x00, "FCHS"],
  [0x01, "FABS"],
  [0x04, "FTST"],
  [0x05, "FXAM"],
  [0x10, "F2XM1"],
  [0x11, "FYL2X"],
  [0x12, "FPTAN"],
  [0x13, "FPATAN"],
  [0x14, "FXTRACT"],
  [0x15, "FPREM1"],
  [0x18, "FPREM"],
  [0x19, "FYL2XP1"],
  [0x1a, "FSQRT"],
  [0x1b, "FSINCOS"],
  [0x1c, "FRNDINT"],
  [0x1d, "FSCALE"],
  [0x1e, "FSIN"],
  [0x1f, "FCOS"],
];

const unary = (n: number): string => `D9 /${4 + (n >> 3)} rm=${n & 7}`;

const D9_E0: readonly Row[] = UNARY.map(([n, name]) => row(unary(n), name, S.unary(n), ONE));

const single = (opcode: string, name: string, semantics: Semantics): Row => row(opcode, name, semantics, ONE);

const CONTROL: readonly Row[] = [
  row("9B", "FWAIT", S.wait, ONE),
  single("D9 /2 rm=0", "FNOP", S.nop),
  single(unary(0x16), "FDECSTP", S.decrementTop),
  single(unary(0x17), "FINCSTP", S.incrementTop),
  ...[0, 1, 4].map((rm) => single(`DB /4 rm=${rm}`, ["FNENI", "FNDISI", "", "", "FNSETPM"][rm]!, S.ignored)),
  single("DB /4 rm=2", "FNCLEX", S.clearExceptions),
  single("DB /4 rm=3", "FNINIT", S.initialize),
  single("DD /0", "FFREE STi", S.free),
  single("DF /0", "FFREEP STi", S.freeAndPop),
  single("D9 /5", "FLDCW Mw", S.loadControl),
  single("D9 /7", "FNSTCW Mw", S.storeControl),
  single("DD /7", "FNSTSW Mw", S.storeStatus),
  single("DF /4 rm=0", "FNSTSW AX", S.storeStatus),
  row("D9 /4", "FLDENV M", S.loadEnvironment, BY_SIZE),
  row("D9 /6", "FNSTENV M", S.storeEnvironment, BY_SIZE),
  row("DD /4", "FRSTOR M", S.restore, BY_SIZE),
  row("DD /6", "FNSAVE M", S.save, BY_SIZE),
];

/** The x87 FPU. [SDM 1 8, 2D A.5] */
export const X87: readonly Row[] = [...ARITHMETIC, ...COMPARE, ...MOVE, ...MOVE_IF, ...CONSTANTS, ...D9_E0, ...CONTROL];
