import { expect, test } from "vitest";
import { HelperMachine } from "../../test/isa/helper-machine.ts";
import { CR0 } from "../spec/x86/control-register.ts";
import { CPU, EFLAGS, VECTOR } from "./state.ts";

const AC = { vector: VECTOR.AC, error: 0 };

/** User code under alignment checks. */
function checked(flags: number = EFLAGS.AC, cr0: number = CR0.AM): HelperMachine {
  const machine = new HelperMachine().protectedMode(3);
  machine.set(CPU.cr0, machine.get(CPU.cr0) | BigInt(cr0));
  machine.set32(CPU.eflags, EFLAGS.fixed | flags);
  machine.call("update_mode");
  return machine;
}

function load(machine: HelperMachine, linear: number, width: number) {
  machine.call("load_slow", BigInt(linear), width, 0);
  return machine.fault();
}

test("accesses are aligned to their width", () => {
  const machine = checked();
  for (const width of [2, 4, 8, 16]) {
    expect(load(machine, 0x7000 + width, width)).toBeUndefined();
    expect(load(machine, 0x7000 + width / 2, width)).toEqual(AC);
    machine.call("store_slow", BigInt(0x7001), width, 0n, 0n);
    expect(machine.fault()).toEqual(AC);
  }
  expect(load(machine, 0x7001, 1)).toBeUndefined();
});

test("nothing that was checked leaves a fast way for the next access", () => {
  const machine = checked();
  load(machine, 0x7000, 4);
  const tlb = machine.get32(CPU.tlb);
  machine.set32(CPU.eflags, EFLAGS.fixed);
  machine.call("update_mode");
  expect(machine.get32(CPU.tlb)).not.toBe(tlb);
  expect(load(machine, 0x7001, 4)).toBeUndefined();
});

test("it takes CR0.AM, EFLAGS.AC and level 3", () => {
  expect(load(checked(0), 0x7001, 4)).toBeUndefined();
  expect(load(checked(EFLAGS.AC, 0), 0x7001, 4)).toBeUndefined();
  const kernel = new HelperMachine().protectedMode(0);
  kernel.set(CPU.cr0, BigInt(CR0.PE | CR0.AM));
  kernel.set32(CPU.eflags, EFLAGS.fixed | EFLAGS.AC);
  kernel.call("update_mode");
  expect(load(kernel, 0x7001, 4)).toBeUndefined();
});

test("repeated string instructions stop at the element", () => {
  const machine = checked();
  for (const [name, value] of [
    ["rsi", 0x7000],
    ["rdi", 0x7101],
    ["rcx", 8],
  ] as const)
    machine.setGpr(name, value);
  machine.call("movs", 4, CPU.segments, 0xffff_ffffn, 1);
  expect(machine.fault()).toEqual(AC);
  expect(machine.gpr("rcx")).toBe(8n);
});

test("the x87 environment is aligned to its fields", () => {
  const machine = checked();
  machine.call("x87_save", 0x7002n, 4);
  expect(machine.fault()).toEqual(AC);
  machine.call("x87_save", 0x7004n, 4);
  expect(machine.fault()).toBeUndefined();
});
