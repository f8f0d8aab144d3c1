import { type CodeSize, DECODE, decode } from "../../src/isa/decoder/decode.ts";
import { FLAT, Instruction, NO_REGISTER, RIP } from "../../src/isa/decoder/instruction.ts";
import { disassemble } from "../../src/isa/disassembler.ts";
import { GPR, SEGMENTS } from "../../src/isa/state.ts";
import { FORMS, formOf } from "../../src/isa/table/forms.ts";
import type { Form } from "../../src/isa/table/row.ts";
import { encodeForm } from "../isa/encode.ts";
import { NativeProgram } from "../isa/native.ts";
import { Random } from "../isa/random.ts";
import { explainDecoding } from "./decode-differences.ts";
import { count, cover, instances, newReport, type Report, seedOf, type Task } from "./report.ts";
import { zydisName } from "./zydis-names.ts";

const BATCH = 20_000;
const BYTES = 15;
const RECORD_BYTES = 16;
const CODE_SIZES: readonly CodeSize[] = [64, 64, 32, 16];
const PREFIXES = [0x66, 0x67, 0xf0, 0xf2, 0xf3, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65] as const;

/** A byte string, with the size of the code segment it is decoded for. */
interface Sample {
  readonly size: CodeSize;
  readonly bytes: Uint8Array;
}

/** How Zydis reads a byte string. */
export interface Decoding {
  readonly length: number;
  readonly extension: string;
  readonly mnemonic: string;
  readonly registers: string;
  readonly memory: string;
  readonly immediate: bigint;
  readonly immediateBits: number;
}

/** Builds the program that asks Zydis; a string says why it is not there. */
export function buildZydis(): NativeProgram | string {
  return NativeProgram.build("test/fuzz/zydis.c", ["-lZydis"]);
}

/** Random byte strings and encodings of the table, decoded here and by Zydis: length, legality, mnemonic, operands. */
export function fuzzDecoder(task: Task): Report {
  const zydis = buildZydis();
  if (typeof zydis === "string") throw new Error(`Zydis is no judge here: ${zydis}`);
  const report = newReport();
  try {
    let batch: Sample[] = [];
    for (const n of instances(task)) {
      batch.push(sample(new Random(seedOf(task.seed, n))));
      if (batch.length < BATCH) continue;
      compareBatch(zydis, batch, report);
      batch = [];
    }
    compareBatch(zydis, batch, report);
  } finally {
    zydis.remove();
  }
  return report;
}

function sample(random: Random): Sample {
  const size = random.pick(CODE_SIZES);
  const bytes = Uint8Array.from({ length: BYTES }, () => random.u32());
  const kind = random.below(4);
  if (kind === 1) bytes.set(biased(size, random));
  else if (kind > 1) bytes.set(encodeForm(random.pick(FORMS), size === 64 ? 64 : 32, random).subarray(0, BYTES));
  return { size, bytes };
}

/** Prefixes, then an opcode of some map. */
function biased(size: CodeSize, random: Random): number[] {
  const prefixes = Array.from({ length: random.below(4) }, () => random.pick(PREFIXES));
  const rex = size === 64 && random.chance(40) ? [0x40 + random.below(16)] : [];
  const opcodeMap = random.pick([[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a], [0xc5], [0xc4, 0x40 | (1 + random.below(3))]]);
  return [...prefixes, ...rex, ...opcodeMap];
}

function compareBatch(zydis: NativeProgram, batch: readonly Sample[], report: Report): void {
  if (batch.length === 0) return;
  const input = new Uint8Array(batch.length * RECORD_BYTES);
  batch.forEach(({ size, bytes }, n) => {
    input[n * RECORD_BYTES] = size;
    input.set(bytes, n * RECORD_BYTES + 1);
  });
  const lines = zydis.run(input).toString("latin1").split("\n");
  batch.forEach((one, n) => {
    compareOne(one, parse(lines[n]!), report);
  });
}

function parse(line: string): Decoding | undefined {
  if (line === "-") return undefined;
  const [length, extension, mnemonic, registers, memory, immediate] = line.split(" ") as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const [value, bits] = immediate.split(":") as [string, string];
  const immediateBits = Number(bits);
  return {
    ...{ length: Number(length), extension, mnemonic, registers, memory, immediateBits },
    immediate: BigInt.asUintN(immediateBits, BigInt(`0x${value}`)),
  };
}

const insn = new Instruction();

