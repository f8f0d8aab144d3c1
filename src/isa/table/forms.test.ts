import { describe, expect, test } from "vitest";
import { lowerFlags } from "../ir/lower.ts";
import { verify } from "../ir/verify.ts";
import { endsBlock, FORMS, programOf, sizesOf } from "./forms.ts";
import { ROWS } from "./index.ts";
import { parseOpcode } from "./opcode.ts";

const formsOf = (opcode: string) => FORMS.filter((form) => form.row.opcode === opcode);

test("ids are indices", () => {
  FORMS.forEach((form, n) => {
    expect(form.id).toBe(n);
  });
});

test("every form's program obeys the rules, with flags as they are and lowered", () => {
  for (const form of FORMS) {
    const name = `${form.row.opcode} ${form.row.mnemonic} ${form.bits} ${form.memory ? "memory" : "register"}`;
    expect(verify(programOf(form)), name).toEqual([]);
    expect(verify(lowerFlags(programOf(form))), name).toEqual([]);
  }
});

test("every row has forms", () => {
  const rows = new Set(FORMS.map((form) => form.row));
  for (const row of ROWS) expect(rows.has(row), row.opcode).toBe(true);
});

describe("forms of a row", () => {
  test("sizes, register and memory, LOCK", () => {
    expect(formsOf("01")).toHaveLength(3 * 3);
    expect(formsOf("00")).toHaveLength(3);
    expect(formsOf("8D").every((form) => form.memory)).toBe(true);
    expect(
      formsOf("87")
        .filter((form) => form.memory)
        .every((form) => form.lock),
    ).toBe(true);
  });

  test("stack instructions are apart for 64-bit mode, without 32 bits there", () => {
    const shapes = formsOf("50 +r").map((form) => [form.bits, form.mode]);
    expect(shapes).toEqual([
      [16, "not64"],
      [16, "only64"],
      [32, "not64"],
      [64, "only64"],
    ]);
    expect(formsOf("C3").map((form) => [form.bits, form.mode])).toEqual([
      [16, "not64"],
      [32, "not64"],
      [64, "only64"],
    ]);
  });

  test("repetition", () => {
    expect(formsOf("A4").map((form) => form.rep)).toEqual(["none", "rep"]);
    expect(formsOf("A6").map((form) => form.rep)).toEqual(["none", "rep", "repne"]);
  });

  test("operands are resolved for the operand size", () => {
    const [word, , quad] = formsOf("69").filter((form) => !form.memory);
    expect(word!.operands.map((operand) => operand.width)).toEqual([2, 2, 2]);
    expect(quad!.operands.map((operand) => operand.width)).toEqual([8, 8, 8]);
    expect(formsOf("C1 /4").at(-1)!.operands[1]).toEqual({ kind: "immediate", width: 8, signed: true });
    expect(formsOf("0F B6")[0]!.operands[1]).toEqual({ kind: "register", slot: "rm", file: "gpr8", width: 1 });
    expect(sizesOf(formsOf("0F C7 /1")[0]!.row)).toEqual([32, 64]);
  });

  test("jumps, POPF and STI end blocks", () => {
    for (const opcode of ["EB", "C3", "9D", "FB"]) expect(formsOf(opcode).every(endsBlock), opcode).toBe(true);
    expect(formsOf("A4").map(endsBlock)).toEqual([false, true]);
    expect(formsOf("89").some(endsBlock)).toBe(false);
  });
});

test("opcode notation", () => {
  const nothing = { prefix: undefined, reg: undefined, rm: undefined, plusRegister: false };
  expect(parseOpcode("F3 90")).toEqual({ ...nothing, prefix: 2, map: 0, byte: 0x90 });
  expect(parseOpcode("F3")).toEqual({ ...nothing, map: 0, byte: 0xf3 });
  expect(parseOpcode("66 0F 38 F6")).toEqual({ ...nothing, prefix: 1, map: 2, byte: 0xf6 });
  expect(parseOpcode("0F 38")).toEqual({ ...nothing, map: 1, byte: 0x38 });
  expect(parseOpcode("0F 01 /7 rm=1")).toEqual({ ...nothing, map: 1, byte: 1, reg: 7, rm: 1 });
  expect(parseOpcode("NP 0F C8 +r")).toEqual({ ...nothing, prefix: 0, map: 1, byte: 0xc8, plusRegister: true });
  const vex = { reg: undefined, rm: undefined, plusRegister: false };
  expect(parseOpcode("VEX.256.66.0F.WIG 58")).toEqual({
    ...vex,
    vex: { lengths: [1], widths: [0, 1] },
    prefix: 1,
    map: 1,
    byte: 0x58,
  });
  expect(parseOpcode("VEX.LZ.0F38 F3 /1")).toMatchObject({ vex: { lengths: [0] }, prefix: 0, map: 2, reg: 1 });
  expect(() => parseOpcode("VEX.0F 58")).toThrow();
  expect(() => parseOpcode("0F C8 /8")).toThrow();
});
