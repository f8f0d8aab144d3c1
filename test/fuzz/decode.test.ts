import { expect, test } from "vitest";
import { buildZydis, fuzzDecoder } from "./decode.ts";
import { reportText } from "./report.ts";

const SEED = 1;

test(`byte strings of seed ${SEED} are the instructions that Zydis reads`, { timeout: 120_000 }, (context) => {
  const zydis = buildZydis();
  context.skip(typeof zydis === "string", `Zydis is no judge here: ${zydis}`);
  if (typeof zydis !== "string") zydis.remove();
  const report = fuzzDecoder({ seed: SEED, count: 40_000, share: 0, shares: 1 });
  console.info(`seed ${SEED}\n${reportText(report, 0)}`);
  expect(report.failures).toEqual([]);
});
