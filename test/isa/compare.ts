import type { Instruction } from "../../src/isa/decoder/instruction.ts";
import { disassemble } from "../../src/isa/disassembler.ts";
import { EFLAGS, GPR, VECTOR } from "../../src/isa/state.ts";
import { formOf, programOf } from "../../src/isa/table/forms.ts";
import type { Form } from "../../src/isa/table/row.ts";
import { areApproximations } from "./approximation.ts";
import type { Bench } from "./bench.ts";
import { isLimitOfModel } from "./differences.ts";
import { CS64, IMAGE, IMAGE_BYTES } from "./layout.ts";
import { type Raised, raisedAtEnd, type UserProgram, type UserResult, type UserState } from "./program.ts";

const FLAG_LETTERS: Readonly<Record<string, number>> = {
  o: EFLAGS.OF,
  s: EFLAGS.SF,
  z: EFLAGS.ZF,
  a: EFLAGS.AF,
  p: EFLAGS.PF,
  c: EFLAGS.CF,
};
/** Of RFLAGS what a user program can change and Linux restores; RF is the exception's. */
const USER_FLAGS = EFLAGS.arithmetic | EFLAGS.DF | EFLAGS.AC | EFLAGS.TF;
/** From here on Linux reports every page fault as one of protection: it does not tell where the kernel has pages. */
const KERNEL_HALF = 0x7fff_ffff_f000n;
const PROTECTION = 1;

/** The flags an instruction leaves undefined, as a mask of EFLAGS. */
export function undefinedFlags(form: Form): number {
  return [...(form.row.attributes.undefined ?? "")].reduce((mask, letter) => mask | FLAG_LETTERS[letter]!, 0);
}

/** Whether an instruction looks at flags that were there before it. */
export function readsFlags(form: Form): boolean {
  return programOf(form).nodes.some((n) => n.op === "cond" || n.op === "eflags" || n.helper === "software_interrupt");
}

const WHOLE_KINDS: ReadonlySet<string> = new Set(["add", "sub", "logic", "shift", "raw"]);

/** Whether an instruction always writes all arithmetic flags. */
export function writesAllFlags(form: Form): boolean {
  return programOf(form).nodes.some((n) => n.op === "flags" && n.type === "none" && WHOLE_KINDS.has(n.kind!));
}

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;
const REGISTERS = Object.keys(GPR);
const SELECTORS = ["es", "cs", "ss", "ds", "fs", "gs"] as const;

/** What is left out of a comparison: undefined flags, and names. */
export interface Ignored {
  readonly flags: number;
  readonly names: readonly RegExp[];
  /** Names, for each exception after which the program went on. */
  readonly caught: readonly (readonly RegExp[])[];
  /** Number of a vector register that has an approximation. */
  readonly approximation?: number | undefined;
}

type Check = (name: string, want: bigint | number, have: bigint | number) => void;

/** What differs between two results of a program, a line each; `name: expected, got`. */
export function differences(expected: UserResult, got: UserResult, ignored: Ignored): string[] {
  const lines: string[] = [];
  const check: Check = (name, want, have) => {
    if (want !== have && !ignored.names.some((pattern) => pattern.test(name)))
      lines.push(`${name}: expected ${hex(want)}, got ${hex(have)}`);
  };
  const [want, have] = [expected.state, got.state];
  lines.push(...differencesCaught(expected, got, ignored.caught));
  compareRaised(raisedAtEnd(expected), raisedAtEnd(got), sizeOf(want), check);
  const flags = USER_FLAGS & ~ignored.flags;
  check("flags", want.rflags & flags, have.rflags & flags);
  comparePointers(want, have, check);
  if (!isSameImage(want.image, have.image)) compareImages(want, have, check, ignored.approximation);
  check("hash of the code pages", expected.codeHash, got.codeHash);
  if (lines.length === 0) check("hash of the data pages", expected.hash, got.hash);
  return lines;
}

/** What differs between the exceptions after which a program went on. */
function differencesCaught(expected: UserResult, got: UserResult, ignored: Ignored["caught"]): string[] {
  const size = sizeOf(expected.state);
  if (expected.caught.length !== got.caught.length)
    return [`exceptions: expected ${expected.caught.length}, got ${got.caught.length}`];
  return expected.caught.flatMap((want, n) => {
    const lines: string[] = [];
    const have = got.caught[n]!;
    const check: Check = (name, one, other) => {
      if (one !== other && !ignored[n]?.some((pattern) => pattern.test(name)))
        lines.push(`exception ${n}: ${name}: expected ${hex(one)}, got ${hex(other)}`);
    };
    if (!isLimitOfModel(size, want, have)) compareRaised(want, have, size, check);
    check("rip", want.rip, have.rip);
    return lines;
  });
}

