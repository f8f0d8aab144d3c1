import { afterAll, describe, expect, test } from "vitest";
import { Bench } from "./bench.ts";
import { type Disagreement, Fuzzer } from "./fuzz.ts";
import { Processor } from "./processor.ts";
import { loadSeeds, saveSeed } from "./seeds.ts";

/**
 * The processor that runs the tests judges the software CPU. FUZZ_SEED and FUZZ_COUNT (npm run fuzz -- --seed N --count N)
 * choose other programs than the usual ones; those that fail are then kept in test/seeds.
 */
const SEED = Number(process.env.FUZZ_SEED ?? 1);
const ONE_RUN = 30_000;
const COUNT = Number(process.env.FUZZ_COUNT ?? ONE_RUN);
const IS_FUZZING = process.env.FUZZ_COUNT !== undefined;
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
  test("programs that once failed", (context) => {
    context.skip(fuzzer === undefined, reason);
    expectNone(fuzzer!.compare(loadSeeds()), "test/seeds");
  });

  test(`programs of seed ${SEED}`, { timeout: 120_000 + COUNT * 20 }, (context) => {
    context.skip(fuzzer === undefined, reason);
    const found = fuzzer!.run(SEED, COUNT);
    console.info(`seed ${SEED}: ${fuzzer!.compared} programs, ${fuzzer!.formCount} forms, ${found.length} differ`);
    const kept = IS_FUZZING ? found.slice(0, SHOWN).map(({ program, text }) => saveSeed(program, text)) : [];
    expectNone(found, [`seed ${SEED}`, ...kept].join(", "));
  });
});
