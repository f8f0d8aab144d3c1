import { create } from "../../src/base/struct-layout.ts";
import { DECODE, decode } from "../../src/isa/decoder/decode.ts";
import { Instruction } from "../../src/isa/decoder/instruction.ts";
import { EFLAGS } from "../../src/isa/state.ts";
import { endsBlock, FORMS, formOf } from "../../src/isa/table/forms.ts";
import type { Form } from "../../src/isa/table/row.ts";
import { KVM_EXIT_INTERNAL_ERROR } from "../../src/spec/kvm/exit.ts";
import { type KvmSregs, kvm_regs } from "../../src/spec/kvm/vcpu-struct.ts";
import { undefinedFlags } from "../isa/compare.ts";
import { isComparable } from "../isa/differences.ts";
import { encodeForm } from "../isa/encode.ts";
import type { Random } from "../isa/random.ts";
import { AT, BITS, Guest, type Seen, type Subject } from "./guest.ts";

/** The modes whose guests a kernel's emulator executes on machines without the processor's help. */
export type SmallMode = "real" | "protected";

const HANDLERS = AT.code + 0x800;
const EXCEPTIONS = 32;
const MOST_EXITS = 60;
const MOST_INSTRUCTIONS = 3;
const FLAGS = EFLAGS.arithmetic | EFLAGS.DF;
const FIXED_FLAGS = 2;

/** What a short guest may not have: it halts, it changes the machine, or how many exits it takes is the engine's affair. */
const OUTSIDE =
  /^(HLT|CL[ID]?TS|CLI|STI|POPF|PUSHF|IN|OUT|INS|OUTS|L[GIL]DT|LTR|LMSW|SMSW|INV.*|WB.*|RDMSR|WRMSR|RSM|ENTER|BOUND|ARPL|CLAC|STAC)$/;

/** General-purpose instructions of the table that a guest of one straight line can have. */
export const CANDIDATES: readonly Form[] = FORMS.filter(
  (form) =>
    form.row.attributes.feature === undefined &&
    !/^[FV]|^P[^OU]/.test(form.row.mnemonic) &&
    !OUTSIDE.test(form.row.mnemonic) &&
    !endsBlock(form) &&
    isComparable(form, new Set()) &&
    // a count beyond the operand's size leaves the result undefined [SDM 2B SHLD, SHRD]
    !(/^SH[LR]D$/.test(form.row.mnemonic) && form.bits === 16) &&
    form.operands.every((operand) => !("file" in operand) || operand.file === "gpr"),
);

/** A guest of some instructions, from a state. */
export interface Sample {
  readonly code: Uint8Array;
  readonly registers: readonly bigint[];
  readonly flags: number;
  readonly data: Uint8Array;
  /** Of the last instruction. */
  readonly undefinedFlags: number;
  readonly mnemonics: readonly string[];
}

/** Makes a sample; what is chosen depends on nothing but the seed and the table. */
export function makeSample(random: Random, mode: SmallMode): Sample {
  const insn = new Instruction();
  const code: number[] = [];
  const mnemonics: string[] = [];
  let undefinedMask = 0;
  // nothing follows undefined flags: an exception would push them
  for (let n = 0, count = 1 + random.below(MOST_INSTRUCTIONS); n < count && undefinedMask === 0; ) {
    const bytes = encodeForm(random.pick(CANDIDATES), 32, random);
    if (decode(bytes, 0, bytes.length, BITS[mode], insn) !== DECODE.ok) continue;
    const form = formOf(insn);
    if (!CANDIDATES.includes(form)) continue;
    code.push(...bytes.subarray(0, insn.length));
    mnemonics.push(form.row.mnemonic);
    undefinedMask |= undefinedFlags(form);
    n++;
  }
  const near = () => BigInt(AT.data + random.below(0x800));
  const registers = Array.from({ length: 8 }, () => (random.chance(50) ? near() : random.edge(32)));
  registers[1] = BigInt(random.below(40));
  registers[4] = BigInt(AT.stack - 4 * random.below(16));
  const data = Uint8Array.from({ length: 0x800 }, () => random.below(256));
  return {
    code: Uint8Array.from([...code, 0xf4]),
    registers,
    flags: FIXED_FLAGS | (random.u32() & FLAGS),
    data,
    undefinedFlags: undefinedMask,
    mnemonics,
  };
}

