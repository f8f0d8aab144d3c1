import { expect, test } from "vitest";
import { expectGolden } from "../../../test/golden/golden.ts";
import { FORMS, programOf } from "../table/forms.ts";
import type { Form } from "../table/row.ts";
import { lowerFlags } from "./lower.ts";
import { printProgram } from "./print.ts";

/** The forms whose programs are kept: opcode, operand size, what else chooses them. */
const KEPT: readonly (readonly [string, Partial<Form>])[] = [
  ["01", { bits: 64, memory: false }],
  ["01", { bits: 32, memory: true, lock: false }],
  ["01", { bits: 16, memory: true, lock: true }],
  ["0F 44", { bits: 32, memory: true }],
  ["50 +r", { bits: 64 }],
  ["A4", { bits: 32, rep: "rep" }],
  ["F7 /6", { bits: 64, memory: false }],
  ["C3", { bits: 64 }],
  ["66 0F FC", { memory: true }],
  ["VEX.256.F3.0F.WIG 7F", { memory: true }],
];

function find(opcode: string, wanted: Partial<Form>): Form {
  const matches = (form: Form): boolean =>
    Object.entries(wanted).every(([key, value]) => form[key as keyof Form] === value);
  const form = FORMS.find((f) => f.row.opcode === opcode && matches(f));
  if (form === undefined) throw new Error(`no form ${opcode}`);
  return form;
}

test("programs as text", () => {
  const texts = KEPT.map(([opcode, wanted]) => {
    const form = find(opcode, wanted);
    const shape = [`${form.bits} bits`, form.memory && "memory", form.lock && "lock", form.rep !== "none" && form.rep];
    return `${opcode} ${form.row.mnemonic} ${form.row.operands.join(",")} (${shape.filter(Boolean).join(", ")})\n${printProgram(programOf(form))}`;
  });
  expectGolden("ir/programs.txt", texts.join("\n"));
});

test("a lowered program as text", () => {
  expectGolden("ir/lowered-add.txt", printProgram(lowerFlags(programOf(find("01", { bits: 64, memory: false })))));
});

test("every program of the table can be printed, one line a node", () => {
  for (const form of FORMS)
    expect(printProgram(programOf(form)).split("\n").length - 1).toBe(programOf(form).nodes.length);
});
