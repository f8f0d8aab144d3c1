import { describe, expect, test } from "vitest";
import { rules } from "./rules.mjs";
import { parseSource } from "./source.mjs";
import { checkDocument, checkFile, checkLockFile, checkSource } from "./tidy.mjs";

const doc = "/** Does it. */\n";
const lines = (/** @type {number} */ count) => "  f();\n".repeat(count);
const word = (/** @type {string[]} */ ...parts) => parts.join("");

/**
 * For every rule: a file that breaks it on the given line, and the same file put right.
 * @type {Record<string, { path: string, line: number, broken: string, fixed: string }[]>}
 */
const samples = {
  syntax: [{ path: "src/bus/a.ts", line: 1, broken: "const = 1;", fixed: "const a = 1;" }],
  "import-extension": [
    { path: "src/bus/a.ts", line: 1, broken: 'import "./b.js";', fixed: 'import "./b.ts";' },
    { path: "src/bus/a.ts", line: 2, broken: '\nexport * from "./b";', fixed: '\nexport * from "./b.ts";' },
    { path: "src/bus/a.test.ts", line: 1, broken: 'import("./b");', fixed: 'import("./b.mjs");' },
  ],
  "file-length": [
    { path: "src/bus/a.ts", line: 501, broken: "f();\n".repeat(501), fixed: "f();\n".repeat(500) },
    { path: "tools/a.mjs", line: 501, broken: "f();\n".repeat(501), fixed: "f();\n".repeat(500) },
  ],
  "function-length": [
    { path: "src/bus/a.ts", line: 1, broken: `function f() {\n${lines(59)}}`, fixed: `function f() {\n${lines(58)}}` },
    { path: "tools/a.mjs", line: 1, broken: `const f = () => {\n${lines(59)}};`, fixed: "const f = () => {};" },
  ],
  "spec-is-data": [
    { path: "src/spec/a.ts", line: 1, broken: "class Uart {}", fixed: "const LCR = 3;" },
    { path: "src/spec/a.ts", line: 1, broken: `function f() {\n${lines(5)}}`, fixed: `function f() {\n${lines(4)}}` },
  ],
  "no-todo": [
    { path: "src/bus/a.ts", line: 2, broken: `\n// ${word("TO", "DO")}: later`, fixed: "\n// 64 bits wide" },
    { path: "tools/a.mjs", line: 2, broken: `/* x\n ${word("FIX", "ME")} */`, fixed: "/* x\n fixed */" },
  ],
  "no-any": [
    { path: "src/bus/a.ts", line: 1, broken: "let a: any;", fixed: "let a: unknown;" },
    { path: "test/a.ts", line: 1, broken: "f(b as any);", fixed: "f(b as unknown);" },
  ],
  "no-suppression": [
    { path: "src/bus/a.ts", line: 1, broken: "// @ts-expect-error: x\nf();", fixed: "f();" },
    { path: "src/bus/a.test.ts", line: 1, broken: "// @ts-ignore\nf();", fixed: "// @ts-expect-error: refused\nf();" },
  ],
  "host-time": [
    { path: "src/device/a.ts", line: 1, broken: "const t = Date.now();", fixed: "const t = clock.now();" },
    { path: "src/engine/wasm/a.ts", line: 1, broken: "performance.now();", fixed: "clock.now();" },
    { path: "src/machine/a.ts", line: 1, broken: "const d = new Date();", fixed: "const d = new Date(ms);" },
    { path: "src/irqchip/a.ts", line: 1, broken: "setTimeout(f, 1);", fixed: "timer.arm(1);" },
    { path: "src/base/a.ts", line: 1, broken: "Math.random();", fixed: "random.next();" },
    { path: "src/kvm/a.ts", line: 1, broken: "crypto.randomUUID();", fixed: "random.uuid();" },
  ],
  "printed-seed": [
    { path: "src/bus/a.test.ts", line: 1, broken: "Math.random();", fixed: "const seed = Math.random(); print(seed);" },
  ],
  bigint: [
    { path: "src/device/a.ts", line: 1, broken: "const a = 1n;", fixed: "const a = 1n; // bigint: at start only" },
    { path: "src/bus/a.ts", line: 2, broken: "\nBigInt(a);", fixed: "\nBigInt(a); // bigint: for a message" },
    { path: "src/machine/a.ts", line: 1, broken: "BigInt.asUintN(64, a);", fixed: "f(a);" },
    { path: "src/irqchip/a.ts", line: 1, broken: "new BigUint64Array(m);", fixed: "new Uint32Array(m);" },
    { path: "src/engine/wasm/a.ts", line: 1, broken: "view.getBigUint64(0);", fixed: "view.getUint32(0);" },
    { path: "src/engine/wasm/a.ts", line: 1, broken: "f().x.setBigInt64(0, a);", fixed: "f().x.setInt32(0, a);" },
  ],
  docstring: [
    { path: "src/bus/a.ts", line: 1, broken: "export function f() {}", fixed: `${doc}export function f() {}` },
    { path: "src/bus/a.ts", line: 1, broken: "export class A {}", fixed: `${doc}export class A {}` },
    { path: "src/bus/a.ts", line: 1, broken: "export const f = () => 1;", fixed: `${doc}export const f = () => 1;` },
    { path: "src/bus/a.ts", line: 2, broken: "// no\nexport function f() {}", fixed: "export const a = 1;" },
  ],
  "skip-reason": [
    {
      path: "src/bus/a.test.ts",
      line: 1,
      broken: 'test.skip("a", f);',
      fixed: 'test("a", (c) => c.skip(x, "no gcc"));',
    },
    { path: "src/bus/a.test.ts", line: 1, broken: "describe.skipIf(x);", fixed: "describe.each(x);" },
  ],
  "outside-path": [
    { path: "src/bus/a.ts", line: 1, broken: 'open("/home/me/x");', fixed: 'open("/var/x");' },
    { path: "bench/a.ts", line: 1, broken: 'open("../shared/x");', fixed: 'open("../dist/x");' },
  ],
};

