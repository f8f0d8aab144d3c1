import { hasModrm } from "../../src/isa/decoder/dispatch.ts";
import { sizesOf } from "../../src/isa/table/forms.ts";
import { MAPS, type Opcode, parseOpcode } from "../../src/isa/table/opcode.ts";
import type { Form } from "../../src/isa/table/row.ts";
import type { Random } from "./random.ts";

const OPERAND_SIZE = 0x66;
const ADDRESS_SIZE = 0x67;
const LOCK = 0xf0;
const REPNE = 0xf2;
const REP = 0xf3;
/** Overrides that 64-bit mode ignores, or that name flat segments in 32-bit mode: ES, CS (only read), SS, DS. */
const FLAT_OVERRIDES = [0x26, 0x36, 0x3e] as const;
/** FS and GS: with bases in 64-bit mode, null in 32-bit mode. */
const BASE_OVERRIDES = [0x64, 0x65] as const;
const REX_W = 8;

/** Bytes that begin with an encoding of the form, followed by more than enough for displacement and immediate. */
export function encodeForm(form: Form, bits: 32 | 64, random: Random): Uint8Array {
  const opcode = parseOpcode(form.row.opcode);
  if (opcode.vex) return encodeVex(form, opcode, bits, random);
  const legacy = legacyPrefixes(form, opcode, bits, random);
  const rex = bits === 64 ? rexPrefix(form, random) : [];
  // a REX that is not directly before the opcode is ignored
  const stray = bits === 64 && random.chance(3) ? [0x40 + random.below(16), FLAT_OVERRIDES[0]] : [];
  const opcodeBytes = [...escapeBytes(opcode), opcode.byte + (opcode.plusRegister ? random.below(8) : 0)];
  const modrm = hasModrm(form.row, opcode) ? modrmBytes(form, opcode, random) : [];
  const rest = Array.from({ length: 12 }, () => Number(random.edge(8)));
  return Uint8Array.from([...stray, ...legacy, ...rex, ...opcodeBytes, ...modrm, ...rest]);
}

function legacyPrefixes(form: Form, opcode: Opcode, bits: 32 | 64, random: Random): number[] {
  const prefixes: number[] = [];
  const mandatory = opcode.prefix === undefined ? undefined : [undefined, OPERAND_SIZE, REP, REPNE][opcode.prefix];
  if (mandatory !== undefined) prefixes.push(mandatory);
  if (form.bits === 16) prefixes.push(OPERAND_SIZE);
  if (form.lock && (form.row.attributes.lock !== "always" || random.chance(30))) prefixes.push(LOCK);
  if (form.rep !== "none") prefixes.push(form.rep === "rep" ? REP : REPNE);
  if (random.chance(bits === 64 ? 10 : 3)) prefixes.push(ADDRESS_SIZE);
  if (random.chance(10)) prefixes.push(random.pick(FLAT_OVERRIDES));
  if (random.chance(bits === 64 ? 6 : 1)) prefixes.push(random.pick(BASE_OVERRIDES));
  if (random.chance(5) && prefixes.length > 0) prefixes.push(random.pick(prefixes));
  return random.shuffle(prefixes);
}

function rexPrefix(form: Form, random: Random): number[] {
  if (form.bits === 64 && form.row.attributes.size64 === undefined) return [0x40 + REX_W + random.below(8)];
  return random.chance(40) ? [0x40 + random.below(8)] : [];
}

function escapeBytes(opcode: Opcode): number[] {
  const map = MAPS[opcode.map]!;
  return map === "" ? [] : map.length === 2 ? [0x0f] : [0x0f, Number.parseInt(map.slice(2), 16)];
}

/** The same for a form with a VEX prefix, mostly of two bytes where that is enough. */
function encodeVex(form: Form, opcode: Opcode, bits: 32 | 64, random: Random): Uint8Array {
  const { lengths, widths } = opcode.vex!;
  const l = random.pick(lengths);
  // outside 64-bit mode processors take VPINSRQ and VPEXTRQ for the shorter forms, or refuse them
  const short32 = bits === 32 && /^VP(INS|EXT)RD$/.test(form.row.mnemonic);
  const w = short32 ? 0 : form.bits === 64 ? 1 : bits === 64 && isSizedRow(form) ? 0 : random.pick(widths);
  const rxb = bits === 64 && random.chance(40) ? random.below(8) : 0;
  const usesVvvv = form.operands.some((o) => o.kind === "register" && o.slot === "vvvv");
  const vvvv = usesVvvv ? random.below(bits === 64 ? 16 : 8) : 0;
  const last = ((~vvvv & 15) << 3) | (l << 2) | opcode.prefix!;
  const short = opcode.map === 1 && w === 0 && (rxb & 3) === 0 && random.chance(70);
  const vex = short ? [0xc5, ((~rxb & 4) << 5) | last] : [0xc4, ((~rxb & 7) << 5) | opcode.map, (w << 7) | last];
  const prefixes = [
    ...(random.chance(bits === 64 ? 10 : 3) ? [ADDRESS_SIZE] : []),
    ...(random.chance(10) ? [random.pick(FLAT_OVERRIDES)] : []),
    ...(random.chance(bits === 64 ? 6 : 1) ? [random.pick(BASE_OVERRIDES)] : []),
  ];
  const modrm = hasModrm(form.row, opcode) ? modrmBytes(form, opcode, random) : [];
  const rest = Array.from({ length: 12 }, () => Number(random.edge(8)));
  return Uint8Array.from([...prefixes, ...vex, opcode.byte, ...modrm, ...rest]);
}

/** VEX.W is the operand size. */
function isSizedRow(form: Form): boolean {
  return sizesOf(form.row).length > 1;
}

/** ModRM and a byte that is SIB or displacement. */
function modrmBytes(form: Form, opcode: Opcode, random: Random): number[] {
  const reg = opcode.reg ?? random.below(8);
  const rm = form.memory ? random.below(8) : (opcode.rm ?? random.below(8));
  const mod = form.memory ? random.pick([0, 0, 1, 1, 2]) : 3;
  return [(mod << 6) | (reg << 3) | rm, random.below(256)];
}
