import { describe, expect, test } from "vitest";
import { median, medianRatio, summarize } from "./statistics.mjs";

describe("the median", () => {
  test.each([
    [[7], 7],
    [[10, 9, 100], 10],
    [[4, 1, 3, 2], 2.5],
  ])("of %j is %d", (values, expected) => expect(median(values)).toBe(expected));

  test("leaves its argument as it was", () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });

  test("of nothing is refused", () => expect(() => median([])).toThrow(RangeError));
});

test("a summary holds the median and the extremes", () => {
  expect(summarize([5, 1, 2])).toEqual({ median: 2, min: 1, max: 5 });
});

describe("the median ratio", () => {
  test("pairs the values of a round, so a slow round cancels out", () => {
    const values = new Map([
      [1, 20],
      [2, 200],
      [3, 21],
    ]);
    const references = new Map([
      [1, 10],
      [2, 100],
      [3, 10],
    ]);
    expect(medianRatio(values, references)).toBe(2);
  });

  test("leaves out a round in which one failed", () => {
    const references = new Map([[2, 4]]);
    expect(medianRatio(new Map([[1, 1]]), references)).toBeUndefined();
    const both = new Map([
      [1, 1],
      [2, 2],
    ]);
    expect(medianRatio(both, references)).toBe(0.5);
  });
});
