import { expect, test } from "vitest";
import { checkConfig, checkImports, checkTsConfig, readLayers } from "./layers.mjs";
import { parseSource } from "./source.mjs";

const config = readLayers();

/** @param {string} path @param {string} text */
const messagesOf = (path, text) => checkImports(config, parseSource(path, text)).map(({ message }) => message);

test("the committed layers.json holds", () => {
  expect(checkConfig(config)).toEqual([]);
});

test.each([
  ["src/device/uart.ts", 'import type { Vm } from "../kvm/vm.ts";', "device never imports kvm"],
  ["src/isa/ir/a.ts", 'import { a } from "../../engine/wasm/a.ts";', "isa never imports engine/wasm"],
  ["src/machine/a.ts", 'const a = await import("../engine/wasm/a.ts");', "machine never imports engine/wasm"],
  ["src/spec/a.ts", 'import { a } from "../memory/a.ts";', "spec never imports memory"],
  ["src/bus/a.ts", 'export * from "../device/a.ts";', "bus may not import device"],
  ["src/kvm/a.ts", 'let a: import("../bus/a.ts").A;', "kvm may not import bus"],
  ["src/kvm/a.ts", 'new URL("../cli/worker.js", import.meta.url);', "kvm may not import cli"],
  ["src/device/a.ts", 'import "node:fs";', 'device imports "node:fs"'],
  ["src/device/a.ts", 'import fs from "fs";', 'device imports "fs"'],
  ["src/engine/wasm/a.ts", 'import ws from "ws";', 'engine/wasm imports "ws"'],
  ["src/bus/a.ts", 'import "../../tools/build.mjs";', "in no layer"],
  ["src/elsewhere/a.ts", "", "in no layer"],
])("%s may not say %s", (path, text, message) => {
  const messages = messagesOf(path, text);
  expect(messages).toHaveLength(1);
  expect(messages[0]).toContain(message);
});

test.each([
  ["src/device/uart.ts", 'import { a } from "../bus/a.ts"; import "./b.ts"; import "../base/bits.ts";'],
  ["src/backend/a.ts", 'import "node:fs";'],
  ["src/engine/wasm/a.ts", 'import "../../isa/a.ts"; import "./mmu/b.ts"; import "../../base/bits.ts";'],
  ["src/device/uart.test.ts", 'import "../kvm/vm.ts"; import { test } from "vitest";'],
])("%s may say %s", (path, text) => {
  expect(messagesOf(path, text)).toEqual([]);
});

test("a finding names file and line", () => {
  const [found] = checkImports(config, parseSource("src/device/a.ts", '\n\nimport "../kvm/vm.ts";'));
  expect(found).toMatchObject({ path: "src/device/a.ts", line: 3, rule: "layers" });
});

/** @param {string} name @param {string[]} imports */
const withImports = (name, imports) => ({ ...config, layers: { ...config.layers, [name]: { imports } } });

test("layers.json cannot open a wall, name a stranger or close a cycle", () => {
  const messageOf = (/** @type {string} */ name, /** @type {string} */ to) =>
    checkConfig(withImports(name, [to])).map(({ message }) => message)[0];
  expect(messageOf("device", "kvm")).toContain("device never imports kvm");
  expect(messageOf("isa", "engine/wasm")).toContain("isa never imports engine/wasm");
  expect(messageOf("bus", "nowhere")).toContain("no layer");
  expect(messageOf("memory", "kvm")).toContain("stands below it");
});

test("a tsconfig that disagrees with layers.json is refused", () => {
  const good = { references: [{ path: "../base" }, { path: "../spec" }] };
  expect(checkTsConfig(config, "memory", good)).toEqual([]);
  expect(checkTsConfig(config, "memory", { references: [{ path: "../base" }] })).toHaveLength(1);
  expect(checkTsConfig(config, "memory", { ...good, compilerOptions: { types: ["node"] } })).toHaveLength(1);
  expect(checkTsConfig(config, "memory", undefined)).toHaveLength(1);
});
