import { decodeAddress16, decodeAddress32 } from "./address.ts";
import {
  dispatchIndex,
  GROUP_SIZE,
  IMMEDIATE,
  IMMEDIATE_BYTES,
  LEAF_FORMS_SIZE,
  NO_FORM,
  REG_RULE,
  RM_SIZE,
  SIZE_RULE,
} from "./encoding.ts";
import { FLAT, type Instruction, NO_REGISTER, NO_SEGMENT, PREFIX } from "./instruction.ts";
import {
  DISPATCH,
  FORM_IMMEDIATE,
  FORM_POPS,
  FORM_REG_RULE,
  FORM_VSIB,
  FORM_VVVV,
  GROUPS,
  LEAF_FORMS,
  LEAF_RULE,
  RM_LEAVES,
} from "./tables.ts";
import { isVex, readVex, VEX_REFUSED } from "./vex.ts";

/** Result of decode. */
export const DECODE = {
  ok: 0,
  /** The instruction goes on after the bytes available. */
  more: 1,
  /** #UD */
  invalid: 2,
  /** Over 15 bytes: #GP(0). [SDM 2A 2.3.11] */
  tooLong: 3,
} as const;
export type DecodeStatus = (typeof DECODE)[keyof typeof DECODE];

/** Size of the code segment in bits. */
export type CodeSize = 16 | 32 | 64;

const MAX_LENGTH = 15;
/** 0F 20-23, moves of control and debug registers: ModRM.mod is taken as 3. [SDM 2B MOV] */
const MOV_CONTROL = 0x20;

/** Kinds of prefix bytes: 1 operand size, 2 address size, 3 LOCK, 4 REPNE, 5 REP, 6 REX; 16 + n overrides with segment n. */
const PREFIX_KIND = new Uint8Array(256);
PREFIX_KIND[0x66] = 1;
PREFIX_KIND[0x67] = 2;
PREFIX_KIND[0xf0] = 3;
PREFIX_KIND[0xf2] = 4;
PREFIX_KIND[0xf3] = 5;
PREFIX_KIND.fill(6, 0x40, 0x50);
[0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65].forEach((byte, segment) => {
  PREFIX_KIND[byte] = 16 + segment;
});

/**
 * Decodes the instruction at `bytes[offset]` into `out`, with `available` bytes there (more than 15 are not looked at),
 * for a code segment of `mode` bits. Only after `ok` is all of `out` valid; it is reused without allocation.
 */
export function decode(
  bytes: Uint8Array,
  offset: number,
  available: number,
  mode: CodeSize,
  out: Instruction,
): DecodeStatus {
  const end = offset + Math.min(available, MAX_LENGTH);
  const short = available < MAX_LENGTH ? DECODE.more : DECODE.tooLong;
  out.reset();
  let at = scanPrefixes(bytes, offset, end, mode, out);
  if (at >= end) return short;
  let byte = bytes[at++]!;
  let map = 0;
  let entry = 0;
  if (isVex(bytes, at, end, mode)) {
    const last = at + (byte & 1 ? 1 : 2);
    if (last >= end) return short;
    if (out.rex !== 0 || out.prefixes & VEX_REFUSED) return DECODE.invalid;
    entry = DISPATCH[readVex(bytes, at, mode, out)]!;
    byte = bytes[last]!;
    at = last + 1;
  } else {
    if (byte === 0x0f) {
      if (at >= end) return short;
      byte = bytes[at++]!;
      if (byte === 0x38 || byte === 0x3a) {
        map = byte === 0x38 ? 2 : 3;
        if (at >= end) return short;
        byte = bytes[at++]!;
      } else map = 1;
    }
    // NOP is XCHG rAX, rAX only in name: with REX.B the exchange is real, and 91 stands for it
    const lookup = map === 0 && byte === 0x90 && out.rex & 1 ? 0x91 : byte;
    entry = DISPATCH[dispatchIndex(mode === 64 ? 1 : 0, mandatoryPrefix(out.prefixes), map, lookup)]!;
  }
  if (entry === 0) return DECODE.invalid;
  if (entry > 0) {
    out.reg = (byte & 7) | ((out.rex & 1) << 3);
    return finish(bytes, offset, at, end, mode, entry, 0, out, short);
  }
  const control = map === 1 && (byte & 0xfc) === MOV_CONTROL;
  return decodeModrm(bytes, offset, at, end, mode, -entry * GROUP_SIZE, control, out, short);
}

