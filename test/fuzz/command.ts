import { parseArgs } from "node:util";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { fuzzDecoder } from "./decode.ts";
import { fuzzGuests } from "./guests.ts";
import { addReport, newReport, type Report, reportText, type Task } from "./report.ts";
import { fuzzCompiled, fuzzPrograms, fuzzSilicon } from "./silicon.ts";

/** The fuzzers by name, with the instances of a run that names no count. */
const FUZZERS: Readonly<Record<string, { readonly run: (task: Task) => Report; readonly count: number }>> = {
  silicon: { run: fuzzSilicon, count: 100_000 },
  compiled: { run: fuzzCompiled, count: 100_000 },
  programs: { run: fuzzPrograms, count: 20_000 },
  decode: { run: fuzzDecoder, count: 1_000_000 },
  guests: { run: fuzzGuests, count: 2_000 },
};
const SHOWN = 20;
const HELP = `npm run fuzz [${Object.keys(FUZZERS).join("|")}] -- [--seed N] [--first N] [--count N] [--seconds N] [--threads N]`;

function inThread(name: string, task: Task): Promise<Report> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { name, task } });
  return new Promise((resolve, reject) => {
    worker.on("message", resolve);
    worker.on("error", reject);
  });
}

function numberOf(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name} is a number, not ${text}`);
  return value;
}

async function main(): Promise<void> {
  const option = { type: "string" } as const;
  const options = {
    seed: option,
    count: option,
    seconds: option,
    first: option,
    threads: option,
    help: { type: "boolean" },
  } as const;
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const name = positionals[0] ?? "silicon";
  const fuzzer = FUZZERS[name];
  if (values.help || fuzzer === undefined) {
    process.stdout.write(`${HELP}\n`);
    process.exitCode = values.help ? 0 : 2;
    return;
  }
  const seed = numberOf(values.seed, "seed") ?? Date.now() >>> 0;
  const shares = numberOf(values.threads, "threads") || 1;
  const count = numberOf(values.count, "count") ?? fuzzer.count;
  const first = numberOf(values.first, "first");
  const seconds = numberOf(values.seconds, "seconds");
  process.stdout.write(`${name}: seed ${seed}\n`);
  const begin = performance.now();
  const tasks = Array.from({ length: shares }, (_, share) => ({ seed, first, count, seconds, share, shares }));
  const report = newReport();
  for (const one of await Promise.all(tasks.map((task) => inThread(name, task)))) addReport(report, one);
  process.stdout.write(`${reportText(report, SHOWN)}\n`);
  process.stdout.write(`seconds: ${((performance.now() - begin) / 1000).toFixed(1)}\n`);
  process.exitCode = report.failures.length > 0 ? 1 : 0;
}

if (isMainThread) await main();
else {
  const { name, task } = workerData as { name: string; task: Task };
  parentPort!.postMessage(FUZZERS[name]!.run(task));
}
