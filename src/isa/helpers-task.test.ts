import { describe, expect, test } from "vitest";
import { AT, HelperMachine, SELECTOR } from "../../test/isa/helper-machine.ts";
import { CR0 } from "../spec/x86/control-register.ts";
import { CPU, EFLAGS, VECTOR } from "./state.ts";

const TASK = 0xa000;
const STACK = 0xb000;
const ENTRY = 0x1234;
const NEXT = 0x5678n;
const IMAGE = EFLAGS.fixed | EFLAGS.IF;

/** Bytes 4-5 of a TSS descriptor: available, and busy. */
const AVAILABLE = { 16: 0x81, 32: 0x89 } as const;
const BUSY = 2;

const descriptor = (access: number, limit = 0x67): bigint =>
  (BigInt(access) << 40n) | (BigInt(TASK) << 16n) | BigInt(limit);
const accessOf = (machine: HelperMachine, selector: number): number => Number(machine.read(AT.gdt + selector + 5, 1));

/** A kernel task, and another one that begins at ENTRY with registers of its own. */
function withTask(bits: 16 | 32 = 32, segments: Partial<Record<"es" | "cs" | "ss" | "ds" | "ldt", number>> = {}) {
  const machine = new HelperMachine().protectedMode(0);
  const { es = SELECTOR.data, cs = SELECTOR.code32, ss = SELECTOR.data, ds = SELECTOR.data, ldt = 0 } = segments;
  const width = bits === 32 ? 4 : 2;
  const fields =
    bits === 32 ? { ip: 32, flags: 36, gpr: 40, es: 72, ldt: 96 } : { ip: 14, flags: 16, gpr: 18, es: 34, ldt: 42 };
  machine.writeDescriptor(SELECTOR.free, descriptor(AVAILABLE[bits]));
  machine.write(TASK + fields.ip, ENTRY, width);
  machine.write(TASK + fields.flags, EFLAGS.fixed | EFLAGS.CF, width);
  for (let n = 0; n < 8; n++) machine.write(TASK + fields.gpr + n * width, n === 4 ? STACK : 0x100 + n, width);
  for (const [n, selector] of [es, cs, ss, ds].entries()) machine.write(TASK + fields.es + n * width, selector, 2);
  machine.write(TASK + fields.ldt, ldt, 2);
  machine.setGpr("rax", 0xaaaa_bbbb);
  return machine;
}

function jump(machine: HelperMachine, selector: number = SELECTOR.free) {
  machine.call("far_jump", selector, 0n, 32, NEXT, IMAGE);
  return machine.fault();
}

function call(machine: HelperMachine) {
  machine.call("far_call", SELECTOR.free, 0n, 32, NEXT, IMAGE);
  return machine.fault();
}

describe("JMP to a task", () => {
  test("leaves the old one free and without a link", () => {
    const machine = withTask();
    expect(jump(machine)).toBeUndefined();
    expect([accessOf(machine, SELECTOR.tss), accessOf(machine, SELECTOR.free)]).toEqual([0x89, 0x89 | BUSY]);
    expect([machine.get(CPU.rip), machine.gpr("rax"), machine.gpr("rsp")]).toEqual([
      BigInt(ENTRY),
      0x100n,
      BigInt(STACK),
    ]);
    expect(machine.get32(CPU.eflags)).toBe(EFLAGS.fixed | EFLAGS.CF);
    expect(machine.selector("tr")).toBe(SELECTOR.free);
    expect(machine.get(CPU.cr0) & BigInt(CR0.TS)).toBe(BigInt(CR0.TS));
    expect([machine.read(TASK, 2), machine.read(AT.tss + 32, 4), machine.read(AT.tss + 40, 4)]).toEqual([
      0n,
      NEXT,
      0xaaaa_bbbbn,
    ]);
    expect(Number(machine.read(AT.tss + 36, 4))).toBe(IMAGE);
  });

  test("by a task gate", () => {
    const machine = withTask();
    machine.writeDescriptor(0x60, (0x8500n << 32n) | BigInt(SELECTOR.free << 16));
    expect(jump(machine, 0x60)).toBeUndefined();
    expect(machine.get(CPU.rip)).toBe(BigInt(ENTRY));
  });

  test("of 16 bits loads half the registers, and no FS and GS", () => {
    const machine = withTask(16);
    expect(jump(machine)).toBeUndefined();
    expect([machine.gpr("rax") & 0xffffn, machine.get(CPU.rip)]).toEqual([0x100n, BigInt(ENTRY)]);
    expect([machine.selector("fs"), machine.selector("gs")]).toEqual([0, 0]);
  });

  test("in virtual-8086 mode", () => {
    const machine = withTask(32, { es: 0x1000, cs: 0x2000, ss: 0x3000, ds: 0x4000 });
    machine.write(TASK + 36, EFLAGS.fixed | EFLAGS.VM, 4);
    expect(jump(machine)).toBeUndefined();
    expect([machine.base("cs"), machine.base("ds"), machine.get32(CPU.cpl)]).toEqual([0x2_0000n, 0x4_0000n, 3]);
  });
});