function compareOne({ size, bytes }: Sample, theirs: Decoding | undefined, report: Report): void {
  const ok = decode(bytes, 0, BYTES, size, insn) === DECODE.ok;
  count(report.counts, "byte strings");
  if (ok) count(report.counts, "of these instructions");
  if (ok) cover(report, "forms", String(insn.form));
  const what =
    !ok && theirs ? "refused" : ok && !theirs ? "accepted" : ok && theirs ? difference(insn, theirs) : undefined;
  if (what === undefined) return;
  const form = ok ? formOf(insn) : undefined;
  const why = explainDecoding({ what, size, bytes, form, theirs });
  if (why !== undefined) return count(report.skipped, why);
  const ours = ok ? disassemble(insn, 0n) : "#UD";
  const text = theirs ? Object.values(theirs).slice(0, 5).join(" ") : "none";
  report.failures.push(
    `${what}: ${size} bits, ${Buffer.from(bytes).toString("hex")}: ${ours} [${form?.row.opcode}]; Zydis: ${text}`,
  );
}

/** What Zydis reads otherwise, in a word. */
function difference(ours: Instruction, theirs: Decoding): string | undefined {
  if (ours.length !== theirs.length) return "length";
  const form = formOf(ours);
  if (zydisName(ours) !== theirs.mnemonic) return "mnemonic";
  if (form.operands.some(({ kind }) => kind === "string")) return undefined;
  if (form.memory && theirs.memory !== "-" && memoryText(ours, hasVectorIndex(form)) !== normalMemory(theirs.memory))
    return "memory";
  const registers = registersText(ours);
  if (registers !== theirs.registers) return "registers";
  const { immediateBits: bits, immediate } = theirs;
  const value = (BigInt(ours.immHigh) << 32n) | BigInt(ours.immLow >>> 0);
  const hasOne = form.operands.some(({ kind }) => kind === "immediate" || kind === "relative");
  return hasOne && bits > 0 && BigInt.asUintN(bits, value) !== immediate ? "immediate" : undefined;
}

function registersText(ours: Instruction): string {
  const operands = disassemble(ours, 0n)
    .replace(/^((lock|rep|repe|repne) )*\S+ ?/, "")
    .split(",");
  const registers = operands.filter((text) => text !== "" && !/\[|:|^-?0x|PTR|^\d/.test(text));
  return registers.map((name) => name.replace(/^st\((\d)\)$/, "st$1")).join(",") || "-";
}

const REGISTER_NAMES: Readonly<Record<number, readonly string[]>> = {
  64: Object.keys(GPR),
  32: Object.keys(GPR).map((name) => (/^r\d/.test(name) ? `${name}d` : name.replace("r", "e"))),
  16: Object.keys(GPR).map((name) => (/^r\d/.test(name) ? `${name}w` : name.slice(1))),
};

/** Zydis's text with the number of a vector that is an index as that of a general register, and an address cut to its size. */
function normalMemory(text: string): string {
  const [segment, base, index, scale, displacement, size] = text.split(":") as [
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const vector = /^[xy]mm(\d+)$/.exec(index);
  const name = vector ? REGISTER_NAMES[Number(size)]![Number(vector[1])] : index;
  return [segment, base, name, scale, cut(BigInt(`0x${displacement}`), Number(size)), size].join(":");
}

const cut = (displacement: bigint, size: number): string => BigInt.asUintN(size, displacement).toString(16);

const hasVectorIndex = ({ operands }: Form): boolean =>
  operands.some((operand) => operand.kind === "memory" && operand.index !== undefined);

function memoryText(ours: Instruction, vectorIndex: boolean): string {
  const { base, scale, dispLow, dispHigh, segment, addressSize, override } = ours;
  const index = vectorIndex ? ours.rm : ours.index;
  const names = REGISTER_NAMES[addressSize]!;
  const name = (register: number): string =>
    register === NO_REGISTER ? "none" : register === RIP ? (addressSize === 64 ? "rip" : "eip") : names[register]!;
  const flat = base === 4 || base === 5 ? "ss" : "ds";
  const where = segment === FLAT && override < 0 ? flat : SEGMENTS[segment === FLAT ? 3 : segment]!;
  const displacement = cut((BigInt(dispHigh) << 32n) | BigInt(dispLow >>> 0), addressSize);
  return [where, name(base), name(index), index === NO_REGISTER ? 0 : 1 << scale, displacement, addressSize].join(":");
}
