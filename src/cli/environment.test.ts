import { expect, test } from "vitest";
import { parseVariables } from "./environment.ts";

test("variables are given or taken from here", () => {
  const here = { HOME: "/h" };
  expect(parseVariables(["A=1=2", "B=", "HOME", "NOWHERE"], here)).toEqual({ A: "1=2", B: "", HOME: "/h" });
  expect(() => parseVariables(["=x"])).toThrow(/names no variable/);
});
