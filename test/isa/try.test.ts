import { writeFileSync } from "node:fs";
import { test } from "vitest";
import { Bench } from "./bench.ts";
import { Fuzzer } from "./fuzz.ts";
import { Processor } from "./processor.ts";

test("try", () => {
  const p = Processor.build();
  if (typeof p === "string") throw new Error(p);
  const only = process.env.ONLY;
  const fuzzer = new Fuzzer(
    new Bench(),
    p,
    (f) =>
      !only || new RegExp(only).test(f.row.opcode + " " + f.row.mnemonic + " " + (f.row.attributes.feature ?? "base")),
  );
  const t = Date.now();
  const found = fuzzer.run(Number(process.env.SEED ?? 1), Number(process.env.COUNT ?? 8000));
  const by = new Map<string, string[]>();
  for (const f of found) {
    const l = by.get(f.form) ?? [];
    l.push(f.text);
    by.set(f.form, l);
  }
  writeFileSync("/tmp/fuzz.txt", [...by].map(([k, v]) => `=== ${k} x${v.length}\n${v[0]}\n${v[1] ?? ""}`).join("\n"));
  console.log(
    fuzzer.formCount,
    "forms",
    fuzzer.compared,
    "compared",
    found.length,
    "bad",
    by.size,
    "kinds",
    Date.now() - t,
    "ms",
  );
  p.close();
}, 100000);