/** Takes ModRM and SIB; `registers`: ModRM.mod is taken as 3. */
function decodeModrm(
  bytes: Uint8Array,
  offset: number,
  start: number,
  end: number,
  mode: CodeSize,
  group: number,
  registers: boolean,
  out: Instruction,
  short: DecodeStatus,
): DecodeStatus {
  let at = start;
  if (at >= end) return short;
  const modrm = bytes[at++]! | (registers ? 0xc0 : 0);
  const place = (modrm >= 0xc0 ? 8 : 0) + ((modrm >> 3) & 7);
  const found = GROUPS[group + place]!;
  const leaf = found < 0 ? RM_LEAVES[-found * RM_SIZE + (modrm & 7)]! : found;
  if (leaf === 0) return DECODE.invalid;
  out.reg = ((modrm >> 3) & 7) | ((out.rex & 4) << 1);
  if (modrm >= 0xc0) {
    out.rm = (modrm & 7) | ((out.rex & 1) << 3);
    return finish(bytes, offset, at, end, mode, leaf, 0, out, short);
  }
  if (out.addressSize === 16)
    return finish(bytes, offset, at, end, mode, leaf, decodeAddress16(modrm, out), out, short);
  if ((modrm & 7) === 4) {
    if (at >= end) return short;
    out.sib = bytes[at++]!;
  }
  const displacement = decodeAddress32(modrm, out.sib, mode === 64, out);
  return finish(bytes, offset, at, end, mode, leaf, displacement, out, short);
}

/** Reads legacy prefixes and REX; gives the position of the first opcode byte. [SDM 2A 2.1.1, 2.2.1] */
function scanPrefixes(bytes: Uint8Array, offset: number, end: number, mode: CodeSize, out: Instruction): number {
  let at = offset;
  let rex = 0;
  for (; at < end; at++) {
    const byte = bytes[at]!;
    const kind = PREFIX_KIND[byte]!;
    if (kind === 0 || (kind === 6 && mode !== 64)) break;
    // a REX that is not directly before the opcode is ignored
    rex = kind === 6 ? byte : 0;
    if (kind !== 6) takePrefix(kind, mode, out);
  }
  out.rex = rex;
  out.addressSize = addressSizeOf(mode, (out.prefixes & PREFIX.addressSize) !== 0);
  return at;
}

function takePrefix(kind: number, mode: CodeSize, out: Instruction): void {
  if (kind === 1) out.prefixes |= PREFIX.operandSize;
  else if (kind === 2) out.prefixes |= PREFIX.addressSize;
  else if (kind === 3) out.prefixes |= PREFIX.lock;
  else if (kind === 4) out.prefixes = (out.prefixes & ~PREFIX.rep) | PREFIX.repne;
  else if (kind === 5) out.prefixes = (out.prefixes & ~PREFIX.repne) | PREFIX.rep;
  // in 64-bit mode overrides with ES, CS, SS and DS are ignored
  else if (mode !== 64 || kind >= 20) out.override = kind - 16;
}

function addressSizeOf(mode: CodeSize, prefixed: boolean): 16 | 32 | 64 {
  if (!prefixed) return mode;
  return mode === 32 ? 16 : 32;
}

/** F3 and F2 go before 66 as mandatory prefixes. [SDM 2A 2.1.2] */
function mandatoryPrefix(prefixes: number): number {
  if (prefixes & PREFIX.rep) return 2;
  if (prefixes & PREFIX.repne) return 3;
  return prefixes & PREFIX.operandSize ? 1 : 0;
}

/** Chooses the form and reads displacement and immediate. */
function finish(
  bytes: Uint8Array,
  offset: number,
  at: number,
  end: number,
  mode: CodeSize,
  leaf: number,
  displacement: number,
  out: Instruction,
  short: DecodeStatus,
): DecodeStatus {
  const id = formOf(leaf, mode, out);
  if (id === NO_FORM || !regAllowed(FORM_REG_RULE[id]!, out)) return DECODE.invalid;
  if (out.vvvv !== 0 && !takeVvvv(FORM_VVVV[id]!, mode, out)) return DECODE.invalid;
  if (FORM_VSIB[id] !== 0 && !takeVectorIndex(out)) return DECODE.invalid;
  const kind = FORM_IMMEDIATE[id]!;
  const size = kind === IMMEDIATE.offset ? out.addressSize >> 3 : IMMEDIATE_BYTES[kind]!;
  const length = at - offset + displacement + size;
  if (offset + length > end) return short;
  out.form = id;
  out.length = length;
  out.segment = segmentOf(mode, out);
  if (displacement !== 0) readDisplacement(bytes, at, displacement, out);
  if (out.base === 4 && FORM_POPS[id]! !== 0) addDisplacement(FORM_POPS[id]!, out);
  if (size !== 0) readImmediate(bytes, at + displacement, kind, mode, out);
  return DECODE.ok;
}

function formOf(leaf: number, mode: CodeSize, out: Instruction): number {
  const { prefixes } = out;
  const lock = prefixes & PREFIX.lock ? 3 : 0;
  const rep = prefixes & PREFIX.rep ? 1 : prefixes & PREFIX.repne ? 2 : 0;
  return LEAF_FORMS[leaf * LEAF_FORMS_SIZE + operandSize(LEAF_RULE[leaf]!, mode, out) * 6 + lock + rep]!;
}

