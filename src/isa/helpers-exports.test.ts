import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { HELPERS } from "./ir/helpers.ts";

test("the library exports every declared helper", () => {
  const module = new WebAssembly.Module(readFileSync(new URL("../../dist/isa/helpers.wasm", import.meta.url)));
  const exported = new Set(WebAssembly.Module.exports(module).map(({ name }) => name));
  expect(Object.keys(HELPERS).filter((name) => !exported.has(name))).toEqual([]);
});
