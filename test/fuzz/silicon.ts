import { Bench } from "../isa/bench.ts";
import { Fuzzer, type Kind } from "../isa/fuzz.ts";
import { Processor } from "../isa/processor.ts";
import { saveSeed } from "../isa/seeds.ts";
import { newReport, type Report, type Task } from "./report.ts";
import { Watchdog } from "./watchdog.ts";

const KEPT = 20;
/** Seconds after which a batch of programs does not end. */
const PATIENCE = 900;

/** Random programs on the software CPU and on this machine's processor, a tenth of them compiled too; those that differ are kept in test/seeds. */
export function fuzzSilicon(task: Task): Report {
  return fuzz(task, "silicon", { compiled: "tenth" });
}

/** The same, with every program compiled too. */
export function fuzzCompiled(task: Task): Report {
  return fuzz(task, "compiled", {});
}

/** Whole programs, with loops, calls, changes of their own code and exceptions, on all executors. */
export function fuzzPrograms(task: Task): Report {
  return fuzz(task, "programs", { isWhole: true, compiled: "one" });
}

function fuzz(task: Task, name: string, kind: Kind): Report {
  const processor = Processor.build();
  const report = newReport();
  if (typeof processor === "string") throw new Error(`the processor is no judge here: ${processor}`);
  const watchdog = new Watchdog(name, task.seed, PATIENCE);
  const begins = (n: number): void => watchdog.begin(n);
  try {
    const found = new Fuzzer(new Bench(), processor, { ...kind, begins }).run(task, report);
    for (const { program, text } of found.slice(0, KEPT)) report.failures.push(`${saveSeed(program, text)}\n${text}`);
    report.failures.push(...found.slice(KEPT).map(({ text }) => text));
  } finally {
    watchdog.stop();
    processor.close();
  }
  return report;
}