/** Operand size: 0, 1, 2 for 16, 32, 64 bits. [SDM 1 3.6] */
function operandSize(rule: number, mode: CodeSize, out: Instruction): number {
  const prefixed = out.prefixes & PREFIX.operandSize;
  if (mode === 16) return prefixed ? 1 : 0;
  if (mode === 32) return prefixed ? 0 : 1;
  if (rule === SIZE_RULE.f64 || out.rex & 8) return 2;
  if (prefixed) return 0;
  return rule === SIZE_RULE.d64 ? 2 : 1;
}

/** Whether ModRM.reg names a segment, control or debug register that exists. */
function regAllowed(rule: number, out: Instruction): boolean {
  const { reg } = out;
  switch (rule) {
    case REG_RULE.any:
      return true;
    case REG_RULE.segment:
      return (reg & 7) < 6;
    case REG_RULE.segmentWritten:
      return (reg & 7) < 6 && (reg & 7) !== 1;
    case REG_RULE.control:
      return reg === 0 || (reg >= 2 && reg <= 4) || reg === 8;
    default:
      return reg < 8;
  }
}

/** VEX.vvvv must be 1111b where it names no register; outside 64-bit mode there are eight. [SDM 2A 2.3.5.6] */
function takeVvvv(isUsed: number, mode: CodeSize, out: Instruction): boolean {
  if (mode !== 64) out.vvvv &= 7;
  return isUsed !== 0;
}

/** Takes a vector register for the index of memory; false if there is none, or two of the three registers are the same. [SDM 2A 2.3.12] */
function takeVectorIndex(out: Instruction): boolean {
  if (out.sib < 0) return false;
  out.rm = ((out.sib >> 3) & 7) | ((out.rex & 2) << 2);
  out.index = NO_REGISTER;
  out.scale = out.sib >> 6;
  setImmediate(out, out.scale);
  return out.rm !== out.reg && out.rm !== out.vvvv && out.reg !== out.vvvv;
}

/** The segment of the memory operand: SS for bases rSP and rBP, else DS, unless overridden. [SDM 1 3.7.4] */
function segmentOf(mode: CodeSize, out: Instruction): number {
  if (out.override !== NO_SEGMENT) return out.override;
  if (mode === 64) return FLAT;
  return out.base === 4 || out.base === 5 ? 2 : 3;
}

function readDisplacement(bytes: Uint8Array, at: number, size: number, out: Instruction): void {
  out.dispLow = size === 1 ? (bytes[at]! << 24) >> 24 : size === 2 ? int16(bytes, at) : int32(bytes, at);
  out.dispHigh = out.dispLow >> 31;
}

function addDisplacement(bytes: number, out: Instruction): void {
  const low = (out.dispLow + bytes) | 0;
  if (out.dispLow < 0 && low >= 0) out.dispHigh = (out.dispHigh + 1) | 0;
  out.dispLow = low;
}

function readImmediate(bytes: Uint8Array, at: number, kind: number, mode: CodeSize, out: Instruction): void {
  switch (kind) {
    case IMMEDIATE.is4:
      out.is4 = (bytes[at]! >> 4) & (mode === 64 ? 15 : 7);
      return;
    case IMMEDIATE.byte:
      return setImmediate(out, (bytes[at]! << 24) >> 24);
    case IMMEDIATE.word:
      return setImmediate(out, int16(bytes, at));
    case IMMEDIATE.dword:
      return setImmediate(out, int32(bytes, at));
    case IMMEDIATE.enter:
      return setImmediate(out, (int16(bytes, at) & 0xffff) | (bytes[at + 2]! << 16));
    case IMMEDIATE.qword:
      out.immLow = int32(bytes, at);
      out.immHigh = int32(bytes, at + 4);
      return;
    case IMMEDIATE.far16:
      out.immLow = int16(bytes, at) & 0xffff;
      out.immHigh = int16(bytes, at + 2) & 0xffff;
      return;
    case IMMEDIATE.far32:
      out.immLow = int32(bytes, at);
      out.immHigh = int16(bytes, at + 4) & 0xffff;
      return;
    case IMMEDIATE.offset:
      return readOffset(bytes, at, out);
  }
}

function setImmediate(out: Instruction, value: number): void {
  out.immLow = value;
  out.immHigh = value >> 31;
}

/** An absolute offset of the address size is the displacement of an address without registers. */
function readOffset(bytes: Uint8Array, at: number, out: Instruction): void {
  out.dispLow = out.addressSize === 16 ? int16(bytes, at) & 0xffff : int32(bytes, at);
  out.dispHigh = out.addressSize === 64 ? int32(bytes, at + 4) : 0;
}

function int16(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 16) | (bytes[at + 1]! << 24)) >> 16;
}

function int32(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
