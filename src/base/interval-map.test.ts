import { describe, expect, test } from "vitest";
import { IntervalMap } from "./interval-map.ts";

function sample() {
  const map = new IntervalMap<string>();
  map.insert(100, 10, "b");
  map.insert(0, 10, "a");
  map.insert(110, 5, "c");
  return map;
}

describe("IntervalMap", () => {
  test("finds by any address inside, and nothing in gaps", () => {
    const map = sample();
    const found = [-1, 0, 9, 10, 99, 100, 109, 110, 114, 115].map((address) => map.find(address)?.value);
    expect(found).toEqual([undefined, "a", "a", undefined, undefined, "b", "b", "c", "c", undefined]);
    expect(map.find(Number.NaN)).toBeUndefined();
    expect(map.intervals.map((interval) => interval.start)).toEqual([0, 100, 110]);
  });

  test.each([
    [99, 2],
    [0, 1],
    [5, 100],
    [114, 1],
    [50, 200],
  ])("refuses an overlap at %d + %d", (start, length) => {
    const map = sample();
    expect(map.overlaps(start, length)).toBe(true);
    expect(map.insert(start, length, "x")).toBe(false);
    expect(map.intervals.length).toBe(3);
  });

  test("fills gaps exactly", () => {
    const map = sample();
    expect(map.overlaps(10, 90)).toBe(false);
    expect(map.insert(10, 90, "x")).toBe(true);
    expect(map.find(99)?.value).toBe("x");
  });

  test("removes by start only", () => {
    const map = sample();
    expect([map.remove(101), map.remove(100), map.remove(100)]).toEqual([false, true, false]);
    expect(map.find(105)).toBeUndefined();
    expect(map.find(110)?.value).toBe("c");
  });

  test("an empty interval is an error", () => {
    expect(() => sample().insert(50, 0, "x")).toThrow(RangeError);
  });
});
