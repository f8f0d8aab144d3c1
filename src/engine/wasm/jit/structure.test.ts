import { expect, test } from "vitest";
import { analyse } from "./structure.ts";

const graph = (edges: Readonly<Record<number, readonly number[]>>) => analyse(0, (node) => edges[node] ?? []);

test("the two ways of a branch merge below the branch", () => {
  const { order, merges, loops, dominated } = graph({ 0: [1, 2], 1: [3], 2: [3] });
  expect(order[0]).toBe(0);
  expect(order.at(-1)).toBe(3);
  expect([...merges]).toEqual([3]);
  expect(loops.size).toBe(0);
  expect([...dominated.get(0)!].sort()).toEqual([1, 2, 3]);
});

test("an edge back to a node that dominates its source makes a loop, and no merge", () => {
  const { loops, merges, isIrreducible } = graph({ 0: [1], 1: [2], 2: [1, 3] });
  expect([...loops]).toEqual([1]);
  expect(merges.size).toBe(0);
  expect(isIrreducible(2, 1)).toBe(false);
});

test("one of the edges of a loop with two entries is irreducible", () => {
  const { loops, isIrreducible } = graph({ 0: [1, 2], 1: [2], 2: [1] });
  expect(loops.size).toBe(0);
  expect(isIrreducible(1, 2) !== isIrreducible(2, 1)).toBe(true);
});

test("what is not reached from the root is not there", () => {
  expect(graph({ 0: [1], 5: [1] }).order).toEqual([0, 1]);
});
