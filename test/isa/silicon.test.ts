import { afterAll, describe, expect, test } from "vitest";
import { newReport, reportText } from "../fuzz/report.ts";
import { Bench } from "./bench.ts";
import { type Disagreement, Fuzzer } from "./fuzz.ts";
import { Processor } from "./processor.ts";
import { loadSeeds } from "./seeds.ts";

/** The processor that runs the tests judges the software CPU; npm run fuzz takes other seeds than this one. */
const SEED = 1;
const COUNT = 30_000;
const SHOWN = 20;

const processor = Processor.build();

function expectNone(found: readonly Disagreement[], what: string): void {
  const forms = [...new Set(found.map(({ form }) => form))].join("; ");
  const shown = found.slice(0, SHOWN).map(({ text }) => text);
  expect(found.length, `${found.length} programs differ (${what}): ${forms}\n${shown.join("\n")}`).toBe(0);
}

const fuzzer = typeof processor === "string" ? undefined : new Fuzzer(new Bench(), processor);
const reason = `the processor is no judge here: ${processor}`;
afterAll(() => {
  if (typeof processor !== "string") processor.close();
});

describe("the software CPU against the processor", () => {
  test("programs that once failed", { timeout: 300_000 }, (context) => {
    context.skip(fuzzer === undefined, reason);
    expectNone(fuzzer!.compare(loadSeeds(), newReport()), "test/seeds");
  });

  test(`programs of seed ${SEED}`, { timeout: 300_000 }, (context) => {
    context.skip(fuzzer === undefined, reason);
    const report = newReport();
    const found = fuzzer!.run({ seed: SEED, count: COUNT, share: 0, shares: 1 }, report);
    console.info(`seed ${SEED}\n${reportText(report, 0)}`);
    expectNone(found, `seed ${SEED}`);
  });
});
