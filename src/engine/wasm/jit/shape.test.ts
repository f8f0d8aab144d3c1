import { expect, test } from "vitest";
import type { BlockEnd, Region } from "./region.ts";
import { HEAD, Shape } from "./shape.ts";

const RETURN: BlockEnd = { kind: "dynamic", way: "return" };

/** A region of blocks that end so; the first is the root. */
function shapeOf(ends: Readonly<Record<number, BlockEnd>>, root: number, entries: readonly number[]): Shape {
  const offsets = Object.keys(ends).map(Number);
  const blocks = new Map(offsets.map((offset) => [offset, { offset, instructions: [], end: ends[offset]! }]));
  return new Shape({ request: { root }, blocks, entries: new Set(entries) } as unknown as Region);
}

test("a return may come back to where the region's calls return", () => {
  const shape = shapeOf({ 0: { kind: "goto", target: 8, returns: 4 }, 4: RETURN, 8: RETURN }, 0, [4]);
  expect(shape.entries).toEqual([0, 4]);
  expect(shape.structure.loops.has(HEAD)).toBe(true);
});

test("without a return only the root is entered", () => {
  const away: BlockEnd = { kind: "goto", target: 100 };
  const shape = shapeOf({ 0: { kind: "goto", target: 8, returns: 4 }, 4: away, 8: away }, 0, [4]);
  expect(shape.entries).toEqual([0]);
  expect(shape.structure.loops.has(HEAD)).toBe(false);
});

test("a root that calls return to is looked for like any entry", () => {
  const shape = shapeOf({ 4: { kind: "goto", target: 8, returns: 4 }, 8: RETURN }, 4, [4]);
  expect(shape.entries).toEqual([4]);
  expect(shape.structure.loops.has(HEAD)).toBe(true);
});

test("what no loop has leads through the head", () => {
  const shape = shapeOf(
    { 0: { kind: "branch", taken: 1, next: 2 }, 1: { kind: "goto", target: 2 }, 2: { kind: "goto", target: 1 } },
    0,
    [],
  );
  expect(shape.leadsByHead(1, 2) !== shape.leadsByHead(2, 1)).toBe(true);
  expect(shape.entries).toEqual(shape.leadsByHead(1, 2) ? [0, 2] : [0, 1]);
});
