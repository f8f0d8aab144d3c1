import { expect, test } from "vitest";
import { ManualClock } from "../../base/clock.ts";
import { TimeStampCounter } from "./time-stamp-counter.ts";

function counter(khz: number): { clock: ManualClock; tsc: TimeStampCounter } {
  const clock = new ManualClock();
  return { clock, tsc: new TimeStampCounter(clock, khz) };
}

test("counts at its rate from 0", () => {
  const { clock, tsc } = counter(2_500_000);
  expect(tsc.read()).toBe(0);
  clock.time = 1000;
  expect(tsc.read()).toBe(2500);
});

test("goes on from what was written", () => {
  const { clock, tsc } = counter(1_000_000);
  clock.time = 5000;
  tsc.write(100);
  expect(tsc.read()).toBe(100);
  clock.time = 6000;
  expect(tsc.read()).toBe(1100);
});

test("a change of the rate keeps the value", () => {
  const { clock, tsc } = counter(1_000_000);
  clock.time = 1_000_000;
  tsc.khz = 3_000_000;
  expect([tsc.khz, tsc.read()]).toEqual([3_000_000, 1_000_000]);
  clock.time += 10;
  expect(tsc.read()).toBe(1_000_030);
});

test("is exact to the tick for months", () => {
  const { clock, tsc } = counter(1_000_000);
  clock.time = 90 * 86_400e9 + 1;
  expect(tsc.read()).toBe(clock.time);
  const odd = counter(2_999_999);
  odd.clock.time = 1e15 + 1e6;
  expect(odd.tsc.read()).toBe(2_999_999 * 1e9 + 2_999_999);
});

test("never goes back", () => {
  const { clock, tsc } = counter(2_893_437);
  let last = 0;
  for (clock.time = 12_345_678_901; clock.time < 12_345_679_901; clock.time++) {
    expect(tsc.read()).toBeGreaterThanOrEqual(last);
    last = tsc.read();
  }
});

test("at the time of a value the counter has reached it, and not a nanosecond before", () => {
  const { clock, tsc } = counter(2_893_437);
  clock.time = 777;
  tsc.write(5_000_000_000);
  for (const ahead of [1, 999, 123_456_789]) {
    const value = 5_000_000_000 + ahead;
    const time = tsc.timeOf(value >>> 0, Math.floor(value / 2 ** 32));
    clock.time = time;
    expect(tsc.read()).toBeGreaterThanOrEqual(value);
    clock.time = time - 1;
    expect(tsc.read()).toBeLessThan(value);
  }
});
