import type { Instruction } from "../../src/isa/decoder/instruction.ts";
import { formOf } from "../../src/isa/table/forms.ts";
import type { Form } from "../../src/isa/table/row.ts";
import { type Ignored, readsFlags, undefinedFlags, writesAllFlags } from "./compare.ts";
import { ignoredAfterFault, POINTERS, undefinedResult } from "./differences.ts";

/** Follows the instructions of a program as the evaluator executes them: what of its outcome is not defined. */
export class Trace {
  readonly #allowed: (form: Form) => boolean;
  /** Undefined flags after the instruction visited last. */
  #flags = 0;
  /** What is not defined if the instruction at an address raises an exception. */
  readonly #faults = new Map<bigint, Ignored>();

  constructor(allowed: (form: Form) => boolean = () => true) {
    this.#allowed = allowed;
  }

  /** False: the instruction may not be executed, or something undefined would decide on what it does. */
  readonly visit = (insn: Instruction, rip: bigint, rcx: bigint): boolean => {
    const form = formOf(insn);
    const before = this.#flags;
    this.#faults.set(rip, { flags: before, names: ignoredAfterFault(insn) });
    this.#flags = (writesAllFlags(form) ? 0 : before) | undefinedFlags(form);
    if (before !== 0 && readsFlags(form)) return false;
    return this.#allowed(form) && !undefinedResult(insn, Number(rcx & 0xffn));
  };

  /** What is not defined after an exception at `rip`. */
  ignoredAt(rip: bigint): Ignored {
    const { flags, names } = this.#faults.get(rip) ?? { flags: this.#flags, names: [] };
    return { flags, names: [...names, POINTERS] };
  }
}
