import { readFileSync } from "node:fs";
import { VECTOR } from "../../src/isa/state.ts";
import { FORMS, formOf } from "../../src/isa/table/forms.ts";
import type { Form } from "../../src/isa/table/row.ts";
import { count, cover, instances, type Report, seedOf, type Task } from "../fuzz/report.ts";
import type { Bench, CompiledWay } from "./bench.ts";
import { describeProgram, differences } from "./compare.ts";
import { isComparable, isLimitOfModel } from "./differences.ts";
import { ProgramGenerator } from "./generate.ts";
import { CODE } from "./layout.ts";
import type { Processor } from "./processor.ts";
import { raisedAtEnd, type UserProgram, type UserResult } from "./program.ts";
import { Random } from "./random.ts";
import { FormPool } from "./random-instruction.ts";
import { Trace } from "./trace.ts";
import { WholeProgram } from "./whole-program.ts";

const BATCH = 2000;
const COMPILED_WAYS: readonly CompiledWay[] = ["block", "region", "mixed"];
const NOTHING_IGNORED = { flags: 0, names: [], caught: [] } as const;

/** A program on which an executor and the processor disagree. */
export interface Disagreement {
  readonly program: UserProgram;
  /** Opcode of its first instruction. */
  readonly form: string;
  readonly text: string;
}

/** What programs a fuzzer makes and what it does with them. */
export interface Kind {
  /** Whole programs instead of one to four instructions. */
  readonly isWhole?: boolean;
  /**
   * Compiling takes much longer than all the rest: "all" ways of it for every program, as if nothing is given, for a tenth of
   * them, or "one" way for every program.
   */
  readonly compiled?: "all" | "tenth" | "one";
  /** Told the number of a program that is made. The programs of a batch are run when the last one is. */
  readonly begins?: (n: number) => void;
}

interface Evaluated {
  readonly program: UserProgram;
  readonly trace: Trace;
  readonly evaluated: UserResult;
}

/** The processor's features by their names in /proc/cpuinfo. */
export function processorFeatures(): ReadonlySet<string> {
  const flags = /^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"));
  return new Set(flags?.[1]?.trim().split(" "));
}

function formsFor(bits: 32 | 64, features: ReadonlySet<string>): Form[] {
  return FORMS.filter(
    (form) => form.mode !== (bits === 64 ? "not64" : "only64") && !(bits === 32 && form.bits === 64),
  ).filter((form) => isComparable(form, features));
}

/** Compares the software CPU's executors with the processor on programs made from seeds. */
export class Fuzzer {
  readonly #bench: Bench;
  readonly #processor: Processor;
  readonly #forms: Readonly<Record<32 | 64, readonly Form[]>>;
  /** A jump may lead to instructions that no program was made with. */
  readonly #allowed: ReadonlySet<Form>;
  readonly #hasYmm: boolean;
  readonly #kind: Kind;
  readonly #pools: Readonly<Record<32 | 64, FormPool>>;

  constructor(bench: Bench, processor: Processor, kind: Kind = {}) {
    this.#bench = bench;
    this.#processor = processor;
    this.#kind = kind;
    const features = processorFeatures();
    this.#hasYmm = features.has("avx");
    this.#allowed = new Set([...formsFor(32, features), ...formsFor(64, features)]);
    this.#forms = { 32: formsFor(32, features), 64: formsFor(64, features) };
    this.#pools = { 32: new FormPool(this.#forms[32]), 64: new FormPool(this.#forms[64]) };
  }

  /** Makes and compares the programs of a task. Forms take turns. */
  run(task: Task, report: Report): Disagreement[] {
    const found: Disagreement[] = [];
    let batch: UserProgram[] = [];
    for (const n of instances(task)) {
      this.#kind.begins?.(n);
      const program = this.#make(task.seed, n);
      count(report.counts, "instances");
      if (program === undefined) count(report.skipped, "no encoding of the form was found");
      else batch.push(program);
      if (batch.length < BATCH) continue;
      found.push(...this.compare(batch, report));
      batch = [];
    }
    return [...found, ...this.compare(batch, report)];
  }

