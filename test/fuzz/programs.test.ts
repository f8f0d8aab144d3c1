import { afterAll, expect, test } from "vitest";
import { Bench } from "../isa/bench.ts";
import { Fuzzer } from "../isa/fuzz.ts";
import { Processor } from "../isa/processor.ts";
import { newReport, reportText } from "./report.ts";

const SEED = 1;
const COUNT = 100;

const processor = Processor.build();
afterAll(() => {
  if (typeof processor !== "string") processor.close();
});

test(`whole programs of seed ${SEED} end alike on the processor, interpreted and compiled`, {
  timeout: 120_000,
}, (context) => {
  context.skip(typeof processor === "string", `the processor is no judge here: ${processor}`);
  if (typeof processor === "string") return;
  const report = newReport();
  const found = new Fuzzer(new Bench(), processor, { isWhole: true, compiled: "one" }).run(
    { seed: SEED, count: COUNT, share: 0, shares: 1 },
    report,
  );
  console.info(`seed ${SEED}\n${reportText(report, 0)}`);
  expect(found.map(({ text }) => text)).toEqual([]);
  expect(report.counts.get("compared")).toBeGreaterThan(COUNT / 2);
});