function compareRaised(want: Raised, have: Raised, size: 32 | 64, check: Check): void {
  check("vector", want.vector, have.vector);
  if (want.vector === VECTOR.PF)
    check("address", BigInt.asUintN(size, want.address), BigInt.asUintN(size, have.address));
  const mask = want.vector === VECTOR.PF && want.address >= KERNEL_HALF ? ~PROTECTION : ~0;
  check("error code", want.error & mask, have.error & mask);
}

/** 32 or 64: the size of the code in which a program ended. */
function sizeOf({ selectors }: UserState): 32 | 64 {
  return selectors[1] === CS64 ? 64 : 32;
}

/** What `isSameImage` does not look at. */
const POINTERS = [
  ["fop", 6, 2],
  ["fip", 8, 6],
  ["fdp", 16, 6],
] as const;

function comparePointers(want: UserState, have: UserState, check: Check): void {
  const field = ({ fxsave }: UserState, at: number, length: number): number => {
    let value = 0;
    for (let n = length - 1; n >= 0; n--) value = value * 256 + fxsave[at + n]!;
    return value;
  };
  for (const [name, at, length] of POINTERS) check(name, field(want, at, length), field(have, at, length));
}

const SAME_RANGES = [
  [0, IMAGE.rflags],
  [IMAGE.selectors, IMAGE.fxsave + 5],
  [IMAGE.fxsave + 24, IMAGE.fxsave + 28],
  [IMAGE.fxsave + 32, IMAGE_BYTES],
] as const;

/** Whether images are equal without looking at flags and pointers: most are, and need no closer look. */
function isSameImage(want: Uint8Array, have: Uint8Array): boolean {
  return SAME_RANGES.every(([from, to]) => Buffer.compare(want.subarray(from, to), have.subarray(from, to)) === 0);
}

function compareImages(want: UserState, have: UserState, check: Check, approximation: number | undefined): void {
  const size = sizeOf(want);
  check("rip", want.rip, have.rip);
  for (let n = 0; n < (size === 64 ? 16 : 8); n++)
    check(REGISTERS[n]!, BigInt.asUintN(size, want.gpr[n]!), BigInt.asUintN(size, have.gpr[n]!));
  for (const [n, name] of SELECTORS.entries())
    check(name, withoutNullLevel(want.selectors[n]!), withoutNullLevel(have.selectors[n]!));
  if (size === 64) {
    for (const name of ["fsBase", "gsBase"] as const)
      check(name, want.view.getBigUint64(IMAGE[name], true), have.view.getBigUint64(IMAGE[name], true));
  }
  compareVectors(want, have, check, approximation);
  for (const [n, byte] of want.windows.entries()) check(`window byte ${n}`, byte, have.windows[n]!);
}

/** The return from the kernel that the harness needs makes every null selector 0. [APM 3 IRET] */
function withoutNullLevel(selector: number): number {
  return selector < 4 ? 0 : selector;
}

function compareVectors(want: UserState, have: UserState, check: Check, approximation: number | undefined): void {
  const number = (bytes: Uint8Array, at: number, length: number): bigint =>
    BigInt(
      `0x${Buffer.from(bytes.subarray(at, at + length))
        .reverse()
        .toString("hex")}`,
    );
  const part = (name: string, of: "fxsave" | "ymm", at: number, length: number): void =>
    check(name, number(want[of], at, length), number(have[of], at, length));
  part("fcw", "fxsave", 0, 2);
  part("fsw", "fxsave", 2, 2);
  part("ftw", "fxsave", 4, 1);
  part("mxcsr", "fxsave", 24, 4);
  for (let n = 0; n < 8; n++) part(`st${n}`, "fxsave", 32 + 16 * n, 10);
  for (let n = 0; n < 16; n++) {
    const [low, high] = [160 + 16 * n, 16 * n];
    const isNear = (of: "fxsave" | "ymm", at: number): boolean =>
      n === approximation && areApproximations(want[of].subarray(at, at + 16), have[of].subarray(at, at + 16));
    if (!isNear("fxsave", low)) part(`xmm${n}`, "fxsave", low, 16);
    if (!isNear("ymm", high)) part(`ymm${n}'s upper half`, "ymm", high, 16);
  }
}

/** A program as text: its instructions and what is not 0 of its state. */
export function describeProgram(bench: Bench, program: UserProgram): string {
  const { code, state, bits } = program;
  const bytes = Array.from(code, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const text = (insn: Instruction, address: number): string =>
    `  ${disassemble(insn, BigInt(address))}   [${formOf(insn).row.opcode}]`;
  const lines = Array.from(bench.instructions(program), ({ insn, address }) => text(insn, address));
  const registers = REGISTERS.map((name, n) => `${name}=${state.gpr[n]!.toString(16)}`).join(" ");
  return [
    `${bits} bits at ${hex(state.rip)}: ${bytes}`,
    ...lines,
    `  ${registers} rflags=${state.rflags.toString(16)}`,
  ].join("\n");
}