  /** Compares given programs. */
  compare(programs: readonly UserProgram[], report: Report): Disagreement[] {
    const ending = programs.flatMap((program) => {
      const trace = new Trace((form) => this.#allowed.has(form));
      const evaluated = this.#bench.evaluate(program, trace);
      if (evaluated === undefined) count(report.skipped, trace.refusal ?? "it does not end");
      return evaluated ? [{ program, trace, evaluated }] : [];
    });
    const native = this.#processor.run(ending.map(({ program }) => program));
    for (const one of ending) this.#note(one, report);
    return ending.flatMap((one, n) => this.#judge(one, native[n]) ?? []);
  }

  #note({ program, trace, evaluated }: Evaluated, report: Report): void {
    count(report.counts, "compared");
    if (program.catches) this.#noteWhole({ program, trace, evaluated }, report);
    const first = this.#bench.instructionAt(program, 0);
    if (first) cover(report, "forms", `${program.bits} ${first.form}`);
    const { state, vector } = evaluated;
    const last = this.#bench.instructionAt(program, Number(state.rip - BigInt(CODE + program.offset)));
    if (last && vector !== VECTOR.DB) count(report.counts, "of these ended by a fault of theirs");
  }

  #noteWhole({ program, trace, evaluated }: Evaluated, report: Report): void {
    count(report.counts, "instructions executed", trace.instructions);
    count(report.counts, "exceptions caught", evaluated.caught.length);
    for (const form of trace.forms) cover(report, "forms executed", `${program.bits} ${form}`);
  }

  #make(seed: number, n: number): UserProgram | undefined {
    const random = new Random(seedOf(seed, n));
    const bits = n % 4 === 3 ? 32 : 64;
    if (this.#kind.isWhole) return new WholeProgram(random, bits, this.#pools[bits], this.#hasYmm).make();
    const forms = this.#forms[bits];
    const form = forms[(bits === 64 ? n - (n >> 2) : n >> 2) % forms.length];
    if (form === undefined) return undefined;
    return new ProgramGenerator(random, bits, this.#hasYmm).program(form, forms);
  }

  #judge(one: Evaluated, native: UserResult | undefined): Disagreement | undefined {
    const { program } = one;
    const lines = this.#disagreements(one, native);
    if (lines.length === 0) return undefined;
    const text = [describeProgram(this.#bench, program), ...lines.map((line) => `    ${line}`)].join("\n");
    const first = this.#bench.instructions(program).next().value;
    const row = first && formOf(first.insn).row;
    return { program, text, form: row ? `${row.opcode} ${row.mnemonic}` : "?" };
  }

  #disagreements({ program, trace, evaluated }: Evaluated, native: UserResult | undefined): string[] {
    if (native === undefined) return ["the processor does not come to an end"];
    const ended = raisedAtEnd(native);
    const isOfModel = isLimitOfModel(program.bits, ended, raisedAtEnd(evaluated));
    const compared = isOfModel ? [] : differences(native, evaluated, trace.ignoredAfter(ended));
    const oracle = compared.map((line) => `evaluator: ${line}`);
    const interpreted = this.#bench.interpret(program);
    if (interpreted === undefined) return [...oracle, "interpreter: does not come to an end"];
    const lines = differences(evaluated, interpreted, NOTHING_IGNORED);
    return [
      ...oracle,
      ...lines.map((line) => `interpreter against evaluator: ${line}`),
      ...this.#ways(evaluated).flatMap((way) => this.#compiled(program, evaluated, way)),
    ];
  }

  /** Chosen by what came out: any of them for any form, and the same ones in every run. */
  #ways({ hash, state }: UserResult): readonly CompiledWay[] {
    const random = new Random(hash ^ Number(state.gpr[0]! & 0xffff_ffffn));
    const { compiled = "all" } = this.#kind;
    if (compiled === "one") return [random.pick(COMPILED_WAYS)];
    return compiled === "all" || random.chance(10) ? COMPILED_WAYS : [];
  }

  #compiled(program: UserProgram, evaluated: UserResult, way: CompiledWay): string[] {
    const compiled = this.#bench.compiled(program, way);
    if (compiled === undefined) return way === "region" ? [] : [`compiled (${way}): does not come to an end`];
    const lines = differences(evaluated, compiled, NOTHING_IGNORED);
    return lines.map((line) => `compiled (${way}) against evaluator: ${line}`);
  }
}
