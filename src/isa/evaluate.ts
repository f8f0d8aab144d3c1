import type { Instruction } from "./decoder/instruction.ts";
import type { Bits } from "./evaluate/bits.ts";
import {
  EFFECT_EVALUATIONS,
  type Frame,
  type Machine,
  type Outcome,
  readState,
  writeState,
} from "./evaluate/effects.ts";
import { type Operands, operandsOf } from "./evaluate/operands.ts";
import { PURE_EVALUATIONS } from "./evaluate/pure.ts";
import { Builder } from "./ir/builder.ts";
import { lowerFlags } from "./ir/lower.ts";
import { type EffectOp, type Node, type Program, PURE_OPS, type PureOp } from "./ir/ops.ts";
import { CPU, MODE } from "./state.ts";
import { formOf, programOf } from "./table/forms.ts";

export type { HelperExports, Machine, Outcome } from "./evaluate/effects.ts";

/**
 * The oracle: executes programs one operation after another on bit patterns in bigints, with none of the shortcuts of the
 * executors that it judges. Tests only: it runs some thousands of instructions a second.
 */

function evaluateNode(frame: Frame, node: Node, values: readonly Bits[]): Bits {
  const args = node.args.map((arg) => values[arg]!);
  if (node.op in PURE_OPS) return PURE_EVALUATIONS[node.op as PureOp](node, ...args);
  return EFFECT_EVALUATIONS[node.op as EffectOp](frame, node, ...args);
}

/** Runs a lowered program with the operands of its instruction. */
function evaluateProgram(machine: Machine, program: Program, operands: Operands): Outcome {
  const frame: Frame = { machine, operands, outcome: undefined };
  const values: Bits[] = [];
  for (const node of program.nodes) {
    values.push(evaluateNode(frame, node, values));
    if (frame.outcome !== undefined) return frame.outcome;
  }
  return "next";
}

const lowered = new Map<Program, Program>();

function loweredOf(program: Program): Program {
  let result = lowered.get(program);
  if (result === undefined) {
    result = lowerFlags(program);
    lowered.set(program, result);
  }
  return result;
}

/**
 * Executes the instruction that was decoded at `rip`. Afterwards CPU.rip is where execution goes on: the next instruction,
 * the target, or, after a trap (see CPU.trap), this one.
 */
export function evaluate(machine: Machine, insn: Instruction): Outcome {
  const rip = readState(machine, CPU.rip, 8);
  const operands = operandsOf(insn, rip);
  const outcome = evaluateProgram(machine, loweredOf(programOf(formOf(insn))), operands);
  if (outcome === "next") writeState(machine, CPU.rip, 8, nextRip(machine, operands.ripNext));
  return outcome;
}

/** Outside 64-bit mode rip has 32 bits. */
function nextRip(machine: Machine, rip: Bits): Bits {
  const mode = Number(readState(machine, CPU.mode, 4)) & MODE.sizeMask;
  return mode === MODE.code64 ? rip : BigInt.asUintN(32, rip);
}

function stateProgram(write: (b: Builder) => void): Program {
  const b = new Builder();
  write(b);
  return lowerFlags(b.program());
}

const PACK = stateProgram((b) => b.set(CPU.eflags, b.eflags()));
const UNPACK = stateProgram((b) => b.flags("raw", 32, [b.get(CPU.eflags, "i32")]));

const NO_OPERANDS: Operands = {
  slots: { reg: 0, rm: 0, vvvv: 0, is4: 0 },
  imm: 0n,
  segment: 0,
  addressMask: 0n,
  ripThis: 0n,
  ripNext: 0n,
  effectiveAddress: () => 0n,
};

/** Puts the arithmetic flags into CPU.eflags. */
export function packFlags(machine: Machine): void {
  evaluateProgram(machine, PACK, NO_OPERANDS);
}

/** Takes the arithmetic flags out of CPU.eflags. */
export function unpackFlags(machine: Machine): void {
  evaluateProgram(machine, UNPACK, NO_OPERANDS);
}