/** @param {string} path @param {string} text @param {string} rule */
const findingsOf = (path, text, rule) => checkSource(parseSource(path, text)).filter((found) => found.rule === rule);

test("every rule has samples", () => {
  expect(Object.keys(samples).sort()).toEqual(rules.map(({ name }) => name).sort());
});

for (const { name, why } of rules) {
  test.each(samples[name] ?? [])(`${name} refuses $broken`, ({ path, line, broken, fixed }) => {
    const found = findingsOf(path, broken, name);
    expect(found.map((finding) => finding.line)).toEqual([line]);
    expect(found[0]?.message).toContain(why);
    expect(findingsOf(path, fixed, name)).toEqual([]);
  });
}

describe("where a rule does not hold", () => {
  test.each([
    ["host-time", "src/backend/a.ts", "setTimeout(f, 1);"],
    ["host-time", "src/base/clock-host.ts", "performance.now();"],
    ["host-time", "src/isa/a.ts", "function setImmediate() {}\nsetImmediate();"],
    ["bigint", "src/kvm/a.ts", "const a = 1n;"],
    ["bigint", "src/machine/a.ts", "// bigint: a report about a guest that has stopped\n\nconst a = 1n;"],
    ["file-length", "src/isa/table/a.ts", "f();\n".repeat(501)],
    ["function-length", "src/bus/a.test.ts", `describe("a", () => {\n${lines(80)}});`],
    ["docstring", "src/bus/a.test.ts", "export function f() {}"],
    ["docstring", "src/bus/a.ts", "/** For both. */\nexport function f(a: 1): 1;\nexport function f(a: 2): 2;\n"],
  ])("%s allows it in %s", (rule, path, text) => {
    expect(findingsOf(path, text, rule)).toEqual([]);
  });
});

test("a binary file and a large file are refused", () => {
  expect(checkFile("a.bin", Buffer.from([1, 0, 2])).map(({ rule }) => rule)).toEqual(["no-binary"]);
  expect(checkFile("a.txt", Buffer.alloc(200 * 1024 + 1, "a")).map(({ rule }) => rule)).toEqual(["no-large-file"]);
  expect(checkFile("a.txt", Buffer.alloc(200 * 1024, "a"))).toEqual([]);
});

test("a package from another registry is refused", () => {
  const lock = (/** @type {string} */ resolved) => JSON.stringify({ packages: { "node_modules/a": { resolved } } });
  expect(checkLockFile(lock("http://10.0.0.1/a.tgz")).map(({ rule }) => rule)).toEqual(["public-registry"]);
  expect(checkLockFile(lock("https://registry.npmjs.org/a.tgz"))).toEqual([]);
});

test("a document that names a missing file is refused", () => {
  const exists = (/** @type {string} */ path) => path === "src/a.ts";
  const named = (/** @type {string} */ text) =>
    checkDocument("README.md", text, exists).map(({ line, rule, message }) => [line, rule, message.split(" ")[0]]);
  expect(named("x\n`src/b.ts`")).toEqual([[2, "named-file", "src/b.ts"]]);
  expect(named("[x](B.md)")).toEqual([[1, "named-file", "B.md"]]);
  expect(named("`src/a.ts`, `dist/b.js`, [x](https://example.org)")).toEqual([]);
});
