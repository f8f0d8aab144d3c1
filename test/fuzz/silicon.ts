import { Bench } from "../isa/bench.ts";
import { Fuzzer, type Kind } from "../isa/fuzz.ts";
import { Processor } from "../isa/processor.ts";
import { saveSeed } from "../isa/seeds.ts";
import { newReport, type Report, type Task } from "./report.ts";

const KEPT = 20;

/** Of a hundred programs, how many are compiled too where that is not what the run is for. */
const COMPILED = 10;

/** Random programs on the software CPU and on this machine's processor; those that differ are kept in test/seeds. */
export function fuzzSilicon(task: Task): Report {
  return fuzz(task, { compiledShare: COMPILED });
}

/** The same, with every program compiled too. */
export function fuzzCompiled(task: Task): Report {
  return fuzz(task, {});
}

/** Whole programs, with loops, calls, changes of their own code and exceptions, on all executors. */
export function fuzzPrograms(task: Task): Report {
  return fuzz(task, { isWhole: true });
}

function fuzz(task: Task, kind: Kind): Report {
  const processor = Processor.build();
  const report = newReport();
  if (typeof processor === "string") throw new Error(`the processor is no judge here: ${processor}`);
  try {
    const found = new Fuzzer(new Bench(), processor, kind).run(task, report);
    for (const { program, text } of found.slice(0, KEPT)) report.failures.push(`${saveSeed(program, text)}\n${text}`);
    report.failures.push(...found.slice(KEPT).map(({ text }) => text));
  } finally {
    processor.close();
  }
  return report;
}
