import { formOf } from "../../src/isa/table/forms.ts";
import type { Form } from "../../src/isa/table/row.ts";
import { type Ignored, readsFlags, undefinedFlags, writesAllFlags } from "./compare.ts";
import { ignoredAfterFault, POINTERS } from "./differences.ts";
import { choiceOfModel, flagsChangedByFault } from "./model-choices.ts";
import type { Moment } from "./moment.ts";

/** Follows the instructions of a program as the evaluator executes them: what of its outcome is not defined. */
export class Trace {
  readonly #allowed: (form: Form) => boolean;
  /** Undefined flags after the instruction visited last. */
  #flags = 0;
  /** What is not defined if the instruction at an address raises an exception. */
  readonly #faults = new Map<bigint, Ignored>();
  /** Why the program cannot be compared. */
  refusal: string | undefined;

  constructor(allowed: (form: Form) => boolean = () => true) {
    this.#allowed = allowed;
  }

  /** False: the instruction may not be executed, or something undefined would decide on what it does. */
  readonly visit = (moment: Moment): boolean => {
    const form = formOf(moment.insn);
    const before = this.#flags;
    this.#faults.set(moment.rip, { flags: before | flagsChangedByFault(form), names: ignoredAfterFault(moment) });
    this.#flags = (writesAllFlags(form) ? 0 : before) | undefinedFlags(form);
    if (before !== 0 && readsFlags(form)) this.refusal = "undefined flags decide";
    else if (!this.#allowed(form)) this.refusal = "it comes to an instruction that is not compared";
    else this.refusal = choiceOfModel(moment);
    return this.refusal === undefined;
  };

  /** What is not defined after an exception at `rip`. */
  ignoredAt(rip: bigint): Ignored {
    const { flags, names } = this.#faults.get(rip) ?? { flags: this.#flags, names: [] };
    return { flags, names: [...names, POINTERS] };
  }
}
