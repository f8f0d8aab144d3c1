import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { disassemble } from "../../src/isa/disassembler.ts";
import { formOf } from "../../src/isa/table/forms.ts";
import { Bench } from "../isa/bench.ts";
import { differences } from "../isa/compare.ts";
import { missingFeature } from "../isa/differences.ts";
import { processorFeatures } from "../isa/fuzz.ts";
import { Processor } from "../isa/processor.ts";
import { raisedAtEnd, type UserResult } from "../isa/program.ts";
import { Trace } from "../isa/trace.ts";
import { type Line, parseIns } from "./ins-file.ts";

const FOLDER = fileURLToPath(new URL(".", import.meta.url));
const bench = new Bench();
const processor = Processor.build();
const features = typeof processor === "string" ? new Set<string>() : processorFeatures();
afterAll(() => {
  if (typeof processor !== "string") processor.close();
});

function disassembly({ program }: Line): string {
  return Array.from(bench.instructions(program), ({ insn, address }) => disassemble(insn, BigInt(address))).join("; ");
}

/** Features of the processor that a line needs and that are not there. */
function missingFeatures({ program }: Line): string[] {
  return Array.from(bench.instructions(program), ({ insn }) => missingFeature(formOf(insn), features) ?? []).flat();
}

function traceOf({ program }: Line): Trace {
  const trace = new Trace();
  bench.evaluate(program, trace);
  return trace;
}

function expectResult(line: Line, by: string, result: UserResult | undefined): void {
  if (result === undefined) throw new Error(`line ${line.number} does not end on the ${by}`);
  const wrong = differences(line.expected, result, traceOf(line).ignoredAfter(raisedAtEnd(line.expected)));
  expect(wrong, `line ${line.number} (${line.text}) on the ${by}`).toEqual([]);
}

describe.each(readdirSync(FOLDER).filter((name) => name.endsWith(".ins")))("%s", (name) => {
  const lines = parseIns(readFileSync(`${FOLDER}/${name}`, "utf8"));

  test("decoder and disassembler", () => {
    for (const line of lines) expect(disassembly(line), `line ${line.number}`).toBe(line.text);
  });

  test("evaluator", () => {
    for (const line of lines) expectResult(line, "evaluator", bench.evaluate(line.program));
  });

  test("interpreter", () => {
    for (const line of lines) expectResult(line, "interpreter", bench.interpret(line.program));
  });

  test("compiled", () => {
    for (const line of lines) expectResult(line, "compiled", bench.compiled(line.program, "block"));
  });

  test("processor", (context) => {
    context.skip(typeof processor === "string", `the processor is no judge here: ${processor}`);
    if (typeof processor === "string") return;
    const missing = lines.flatMap((line) => missingFeatures(line));
    context.skip(missing.length > 0, `the processor has no ${missing[0]}`);
    const results = processor.run(lines.map(({ program }) => program));
    for (const [n, line] of lines.entries()) expectResult(line, "processor", results[n]);
  });
});
