import { expect, test } from "vitest";
import { fuzzGuests } from "./guests.ts";
import { reportText } from "./report.ts";

const SEED = 1;

test(`random guests of seed ${SEED} run in bounds, and the host goes on`, { timeout: 120_000 }, () => {
  const report = fuzzGuests({ seed: SEED, count: 60, share: 0, shares: 1 });
  console.info(`seed ${SEED}\n${reportText(report, 0)}`);
  expect(report.failures).toEqual([]);
});
