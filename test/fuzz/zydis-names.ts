import type { Instruction } from "../../src/isa/decoder/instruction.ts";
import { formOf } from "../../src/isa/table/forms.ts";

/** Suffixes that name a size in bits. */
const LETTERS: Readonly<Record<number, string>> = { 8: "b", 16: "w", 32: "d", 64: "q" };
const NAMES_BY_SIZE: Readonly<Record<string, Readonly<Record<number, string>>>> = {
  cbw: { 16: "cbw", 32: "cwde", 64: "cdqe" },
  cwd: { 16: "cwd", 32: "cdq", 64: "cqo" },
  cmpxchg8b: { 64: "cmpxchg16b" },
};
const JCXZ: Readonly<Record<number, string>> = { 16: "jcxz", 32: "jecxz", 64: "jrcxz" };
/** Other names of the same instruction, and far transfers, which Zydis tells apart by an attribute. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  callf: "call",
  fndisi: "fdisi8087_nop",
  fneni: "feni8087_nop",
  fnsetpm: "fsetpm287_nop",
  jmpf: "jmp",
  retf: "ret",
  sal: "shl",
};

/** The name that Zydis has for an instruction: where the table has one for all sizes, Zydis has one for each. */
export function zydisName(insn: Instruction): string {
  const { row, bits, operands } = formOf(insn);
  const name = row.mnemonic.toLowerCase();
  const string = operands.find(({ kind }) => kind === "string");
  if (string) return `${name}${LETTERS[string.width * 8]}`;
  if (name === "jcxz") return JCXZ[insn.addressSize]!;
  if (/^(push[af]|pop[af]|iret)$/.test(name)) return bits === 16 ? name : `${name}${LETTERS[bits]}`;
  if (bits === 64 && /^(fxsave|fxrstor|xsave.*|xrstors?)$/.test(name)) return `${name}64`;
  if (bits === 64 && /^v?(mov|pinsr|pextr)d$/.test(name)) return name.replace(/d$/, "q");
  return NAMES_BY_SIZE[name]?.[bits] ?? OTHER_NAMES[name] ?? name;
}
