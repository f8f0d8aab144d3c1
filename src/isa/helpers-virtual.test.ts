import { describe, expect, test } from "vitest";
import { AT, HelperMachine, SELECTOR } from "../../test/isa/helper-machine.ts";
import { CR4 } from "../spec/x86/control-register.ts";
import { CPU, EFLAGS, VECTOR } from "./state.ts";

const GP = { vector: VECTOR.GP, error: 0 };
const IOPL3 = EFLAGS.IOPL;
const IO_MAP = 0x88;
const { VIF, VIP, IF, TF } = EFLAGS;

/** A virtual-8086 task at 2000:0100 with its stack at 3000:1000, entered by IRET. */
function v86(flags: number, cr4: number = CR4.VME): HelperMachine {
  const machine = new HelperMachine().protectedMode(0);
  machine.set(CPU.cr4, cr4);
  machine.write(AT.tss + 102, IO_MAP, 2);
  const frame = [0x100, 0x2000, flags | EFLAGS.VM | EFLAGS.fixed, 0x1000, 0x3000, 0x4000, 0x5000, 0, 0];
  for (const [n, value] of frame.entries()) machine.write(0x7_0000 + 4 * n, value, 4);
  machine.setGpr("rsp", 0x7_0000);
  machine.call("iret", 32, 0n, EFLAGS.fixed);
  return machine;
}

const flagsOf = (machine: HelperMachine): number => machine.get32(CPU.eflags);
const top = (machine: HelperMachine, n: number): number => Number(machine.read(0x3_0000 + 0x1000 - 6 + 2 * n, 2));

function interrupt(machine: HelperMachine, vector: number) {
  machine.call("software_interrupt", vector, 2, 0x102n, flagsOf(machine));
  return machine.fault();
}

