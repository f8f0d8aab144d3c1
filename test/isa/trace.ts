import type { Instruction } from "../../src/isa/decoder/instruction.ts";
import type { Form } from "../../src/isa/table/row.ts";
import { type Ignored, readsFlags, undefinedFlags, writesAllFlags } from "./compare.ts";
import { ignoredAfterFault, undefinedResult } from "./differences.ts";

/** Follows the instructions of a program as the evaluator executes them: what of its outcome is not defined. */
export class Trace {
  readonly #allowed: (form: Form) => boolean;
  /** Undefined flags before and after the instruction visited last. */
  #before = 0;
  #after = 0;
  #rip: bigint | undefined;
  #ignored: readonly RegExp[] = [];

  constructor(allowed: (form: Form) => boolean = () => true) {
    this.#allowed = allowed;
  }

  /** False: the instruction may not be executed, or something undefined would decide on what it does. */
  readonly visit = (insn: Instruction, rip: bigint, rcx: bigint): boolean => {
    const { form } = insn;
    this.#before = this.#after;
    this.#after = (writesAllFlags(form) ? 0 : this.#before) | undefinedFlags(form);
    this.#rip = rip;
    this.#ignored = ignoredAfterFault(insn);
    if (this.#before !== 0 && readsFlags(form)) return false;
    return this.#allowed(form) && !undefinedResult(insn, Number(rcx & 0xffn));
  };

  /** What is not defined after an exception at `rip`. */
  ignoredAt(rip: bigint): Ignored {
    if (rip !== this.#rip) return { flags: this.#after, names: [] };
    return { flags: this.#before, names: this.#ignored };
  }
}