test("CALL nests and IRET comes back", () => {
  const machine = withTask();
  expect(call(machine)).toBeUndefined();
  expect([accessOf(machine, SELECTOR.tss), accessOf(machine, SELECTOR.free)]).toEqual([0x8b, 0x89 | BUSY]);
  expect(machine.read(TASK, 2)).toBe(BigInt(SELECTOR.tss));
  const flags = machine.get32(CPU.eflags);
  expect(flags & EFLAGS.NT).toBe(EFLAGS.NT);
  machine.call("iret", 32, 0x4321n, flags);
  expect(machine.fault()).toBeUndefined();
  expect([machine.get(CPU.rip), machine.gpr("rax"), machine.get32(CPU.eflags)]).toEqual([NEXT, 0xaaaa_bbbbn, IMAGE]);
  expect([accessOf(machine, SELECTOR.tss), accessOf(machine, SELECTOR.free)]).toEqual([0x8b, 0x89]);
  expect([machine.read(TASK + 32, 4), Number(machine.read(TASK + 36, 4)) & EFLAGS.NT]).toEqual([0x4321n, 0]);
});

describe("a task that cannot be entered leaves the old one as it was", () => {
  test.each([
    ["busy", descriptor(AVAILABLE[32] | BUSY), VECTOR.GP],
    ["absent", descriptor(AVAILABLE[32] & ~0x80), VECTOR.NP],
    ["too short", descriptor(AVAILABLE[32], 0x66), VECTOR.TS],
    ["too short for 16 bits", descriptor(AVAILABLE[16], 0x2a), VECTOR.TS],
  ])("%s", (_, value, vector) => {
    const machine = withTask();
    machine.writeDescriptor(SELECTOR.free, value);
    expect(jump(machine)).toEqual({ vector, error: SELECTOR.free });
    expect([machine.selector("tr"), accessOf(machine, SELECTOR.tss)]).toEqual([SELECTOR.tss, 0x8b]);
  });

  test("IRET to a task that is not busy", () => {
    const machine = withTask();
    machine.write(AT.tss, SELECTOR.free, 2);
    machine.call("iret", 32, NEXT, IMAGE | EFLAGS.NT);
    expect(machine.fault()).toEqual({ vector: VECTOR.TS, error: SELECTOR.free });
  });

  test("in IA-32e mode there are none", () => {
    const machine = new HelperMachine().longMode(0);
    machine.writeDescriptor(SELECTOR.free, descriptor(AVAILABLE[32]));
    expect(jump(machine)).toEqual({ vector: VECTOR.GP, error: SELECTOR.free });
  });
});

describe("what is wrong in the new task is its own fault", () => {
  test.each([
    ["a data segment without a descriptor", { ds: 0x1f8 }, VECTOR.TS, 0x1f8],
    ["an absent data segment", { es: SELECTOR.absent }, VECTOR.NP, SELECTOR.absent],
  ] as const)("%s", (_, segments, vector, error) => {
    const machine = withTask(32, segments);
    machine.gate(vector, SELECTOR.code32, 0x9999);
    expect(jump(machine)).toBeUndefined();
    expect([machine.get(CPU.rip), machine.selector("tr")]).toEqual([0x9999n, SELECTOR.free]);
    const frame = [0, 4, 8].map((at) => Number(machine.read(STACK - 16 + at, 4)));
    expect(frame).toEqual([error, ENTRY, SELECTOR.code32]);
  });

  test.each([
    ["an LDT that is none", { ldt: SELECTOR.data }, VECTOR.TS],
    ["a null code segment", { cs: 0 }, VECTOR.TS],
    ["a stack segment of another level", { ss: SELECTOR.userData }, VECTOR.TS],
  ] as const)("%s is for a handler with a stack of its own", (_, segments, vector) => {
    const machine = withTask(32, segments);
    const handler = 0xc000;
    machine.writeDescriptor(0x60, (BigInt(AVAILABLE[32]) << 40n) | (BigInt(handler) << 16n) | 0x67n);
    machine.write(handler + 32, 0x7777, 4);
    machine.write(handler + 36, EFLAGS.fixed, 4);
    machine.write(handler + 56, 0xd000, 4);
    machine.write(handler + 76, SELECTOR.code32, 4);
    for (const at of [72, 80, 84]) machine.write(handler + at, SELECTOR.data, 4);
    machine.write(AT.idt + 8 * vector, (0x8500n << 32n) | BigInt(0x60 << 16));
    expect(jump(machine)).toBeUndefined();
    expect([machine.get(CPU.rip), machine.selector("tr")]).toEqual([0x7777n, 0x60]);
    expect(machine.read(handler, 2)).toBe(BigInt(SELECTOR.free));
  });
});
