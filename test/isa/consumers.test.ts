import { spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const EMITTER = "src/engine/wasm/emitter";

/** Every consumer of the IR with how it mentions a pure operation and one with an effect: what a case of it looks like. */
const CASES: Readonly<Record<string, RegExp>> = {
  "src/isa/evaluate/pure.ts": /^ {2}popcnt: .*\n/m,
  "src/isa/evaluate/effects.ts": /^ {2}rip_next: .*\n/m,
  "src/isa/ir/signatures.ts": /^ {2}popcnt: .*\n/m,
  "src/isa/ir/verify.ts": /^ {2}rip_next: .*\n/m,
  "src/isa/ir/print.ts": /^ {2}rip_next: .*\n/m,
  [`${EMITTER}/pure-ops.ts`]: / popcnt: plain,/,
  [`${EMITTER}/program-emitter.ts`]: /^ {6}case "rip_next":\n.*\n.*\n/m,
};

let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), "tskvm-consumers-"));
  for (const path of ["src/base", "src/spec", "src/isa", "src/engine/wasm/asm", EMITTER]) {
    cpSync(join(ROOT, path), join(copy, path), {
      recursive: true,
      filter: (file) => !/\.test\.ts$|isa\/helpers/.test(file),
    });
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  for (const file of ["tsconfig.base.json", "package.json"]) cpSync(join(ROOT, file), join(copy, file));
  const compilerOptions = { noEmit: true, composite: false, declaration: false, sourceMap: false, rootDir: "src" };
  const files = [...Object.keys(CASES), "src/isa/evaluate.ts", "src/base/webassembly.d.ts"];
  writeFileSync(
    join(copy, "tsconfig.json"),
    JSON.stringify({ extends: "./tsconfig.base.json", compilerOptions, files }),
  );
});

afterAll(() => rmSync(copy, { recursive: true }));

/** The files that the compiler finds errors in. */
function filesWithErrors(): string[] {
  const { stdout, error } = spawnSync(
    process.execPath,
    [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", copy, "--pretty", "false"],
    {
      encoding: "utf8",
      cwd: copy,
    },
  );
  if (error) throw error;
  const files = stdout.split("\n").flatMap((line) => /^(\S+?)\(\d+,\d+\): error/.exec(line)?.[1] ?? []);
  return [...new Set(files)].sort();
}

/** Changes files of the copy while `check` runs. */
function changing(changes: Readonly<Record<string, (source: string) => string>>, check: () => void): void {
  const before = Object.keys(changes).map((path) => [path, readFileSync(join(copy, path), "utf8")] as const);
  for (const [path, source] of before) {
    const changed = changes[path]!(source);
    expect(changed, `${path} has the case that this test looks for`).not.toBe(source);
    writeFileSync(join(copy, path), changed);
  }
  try {
    check();
  } finally {
    for (const [path, source] of before) writeFileSync(join(copy, path), source);
  }
}

const OPS = "src/isa/ir/ops.ts";

test("the consumers of the IR compile as they are", () => {
  expect(filesWithErrors()).toEqual([]);
});

test("a consumer that lacks a case does not compile", () => {
  const changes = Object.fromEntries(
    Object.entries(CASES).map(([path, pattern]) => [path, (text: string) => text.replace(pattern, "")]),
  );
  changing(changes, () => expect(filesWithErrors()).toEqual(Object.keys(CASES).sort()));
});

test("a new operation is missed by exactly its consumers", () => {
  const add = (list: string) => ({
    [OPS]: (text: string) => text.replace(`export const ${list} = {`, `export const ${list} = { unheard_of: pure,`),
  });
  changing(add("PURE_OPS"), () =>
    expect(filesWithErrors()).toEqual([
      `${EMITTER}/pure-ops.ts`,
      "src/isa/evaluate/pure.ts",
      "src/isa/ir/signatures.ts",
    ]),
  );
  changing(add("EFFECT_OPS"), () =>
    expect(filesWithErrors()).toEqual([
      `${EMITTER}/program-emitter.ts`,
      "src/isa/evaluate/effects.ts",
      "src/isa/ir/print.ts",
      "src/isa/ir/verify.ts",
    ]),
  );
});
