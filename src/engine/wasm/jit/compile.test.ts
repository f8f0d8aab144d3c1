import { expect, test } from "vitest";
import { writeModule } from "./compile.ts";

test("modules of regions import no table, which would keep their instances alive", () => {
  const imports = WebAssembly.Module.imports(new WebAssembly.Module(writeModule([])));
  expect(imports.map(({ name, kind }) => [name, kind])).toEqual([
    ["memory", "memory"],
    ["dispatch", "function"],
    ["enter", "function"],
  ]);
});
