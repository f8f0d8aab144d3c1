import type { Instruction } from "../../src/isa/decoder/instruction.ts";
import { disassemble } from "../../src/isa/disassembler.ts";
import { EFLAGS, GPR, VECTOR } from "../../src/isa/state.ts";
import { formOf, programOf } from "../../src/isa/table/forms.ts";
import type { Form } from "../../src/isa/table/row.ts";
import type { Bench } from "./bench.ts";
import type { UserProgram, UserResult } from "./program.ts";

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

/** What is left out of a comparison: undefined flags, and names. */
export interface Ignored {
  readonly flags: number;
  readonly names: readonly RegExp[];
}

/** What differs between two results of a program, a line each; `name: expected, got`. */
export function differences(program: UserProgram, expected: UserResult, got: UserResult, ignored: Ignored): string[] {
  const lines: string[] = [];
  const check = (name: string, want: bigint | number, have: bigint | number): void => {
    if (want !== have && !ignored.names.some((pattern) => pattern.test(name)))
      lines.push(`${name}: expected ${hex(want)}, got ${hex(have)}`);
  };
  const size = program.bits;
  check("vector", expected.vector, got.vector);
  if (expected.vector === VECTOR.PF) {
    check("address", BigInt.asUintN(size, expected.address), BigInt.asUintN(size, got.address));
  }
  const mask = expected.vector === VECTOR.PF && expected.address >= KERNEL_HALF ? ~PROTECTION : ~0;
  check("error code", expected.error & mask, got.error & mask);
  const [want, have] = [expected.state, got.state];
  check("rip", want.rip, have.rip);
  const registers = size === 64 ? 16 : 8;
  for (let n = 0; n < registers; n++) {
    check(REGISTERS[n]!, BigInt.asUintN(size, want.gpr[n]!), BigInt.asUintN(size, have.gpr[n]!));
  }
  const flags = USER_FLAGS & ~ignored.flags;
  check("flags", want.rflags & flags, have.rflags & flags);
  compareImages(want.fxsave, have.fxsave, check);
  compareUpper(want.ymm, have.ymm, check);
  for (const [n, byte] of want.windows.entries()) check(`window byte ${n}`, byte, have.windows[n]!);
  if (lines.length === 0) check("hash of the data pages", expected.hash, got.hash);
  return lines;
}

function compareImages(
  want: Uint8Array,
  have: Uint8Array,
  check: (name: string, want: bigint | number, have: bigint | number) => void,
): void {
  const [x, y] = [want, have].map((image) => new DataView(image.buffer, image.byteOffset, 416)) as [DataView, DataView];
  check("fcw", x.getUint16(0, true), y.getUint16(0, true));
  check("fsw", x.getUint16(2, true), y.getUint16(2, true));
  check("ftw", x.getUint8(4), y.getUint8(4));
  check("mxcsr", x.getUint32(24, true), y.getUint32(24, true));
  const wide = (view: DataView, at: number, high: number): bigint =>
    (BigInt.asUintN(high, view.getBigUint64(at + 8, true)) << 64n) | view.getBigUint64(at, true);
  for (let n = 0; n < 8; n++) check(`st${n}`, wide(x, 32 + 16 * n, 16), wide(y, 32 + 16 * n, 16));
  for (let n = 0; n < 16; n++) check(`xmm${n}`, wide(x, 160 + 16 * n, 64), wide(y, 160 + 16 * n, 64));
}

function compareUpper(
  want: Uint8Array,
  have: Uint8Array,
  check: (name: string, want: bigint | number, have: bigint | number) => void,
): void {
  const upper = (bytes: Uint8Array, n: number): bigint =>
    BigInt(`0x${Buffer.from(bytes.slice(16 * n, 16 * n + 16).reverse()).toString("hex")}`);
  for (let n = 0; n < 16; n++) check(`ymm${n}'s upper half`, upper(want, n), upper(have, n));
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
