import { expect, test } from "vitest";
import { ModuleWriter, type Signature } from "./module.ts";

const BINARY: Signature = { params: ["i32", "i32"], results: ["i32"] };

function exportsOf(
  module: ModuleWriter,
  imports: WebAssembly.Imports = {},
): Record<string, (...args: number[]) => number> {
  const bytes = module.finish();
  expect(WebAssembly.validate(bytes)).toBe(true);
  return new WebAssembly.Instance(new WebAssembly.Module(bytes), imports).exports as never;
}

test("functions call each other, an import and through the table", () => {
  const module = new ModuleWriter();
  const twice = module.importFunction("env", "twice", { params: ["i32"], results: ["i32"] });
  const add = module.declare(BINARY);
  const main = module.declare(BINARY);
  const f = module.body(BINARY);
  f.get(0);
  f.get(1);
  f.op("i32.add");
  module.define(add, f);
  const g = module.body(BINARY);
  g.get(0);
  g.call(twice);
  g.get(1);
  g.i32(0);
  g.tailCallIndirect(module.type(BINARY));
  module.define(main, g);
  module.table([add], "functions");
  module.export("main", main);
  const { main: run } = exportsOf(module, { env: { twice: (x: number) => 2 * x } });
  expect(run!(20, 2)).toBe(42);
});

test("constants keep every bit", () => {
  const module = new ModuleWriter();
  const constant = (value: number): void => {
    const index = module.declare({ params: [], results: ["i32"] });
    const f = module.body({ params: [], results: ["i32"] });
    f.i32(value);
    module.define(index, f);
    module.export(`is${value}`, index);
  };
  const values = [0, -1, 63, 64, -64, -65, 0x7fff_ffff, -0x8000_0000];
  values.forEach(constant);
  const functions = exportsOf(module);
  expect(values.map((value) => functions[`is${value}`]!())).toEqual(values);
});

test("shared memory is imported with its maximum", () => {
  const module = new ModuleWriter();
  module.importSharedMemory("env", "memory", 65536);
  const peek = module.declare({ params: ["i32"], results: ["i32"] });
  const f = module.body({ params: ["i32"], results: ["i32"] });
  f.get(0);
  f.memory("i32.load", 4);
  module.define(peek, f);
  module.export("peek", peek);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  new Int32Array(memory.buffer)[2] = -7;
  expect(exportsOf(module, { env: { memory } }).peek!(4)).toBe(-7);
});

test("a declared function without a body is a mistake of ours", () => {
  const module = new ModuleWriter();
  module.declare(BINARY);
  expect(() => module.finish()).toThrow("invariant");
});
