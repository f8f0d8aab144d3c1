import { EFLAGS, GPR, VECTOR } from "../../src/isa/state.ts";
import { CODE, CODE_PAGES, DATA, DATA_PAGES, FILLER, hashCode, hashData, PAGE, WINDOWS } from "../isa/layout.ts";
import { newState, type UserProgram, type UserResult, type UserState } from "../isa/program.ts";

/**
 * A line of an .ins file: `bytes "text" state => state`. Bytes in hexadecimal; the text is the disassembly; a state is
 * words `name=value`: general registers, xmm0-15, ymm0-15 and st0-7, fsw, fcw, ftw, mxcsr in hexadecimal; `flags=` the arithmetic flags
 * and DF that are set, as letters of `oszapcd`; `[data+8]=` bytes of memory. `data` is an address. What the second state does
 * not name stays. `#DE` in it: the instruction raises that exception. `bits 32` alone on a line: from here on 32-bit code.
 */
export interface Line {
  readonly number: number;
  readonly text: string;
  readonly program: UserProgram;
  readonly expected: UserResult;
}

const OFFSET = 0x100;
/** Of the data pages when nothing outside the windows was written. */
const UNTOUCHED = hashData(new Uint32Array((DATA_PAGES * PAGE) / 4));
/** The first byte of the second data page: bytes before and behind it are in a window. */
const DATA_ADDRESS = DATA + PAGE;
const FLAGS: Readonly<Record<string, number>> = {
  o: EFLAGS.OF,
  s: EFLAGS.SF,
  z: EFLAGS.ZF,
  a: EFLAGS.AF,
  p: EFLAGS.PF,
  c: EFLAGS.CF,
  d: EFLAGS.DF,
};
const REGISTERS = Object.keys(GPR);
/** Places in an FXSAVE image, with their bytes. */
const IMAGE: Readonly<Record<string, readonly [number, number]>> = {
  fcw: [0, 2],
  fsw: [2, 2],
  ftw: [4, 1],
  mxcsr: [24, 4],
};
const LINE = /^((?:[0-9a-f]{2} ?)+)"([^"]*)"(.*)=>(.*)$/;

/** Parses a file; throws with the line's number. */
export function parseIns(source: string): Line[] {
  const lines: Line[] = [];
  let bits: 32 | 64 = 64;
  for (const [index, raw] of source.split("\n").entries()) {
    const text = raw.replace(/#(?![A-Z]{2}).*/, "").trim();
    if (text === "bits 32" || text === "bits 64") bits = text === "bits 32" ? 32 : 64;
    else if (text !== "") lines.push(parseLine(text, bits, index + 1));
  }
  return lines;
}

function parseLine(source: string, bits: 32 | 64, number: number): Line {
  const match = LINE.exec(source);
  if (match === null) throw new Error(`line ${number}: bytes "text" state => state`);
  const [, hex, text, before, after] = match as unknown as [string, string, string, string, string];
  const code = Uint8Array.from(hex.trim().split(" "), (byte) => Number.parseInt(byte, 16));
  const state = newState(bits);
  state.rip = BigInt(CODE + OFFSET);
  for (const word of words(before)) apply(state, word, number);
  const program: UserProgram = { bits, code, offset: OFFSET, state };
  return { number, text, program, expected: expectedOf(program, words(after), number) };
}

const words = (text: string): string[] => text.split(" ").filter(Boolean);

function expectedOf({ bits, code, state }: UserProgram, after: readonly string[], number: number): UserResult {
  const result = state.copy();
  const fault = after.find((word) => word.startsWith("#"));
  result.rip = state.rip + (fault ? 0n : BigInt(code.length));
  for (const word of after) if (word !== fault) apply(result, word, number);
  const vector = fault
    ? VECTOR[fault.slice(1) as keyof typeof VECTOR]
    : FILLER[bits] === FILLER[64]
      ? VECTOR.UD
      : VECTOR.GP;
  return {
    state: result,
    vector,
    error: 0,
    address: 0n,
    hash: UNTOUCHED,
    codeHash: codeHashOf(bits, code),
    caught: [],
  };
}

function codeHashOf(bits: 32 | 64, code: Uint8Array): number {
  const pages = new Uint8Array(CODE_PAGES * PAGE).fill(FILLER[bits]);
  pages.set(code, OFFSET);
  return hashCode(new Uint32Array(pages.buffer));
}

function apply(state: UserState, word: string, number: number): void {
  const [name, value] = word.split("=") as [string, string];
  const register = REGISTERS.indexOf(name);
  if (value === undefined) throw new Error(`line ${number}: ${word} is not name=value`);
  if (register >= 0) state.gpr[register] = numberOf(value);
  else if (name === "rip") state.rip = numberOf(value);
  else if (name === "flags") state.rflags = 0x202 | [...value].reduce((all, letter) => all | FLAGS[letter]!, 0);
  else if (name.startsWith("ymm")) applyYmm(state, Number(name.slice(3)), value);
  else if (name.startsWith("[")) state.windows.set(bytesOf(value), windowOffset(name, number));
  else applyImage(state, name, value, number);
}

/** All 32 bytes of a vector register. */
function applyYmm(state: UserState, number: number, value: string): void {
  const bytes = bytesOf(value.padStart(64, "0")).reverse();
  state.fxsave.set(bytes.subarray(0, 16), 160 + 16 * number);
  state.ymm.set(bytes.subarray(16), 16 * number);
}

/** A number in hexadecimal, or `data` with a distance. */
function numberOf(text: string): bigint {
  const match = /^data(?:([+-])([0-9a-f]+))?$/.exec(text);
  if (match === null) return BigInt(`0x${text}`);
  const distance = BigInt(`0x${match[2] ?? "0"}`);
  return BigInt(DATA_ADDRESS) + (match[1] === "-" ? -distance : distance);
}

function windowOffset(name: string, number: number): number {
  const offset = Number(numberOf(name.slice(1, -1))) - WINDOWS[0].start;
  if (offset < 0 || offset >= WINDOWS[0].length) throw new Error(`line ${number}: ${name} is in no window`);
  return offset;
}

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "hex"));

/** Registers of the FXSAVE image: a number, its lowest byte last. */
function applyImage(state: UserState, name: string, value: string, number: number): void {
  const vector = /^(xmm|st)(\d+)$/.exec(name);
  const place = vector
    ? ([(vector[1] === "xmm" ? 160 : 32) + 16 * Number(vector[2]), vector[1] === "xmm" ? 16 : 10] as const)
    : IMAGE[name];
  if (place === undefined) throw new Error(`line ${number}: ${name} is no part of the state`);
  const [at, length] = place;
  state.fxsave.set(bytesOf(value.padStart(2 * length, "0")).reverse(), at);
}