describe("virtual-8086 mode", () => {
  test("is entered by IRET, with paragraphs for segments", () => {
    const machine = v86(IF);
    expect(machine.fault()).toBeUndefined();
    expect([machine.base("cs"), machine.base("ss"), machine.base("es")]).toEqual([0x2_0000n, 0x3_0000n, 0x4_0000n]);
    expect([machine.get(CPU.rip), machine.get32(CPU.cpl)]).toEqual([0x100n, 3]);
  });

  test.each([
    ["CLI", 0, VIF, 0],
    ["STI", 1, 0, VIF],
  ])("%s changes VIF", (_, on, before, after) => {
    const machine = v86(IF | before);
    expect(Number(machine.call("virtual_interrupt_flag", on)) & (IF | VIF)).toBe(IF | after);
    expect(machine.fault()).toBeUndefined();
  });

  test("STI with an interrupt pending, and both without the extensions, are #GP", () => {
    const pending = v86(VIP);
    pending.call("virtual_interrupt_flag", 1);
    expect(pending.fault()).toEqual(GP);
    const plain = v86(0, 0);
    plain.call("virtual_interrupt_flag", 0);
    expect(plain.fault()).toEqual(GP);
  });

  test("PUSHF shows VIF as IF and an IOPL of 3; with 32 bits it is #GP", () => {
    const machine = v86(VIF);
    const image = Number(machine.call("push_virtual_flags", flagsOf(machine), 16));
    expect(image & (IF | EFLAGS.IOPL)).toBe(IF | EFLAGS.IOPL);
    machine.call("push_virtual_flags", flagsOf(machine), 32);
    expect(machine.fault()).toEqual(GP);
  });

  test("POPF loads VIF from IF; TF, or IF with an interrupt pending, is #GP", () => {
    const machine = v86(IF);
    machine.call("pop_flags", EFLAGS.IF | EFLAGS.NT, 16);
    expect(flagsOf(machine) & (IF | VIF | EFLAGS.NT | EFLAGS.IOPL)).toBe(IF | VIF | EFLAGS.NT);
    machine.call("pop_flags", 0, 16);
    expect(flagsOf(machine) & (IF | VIF)).toBe(IF);
    const faults = [
      [v86(0), TF],
      [v86(VIP), IF],
    ] as const;
    for (const [other, image] of faults) {
      other.call("check_virtual_flags", image, 16);
      expect(other.fault()).toEqual(GP);
    }
  });

  test("IRET stays in the task and loads VIF", () => {
    const machine = v86(IF);
    for (const [n, value] of [0x222, 0x2100, EFLAGS.IF].entries()) machine.write(0x3_1000 + 2 * n, value, 2);
    machine.call("iret", 16, 0n, flagsOf(machine));
    expect(machine.fault()).toBeUndefined();
    expect([machine.get(CPU.rip), machine.base("cs")]).toEqual([0x222n, 0x2_1000n]);
    expect(flagsOf(machine) & (VIF | EFLAGS.VM)).toBe(VIF | EFLAGS.VM);
  });

  test("INT n whose bit in the map is 0 goes through the task's own table", () => {
    const machine = v86(IF | VIF | TF);
    machine.write(4 * 0x21, 0x6000_1234, 4);
    expect(interrupt(machine, 0x21)).toBeUndefined();
    expect([machine.get(CPU.rip), machine.base("cs")]).toEqual([0x1234n, 0x6_0000n]);
    expect([top(machine, 0), top(machine, 1)]).toEqual([0x102, 0x2000]);
    expect(top(machine, 2) & (IF | EFLAGS.IOPL)).toBe(IF | EFLAGS.IOPL);
    expect(flagsOf(machine) & (IF | VIF | TF | EFLAGS.VM)).toBe(IF | EFLAGS.VM);
  });

  test("with IOPL 3 that clears IF instead", () => {
    const machine = v86(IF | IOPL3);
    machine.write(4 * 0x21, 0x6000_1234, 4);
    expect(interrupt(machine, 0x21)).toBeUndefined();
    expect(flagsOf(machine) & (IF | VIF)).toBe(0);
  });

  test("INT n whose bit is 1 is the monitor's: by its gate with IOPL 3, else by #GP", () => {
    const machine = v86(IF | IOPL3);
    machine.write(AT.tss + IO_MAP - 32 + 4, 2, 1);
    machine.gate(0x21, SELECTOR.code32, 0x5678, 0xee00);
    expect(interrupt(machine, 0x21)).toBeUndefined();
    expect([machine.get(CPU.rip), machine.get32(CPU.cpl)]).toEqual([0x5678n, 0]);
    const below = v86(IF);
    below.write(AT.tss + IO_MAP - 32 + 4, 2, 1);
    expect(interrupt(below, 0x21)).toEqual(GP);
  });

  test("a task that takes virtual interrupts and has one pending begins with #GP", () => {
    const machine = new HelperMachine().protectedMode(0);
    machine.gate(VECTOR.GP, SELECTOR.code32, 0x5678);
    machine.set(CPU.cr4, CR4.VME);
    const frame = [0x100, 0x2000, VIF | VIP | EFLAGS.VM | EFLAGS.fixed, 0x1000, 0x3000, 0, 0, 0, 0];
    for (const [n, value] of frame.entries()) machine.write(0x7_0000 + 4 * n, value, 4);
    machine.setGpr("rsp", 0x7_0000);
    machine.call("iret", 32, 0n, EFLAGS.fixed);
    expect(machine.get(CPU.rip)).toBe(0x5678n);
    expect(machine.read(AT.kernelStack - 36, 4)).toBe(0x100n);
  });
});

describe("protected-mode virtual interrupts", () => {
  test("CLI and STI at level 3 change VIF; IRET at level 0 loads VIF and VIP", () => {
    const machine = new HelperMachine().protectedMode(3);
    machine.set32(CPU.eflags, EFLAGS.fixed | IF);
    machine.set(CPU.cr4, CR4.PVI);
    expect(Number(machine.call("virtual_interrupt_flag", 1))).toBe(EFLAGS.fixed | IF | VIF);
    expect(machine.fault()).toBeUndefined();
    const kernel = new HelperMachine().protectedMode(0);
    for (const [n, value] of [0x100, SELECTOR.code32, EFLAGS.fixed | VIF | VIP].entries())
      kernel.write(0x7_0000 + 4 * n, value, 4);
    kernel.setGpr("rsp", 0x7_0000);
    kernel.call("iret", 32, 0n, EFLAGS.fixed);
    expect(flagsOf(kernel)).toBe(EFLAGS.fixed | VIF | VIP);
  });
});
