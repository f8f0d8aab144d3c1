import { expect, test } from "vitest";
import { compareVersions } from "./version.ts";

test.each([
  ["6.1.176-1", "<", "6.1.192-2"],
  ["6.1.9-1", "<", "6.1.10-1"],
  ["1:1.35.0-4+deb12u1", "<", "1:1.35.0-4+deb12u1+b1"],
  ["9.0", "<", "1:0.1"],
  ["1.0~rc1-1", "<", "1.0-1"],
  ["1.0~~", "<", "1.0~"],
  ["1.0-1", "<", "1.0-1.1"],
  ["1.0a", "<", "1.0+"],
  ["1.0", "<", "1.0a"],
  ["1.0-1~bpo12+1", "<", "1.0-1"],
  ["0:1.0-0", "=", "1.0"],
  ["1.001", "=", "1.1"],
  ["2-1-3", ">", "2-1"],
])("%s %s %s", (a, relation, b) => {
  const order = Math.sign(compareVersions(a, b));
  expect(order).toBe({ "<": -1, "=": 0, ">": 1 }[relation]);
  expect(Math.sign(compareVersions(b, a))).toBe(0 - order);
});
