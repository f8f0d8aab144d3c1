import { VECTOR } from "../../src/isa/state.ts";
import { FORM_STACK } from "../../src/isa/table/facts.ts";
import { formOf } from "../../src/isa/table/forms.ts";
import type { Form } from "../../src/isa/table/row.ts";
import { isApproximate } from "./approximation.ts";
import type { Follower } from "./bench.ts";
import { type Ignored, readsFlags, undefinedFlags, writesAllFlags } from "./compare.ts";
import { ignoredAfterFault, leavesState, POINTERS } from "./differences.ts";
import { choiceOfModel, flagsChangedByFault } from "./model-choices.ts";
import type { Moment } from "./moment.ts";
import type { Raised } from "./program.ts";
import { pointerBytes, storesPointers } from "./stored-pointers.ts";

type Undefined = Pick<Ignored, "flags" | "names">;

/** Follows the instructions of a program as the evaluator executes them: what of its outcome is not defined. */
export class Trace implements Follower {
  readonly #allowed: (form: Form) => boolean;
  /** Undefined flags after the instruction visited last. */
  #flags = 0;
  /** Where the instruction visited last is. */
  #rip = -1n;
  /** What is not defined if the instruction at an address raises an exception. */
  readonly #faults = new Map<bigint, Undefined>();
  readonly #caught: (readonly RegExp[])[] = [];
  /** Ids of the forms of the instructions visited, and how many instructions they were. */
  readonly forms = new Set<number>();
  instructions = 0;
  /** Names of bytes in memory that have been stored and are not defined. */
  readonly #stored: string[] = [];
  /** Number of the vector register that has an approximation. */
  #approximation: number | undefined;
  /** Why the program cannot be compared. */
  refusal: string | undefined;

  constructor(allowed: (form: Form) => boolean = () => true) {
    this.#allowed = allowed;
  }

  /** False: the instruction may not be executed, or something undefined would decide on what it does. */
  visit(moment: Moment): boolean {
    const form = formOf(moment.insn);
    this.forms.add(form.id);
    this.instructions++;
    const before = this.#flags;
    this.#rip = moment.rip;
    this.#faults.set(moment.rip, { flags: before | flagsChangedByFault(form), names: ignoredAfterFault(moment) });
    this.#flags = (writesAllFlags(form) ? 0 : before) | undefinedFlags(form);
    if (before !== 0 && readsFlags(form)) this.refusal = "undefined flags decide";
    else if (!this.#allowed(form)) this.refusal = "it comes to an instruction that is not compared";
    else this.refusal = this.#readsUndefined(form) ?? choiceOfModel(moment);
    if (isApproximate(form)) this.#approximation = moment.insn.reg;
    if (storesPointers(form)) this.#notePointers(form, moment.address);
    return this.refusal === undefined;
  }

  /** The filler behind a program reads nothing. */
  #readsUndefined({ id, row, memory }: Form): string | undefined {
    if (this.#approximation !== undefined && row.mnemonic !== "HLT") return "it goes on with an approximation";
    const reads = memory || FORM_STACK[id] !== 0;
    return reads && this.#stored.length > 0 ? "it may read x87 pointers that it stored" : undefined;
  }

  #notePointers(form: Form, address: bigint): void {
    const names = pointerBytes(form, address);
    if (names === undefined) this.refusal ??= "it stores x87 pointers where only a hash is kept";
    else this.#stored.push(...names);
  }

  caught(raised: Raised): boolean {
    const { flags, names } = this.#after(raised);
    this.#flags = flags;
    this.#caught.push(names);
    if (!leavesState(names)) this.refusal = "it goes on after an instruction that may have done part of its work";
    return this.refusal === undefined;
  }

  /** What is not defined after the exception that ends the program. */
  ignoredAfter(raised: Raised): Ignored {
    const { flags, names } = this.#after(raised);
    const stored = this.#stored.map((name) => new RegExp(`^${name}$`));
    return { flags, names: [...names, ...stored, POINTERS], caught: this.#caught, approximation: this.#approximation };
  }

  /** A single step is raised before the next instruction, unless the last one repeats itself. */
  #after({ rip, vector }: Raised): Undefined {
    const isBefore = vector === VECTOR.DB && rip !== this.#rip;
    return (isBefore ? undefined : this.#faults.get(rip)) ?? { flags: this.#flags, names: [] };
  }
}