/** What a guest came to. */
export interface Result {
  readonly exits: readonly Seen[];
  readonly registers: readonly bigint[];
  readonly rip: bigint;
  readonly flags: number;
  readonly memory: Uint8Array;
  /** The engine could not execute an instruction. */
  readonly incapable: boolean;
}

/** Runs samples on one engine, each from the same state. */
export class Runner {
  readonly #guest: Guest;
  readonly #sregs: KvmSregs;
  readonly #empty = new Uint8Array(AT.hole);

  constructor(subject: Subject, mode: SmallMode) {
    this.#guest = new Guest(subject, mode);
    for (let vector = 0; vector < EXCEPTIONS; vector++) this.#guest.gate(vector, HANDLERS + vector);
    this.#guest.vm.memory.fill(HANDLERS, EXCEPTIONS, 0xf4);
    this.#sregs = this.#guest.vcpu.getSregs();
    this.#guest.vm.memory.read(0, this.#empty);
  }

  run(sample: Sample): Result {
    const { vm, vcpu } = this.#guest;
    vm.memory.write(0, this.#empty);
    vm.memory.fill(AT.afterHole, AT.end - AT.afterHole, 0);
    vm.memory.write(AT.data, sample.data);
    vm.memory.write(AT.code, sample.code);
    vcpu.setSregs(this.#sregs);
    const regs = create(kvm_regs, { rip: AT.code, rflags: sample.flags });
    // KVM's order is RAX, RBX, RCX, RDX, RSI, RDI, RSP, RBP
    for (const [n, register] of [0, 3, 1, 2, 6, 7, 4, 5].entries())
      regs.dataView.setBigUint64(8 * n, sample.registers[register]!, true);
    vcpu.setRegs(regs);
    return this.#collect();
  }

  #collect(): Result {
    const { vm, vcpu, exit } = this.#guest;
    const exits: Seen[] = [];
    let seen: Seen;
    do {
      vcpu.run();
      seen = this.#guest.seen();
      exits.push(seen);
      if ("read" in seen) exit.mmio.setValue(0x1357_9bdf, 0);
    } while (!("exit" in seen) && exits.length < MOST_EXITS);
    if (!("exit" in seen)) this.#guest.complete();
    const regs = vcpu.getRegs();
    const memory = new Uint8Array(AT.hole);
    vm.memory.read(0, memory);
    const registers = Array.from({ length: 8 }, (_, n) => regs.dataView.getBigUint64(8 * n, true));
    const incapable = exit.reason === KVM_EXIT_INTERNAL_ERROR;
    return { exits, registers, rip: regs.rip, flags: Number(regs.rflags), memory, incapable };
  }
}

/** How two results differ, in words; empty if they do not. */
export function compare(sample: Sample, one: Result, other: Result): string[] {
  const lines: string[] = [];
  const check = (what: string, a: unknown, b: unknown): void => {
    if (a !== b) lines.push(`${what}: ${a} and ${b}`);
  };
  check("exits", JSON.stringify(one.exits, plain), JSON.stringify(other.exits, plain));
  check("rip", hex(one.rip), hex(other.rip));
  for (const [n, name] of ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp"].entries())
    check(name, hex(one.registers[n]!), hex(other.registers[n]!));
  const mask = FLAGS & ~sample.undefinedFlags;
  check("flags", (one.flags & mask).toString(16), (other.flags & mask).toString(16));
  const at = one.memory.findIndex((byte, index) => byte !== other.memory[index]);
  if (at >= 0) check(`memory at ${at.toString(16)}`, one.memory[at], other.memory[at]);
  return lines;
}

function plain(_key: string, value: unknown): unknown {
  return typeof value === "bigint" ? hex(value) : value;
}

function hex(value: bigint): string {
  return value.toString(16);
}
