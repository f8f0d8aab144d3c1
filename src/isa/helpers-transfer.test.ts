import { describe, expect, test } from "vitest";
import { AT, HelperMachine, SELECTOR } from "../../test/isa/helper-machine.ts";
import { EFER } from "../spec/x86/control-register.ts";
import { CPU, EFLAGS, FEATURE, MODE, SEGMENT, segmentOffset, VECTOR } from "./state.ts";

const STACK = 0x7_0000;

/** Pushes values of a width so that the first one given is on top. */
function frame(machine: HelperMachine, width: 2 | 4 | 8, ...values: (number | bigint)[]): HelperMachine {
  values.forEach((value, n) => {
    machine.write(STACK + n * width, value, width);
  });
  machine.setGpr("rsp", STACK);
  return machine;
}

/** A far descriptor that leads to `target` at level `dpl`. */
function callGate(machine: HelperMachine, target: number, offset: number, parameters = 0, dpl = 3): void {
  const access = BigInt(0x8c00 | (dpl << 13) | parameters);
  machine.writeDescriptor(
    SELECTOR.free,
    (BigInt(offset >>> 16) << 48n) | (access << 32n) | BigInt(target << 16) | BigInt(offset & 0xffff),
  );
}

describe("IRET", () => {
  test("64-bit: to user level with its stack and flags", () => {
    const machine = new HelperMachine().longMode(0);
    const flags = EFLAGS.fixed | EFLAGS.IF | EFLAGS.ZF | EFLAGS.RF;
    frame(machine, 8, 0x40_1234n, SELECTOR.userCode64, flags, 0x7fff_ffff_0000n, SELECTOR.userData);
    machine.call("iret", 64, 0n, EFLAGS.fixed);
    expect(machine.fault()).toBeUndefined();
    expect(machine.get(CPU.rip)).toBe(0x40_1234n);
    expect(machine.gpr("rsp")).toBe(0x7fff_ffff_0000n);
    expect(machine.get32(CPU.eflags)).toBe(flags);
    expect(machine.get32(CPU.mode)).toBe(MODE.code64 | MODE.user);
    expect([machine.selector("cs"), machine.selector("ss")]).toEqual([SELECTOR.userCode64, SELECTOR.userData]);
    expect([machine.selector("ds"), machine.attributes("ds")]).toEqual([0, 0]);
  });

  test("64-bit: a GS that user level may not use loses its selector and keeps its base", () => {
    const machine = new HelperMachine().longMode(0);
    machine.setSegment("gs", SELECTOR.data);
    machine.set(segmentOffset("gs") + SEGMENT.base, 0x40_0000);
    frame(machine, 8, 0x1000, SELECTOR.userCode64, EFLAGS.fixed, 0x6000, SELECTOR.userData);
    machine.call("iret", 64, 0n, EFLAGS.fixed);
    expect([machine.selector("gs"), machine.attributes("gs"), machine.base("gs")]).toEqual([0, 0, 0x40_0000n]);
  });

  test("64-bit: at the same level, with a null stack segment", () => {
    const machine = new HelperMachine().longMode(0);
    frame(machine, 8, 0xffff_8000_0000_1000n, SELECTOR.code64, EFLAGS.fixed, 0x6000, 0);
    machine.call("iret", 64, 0n, EFLAGS.fixed);
    expect(machine.fault()).toBeUndefined();
    expect([machine.gpr("rsp"), machine.selector("ss"), machine.get32(CPU.cpl)]).toEqual([0x6000n, 0, 0]);
  });

  test("to an outer level clears null selectors of any RPL", () => {
    const machine = new HelperMachine().longMode(0);
    for (const name of ["es", "ds", "fs", "gs"] as const) machine.setSegment(name, 3);
    frame(machine, 8, 0x1234, SELECTOR.userCode64, EFLAGS.fixed, 0x6000, SELECTOR.userData);
    machine.call("iret", 64, 0n, EFLAGS.fixed);
    expect(["es", "ds", "fs", "gs"].map((name) => machine.selector(name as "es"))).toEqual([0, 0, 0, 0]);
  });

  test("to compatibility mode", () => {
    const machine = new HelperMachine().longMode(0);
    frame(machine, 8, 0x1234, SELECTOR.userCode32, EFLAGS.fixed, 0x6000, SELECTOR.userData);
    machine.call("iret", 64, 0n, EFLAGS.fixed);
    expect(machine.get32(CPU.mode)).toBe(MODE.code32 | MODE.user);
    expect(machine.get(CPU.stackMask)).toBe(0xffff_ffffn);
  });

  test.each([
    ["rip not canonical", 0x8000_0000_0000n, SELECTOR.userCode64, SELECTOR.userData, VECTOR.GP, 0],
    ["null code segment", 0n, 3, SELECTOR.userData, VECTOR.GP, 0],
    ["a data segment as code", 0n, SELECTOR.userData, SELECTOR.userData, VECTOR.GP, SELECTOR.userData & ~3],
    ["RPL differs from DPL", 0n, SELECTOR.code64 | 3, SELECTOR.userData, VECTOR.GP, SELECTOR.code64],
    ["stack of another level", 0n, SELECTOR.userCode64, SELECTOR.data, VECTOR.GP, SELECTOR.data],
    ["null stack for user level", 0n, SELECTOR.userCode64, 3, VECTOR.GP, 0],
    ["selector beyond the table", 0n, 0xf03, SELECTOR.userData, VECTOR.GP, 0xf00],
  ])("64-bit: %s faults and changes nothing", (_, rip, code, stack, vector, error) => {
    const machine = new HelperMachine().longMode(0);
    frame(machine, 8, rip, code, EFLAGS.fixed | EFLAGS.IF, 0x6000, stack);
    machine.call("iret", 64, 0n, EFLAGS.fixed);
    expect(machine.fault()).toEqual({ vector, error });
    expect([machine.selector("cs"), machine.get32(CPU.eflags)]).toEqual([SELECTOR.code64, EFLAGS.fixed]);
    expect(machine.gpr("rsp")).toBe(BigInt(STACK));
  });

  test("32-bit: user level changes neither IF nor IOPL", () => {
    const machine = new HelperMachine().protectedMode(3);
    frame(machine, 4, 0x1234, SELECTOR.userCode32, EFLAGS.IOPL | EFLAGS.DF);
    machine.call("iret", 32, 0n, EFLAGS.fixed | EFLAGS.IF);
    expect(machine.fault()).toBeUndefined();
    expect(machine.get32(CPU.eflags)).toBe(EFLAGS.fixed | EFLAGS.IF | EFLAGS.DF);
    expect(machine.gpr("rsp")).toBe(BigInt(STACK + 12));
  });

  test("NT in IA-32e mode is #GP", () => {
    const machine = new HelperMachine().longMode(0);
    machine.call("iret", 64, 0n, EFLAGS.fixed | EFLAGS.NT);
    expect(machine.fault()).toEqual({ vector: VECTOR.GP, error: 0 });
  });

  test("a stack that is not there is a page fault", () => {
    const machine = new HelperMachine().longMode(0);
    machine.setGpr("rsp", 0x40_0000);
    machine.call("iret", 64, 0n, EFLAGS.fixed);
    expect(machine.fault()).toEqual({ vector: VECTOR.PF, error: 0 });
    expect(machine.get(CPU.faultAddress)).toBe(0x40_0000n);
  });
});

describe("far JMP and CALL", () => {
  test("compatibility to 64-bit mode and back", () => {
    const machine = new HelperMachine().longMode(0, true);
    machine.call("far_jump", SELECTOR.code64, 0x1234n, 32, 0n, EFLAGS.fixed);
    expect(machine.fault()).toBeUndefined();
    expect([machine.get(CPU.rip), machine.get32(CPU.mode)]).toEqual([0x1234n, MODE.code64]);
    frame(machine, 8, 0x5678, SELECTOR.code32);
    machine.call("far_return", 64, 0);
    expect(machine.fault()).toBeUndefined();
    expect([machine.get(CPU.rip), machine.get32(CPU.mode)]).toEqual([0x5678n, MODE.code32]);
  });

  test("real to protected mode with CR0.PE", () => {
    const machine = new HelperMachine().protectedMode(0);
    machine.set32(CPU.cr0, 0);
    machine.realMode();
    machine.call("write_control", 0, 1n);
    expect(machine.get32(CPU.mode)).toBe(MODE.code16);
    machine.call("far_jump", SELECTOR.code32, 0x1_2345n, 32, 0n, EFLAGS.fixed);
    expect(machine.fault()).toBeUndefined();
    expect([machine.get(CPU.rip), machine.get32(CPU.mode)]).toEqual([0x1_2345n, MODE.code32]);
  });

  test("a call at the same level pushes CS and the return address", () => {
    const machine = frame(new HelperMachine().protectedMode(0), 4);
    machine.call("far_call", SELECTOR.code32, 0x4321n, 32, 0x1237n, EFLAGS.fixed);
    expect(machine.gpr("rsp")).toBe(BigInt(STACK - 8));
    expect([machine.read(STACK - 8, 4), machine.read(STACK - 4, 4)]).toEqual([0x1237n, BigInt(SELECTOR.code32)]);
    machine.call("far_return", 32, 4);
    expect([machine.get(CPU.rip), machine.gpr("rsp")]).toEqual([0x1237n, BigInt(STACK + 4)]);
  });

  test("a call gate to level 0 copies parameters to the inner stack; the return releases them on both", () => {
    const machine = frame(new HelperMachine().protectedMode(3), 4, 0x111, 0x222);
    callGate(machine, SELECTOR.code32, 0x12_4321, 2);
    machine.call("far_call", SELECTOR.free | 3, 0n, 32, 0x1237n, EFLAGS.fixed);
    expect(machine.fault()).toBeUndefined();
    expect([machine.get(CPU.rip), machine.get32(CPU.cpl), machine.selector("ss")]).toEqual([
      0x12_4321n,
      0,
      SELECTOR.data,
    ]);
    const pushed = Array.from({ length: 6 }, (_, n) => machine.read(AT.kernelStack - 24 + 4 * n, 4));
    const caller = [BigInt(STACK), BigInt(SELECTOR.userData)];
    expect(pushed).toEqual([0x1237n, BigInt(SELECTOR.userCode32), 0x111n, 0x222n, ...caller]);
    machine.call("far_return", 32, 8);
    expect(machine.fault()).toBeUndefined();
    expect([machine.get(CPU.rip), machine.get32(CPU.cpl), machine.gpr("rsp")]).toEqual([0x1237n, 3, BigInt(STACK + 8)]);
  });

  test.each([
    ["null selector", 0, VECTOR.GP, 0],
    ["kernel code", SELECTOR.code32, VECTOR.GP, SELECTOR.code32],
    ["data", SELECTOR.userData, VECTOR.GP, SELECTOR.userData & ~3],
    ["gate for inner levels", SELECTOR.free, VECTOR.GP, SELECTOR.free],
    ["busy TSS", SELECTOR.tss, VECTOR.GP, SELECTOR.tss],
  ])("user level: %s is refused", (_, selector, vector, error) => {
    const machine = new HelperMachine().protectedMode(3);
    callGate(machine, SELECTOR.code32, 0x1000, 0, 0);
    machine.call("far_jump", selector, 0n, 32, 0n, EFLAGS.fixed);
    expect(machine.fault()).toEqual({ vector, error });
    expect(machine.selector("cs")).toBe(SELECTOR.userCode32);
  });

  test("beyond the limit, and not present", () => {
    const machine = new HelperMachine().protectedMode(0);
    machine.writeDescriptor(SELECTOR.free, 0x00409b0000000fffn);
    machine.call("far_jump", SELECTOR.free, 0x1000n, 32, 0n, EFLAGS.fixed);
    expect(machine.fault()).toEqual({ vector: VECTOR.GP, error: 0 });
    machine.writeDescriptor(SELECTOR.free, 0x00401b0000000fffn);
    machine.call("far_jump", SELECTOR.free, 0n, 32, 0n, EFLAGS.fixed);
    expect(machine.fault()).toEqual({ vector: VECTOR.NP, error: SELECTOR.free });
  });
});

describe("fast system calls", () => {
  const ENTRY = 0xffff_ffff_8100_0000n;
  const STAR = (BigInt(SELECTOR.userCode32) << 48n) | (BigInt(SELECTOR.code64) << 32n);

  test("SYSCALL and SYSRET", () => {
    const machine = new HelperMachine().longMode(3);
    machine.set(CPU.star, STAR);
    machine.set(CPU.lstar, ENTRY);
    machine.set(CPU.sfmask, EFLAGS.IF | EFLAGS.ZF);
    const flags = EFLAGS.fixed | EFLAGS.IF | EFLAGS.ZF | EFLAGS.CF;
    machine.call("syscall", 0x1002n, flags);
    expect(machine.fault()).toBeUndefined();
    expect([machine.get(CPU.rip), machine.gpr("rcx"), machine.gpr("r11")]).toEqual([ENTRY, 0x1002n, BigInt(flags)]);
    expect(machine.get32(CPU.eflags)).toBe(EFLAGS.fixed | EFLAGS.CF);
    expect([machine.get32(CPU.cpl), machine.selector("cs")]).toEqual([0, SELECTOR.code64]);
    expect(machine.selector("ss")).toBe(SELECTOR.code64 + 8);
    machine.call("sysret", 64);
    expect([machine.get(CPU.rip), machine.get32(CPU.eflags), machine.get32(CPU.cpl)]).toEqual([0x1002n, flags, 3]);
    expect([machine.selector("cs"), machine.selector("ss")]).toEqual([
      SELECTOR.userCode32 + 16,
      SELECTOR.userCode32 + 8,
    ]);
  });

  test("SYSRET to a rip that is not canonical faults at level 0; SYSCALL without SCE does not exist", () => {
    const machine = new HelperMachine().longMode(0);
    machine.setGpr("rcx", 1n << 47n);
    machine.call("sysret", 64);
    expect(machine.fault()).toEqual({ vector: VECTOR.GP, error: 0 });
    expect(machine.get32(CPU.cpl)).toBe(0);
    machine.set(CPU.efer, 0x500);
    machine.call("syscall", 0n, EFLAGS.fixed);
    expect(machine.fault()?.vector).toBe(VECTOR.UD);
  });

  test("AMD's SYSCALL in compatibility mode goes to CSTAR; Intel has none", () => {
    for (const features of [0, FEATURE.amd]) {
      const machine = new HelperMachine().longMode(3, true);
      machine.set32(CPU.features, features);
      machine.set(CPU.star, STAR);
      machine.set(CPU.cstar, ENTRY);
      machine.call("syscall", 0x1002n, EFLAGS.fixed);
      expect(machine.fault()?.vector).toBe(features ? undefined : VECTOR.UD);
      expect(machine.get(CPU.rip)).toBe(features ? ENTRY : 0n);
    }
  });

  test("AMD's SYSCALL and SYSRET without long mode", () => {
    const machine = new HelperMachine().protectedMode(3);
    machine.set32(CPU.features, FEATURE.amd);
    machine.set(CPU.efer, EFER.SCE);
    machine.set(CPU.star, (0x13n << 48n) | (BigInt(SELECTOR.code32) << 32n) | 0xc010_0000n);
    machine.call("syscall", 0x1002n, EFLAGS.fixed | EFLAGS.IF);
    expect([machine.get(CPU.rip), machine.gpr("rcx"), machine.get32(CPU.cpl)]).toEqual([0xc010_0000n, 0x1002n, 0]);
    expect(machine.get32(CPU.eflags)).toBe(EFLAGS.fixed);
    machine.call("sysret", 32);
    expect([machine.get(CPU.rip), machine.get32(CPU.cpl), machine.selector("cs")]).toEqual([0x1002n, 3, 0x13]);
    expect(machine.get32(CPU.eflags)).toBe(EFLAGS.fixed | EFLAGS.IF);
  });

  test("AMD has no SYSENTER in long mode, and SYSRET to a rip that is not canonical", () => {
    const machine = new HelperMachine().longMode(0);
    machine.set32(CPU.features, FEATURE.amd);
    machine.set(CPU.sysenterCs, SELECTOR.code64);
    machine.call("sysenter", EFLAGS.fixed);
    expect(machine.fault()?.vector).toBe(VECTOR.UD);
    machine.setGpr("rcx", 1n << 47n);
    machine.setGpr("r11", EFLAGS.fixed);
    machine.call("sysret", 64);
    expect(machine.fault()).toBeUndefined();
    expect([machine.get(CPU.rip), machine.get32(CPU.cpl)]).toEqual([1n << 47n, 3]);
  });

  test("SYSENTER and SYSEXIT in 32-bit mode", () => {
    const machine = new HelperMachine().protectedMode(3);
    machine.set(CPU.sysenterCs, SELECTOR.code32);
    machine.set(CPU.sysenterEip, 0xc010_0000n);
    machine.set(CPU.sysenterEsp, 0xc020_0000n);
    machine.call("sysenter", EFLAGS.fixed | EFLAGS.IF);
    expect([machine.get(CPU.rip), machine.gpr("rsp")]).toEqual([0xc010_0000n, 0xc020_0000n]);
    expect([machine.get32(CPU.cpl), machine.get32(CPU.eflags)]).toEqual([0, EFLAGS.fixed]);
    machine.setGpr("rdx", 0x1111);
    machine.setGpr("rcx", 0x2222);
    machine.call("sysexit", 32);
    expect([machine.get(CPU.rip), machine.gpr("rsp"), machine.get32(CPU.cpl)]).toEqual([0x1111n, 0x2222n, 3]);
    expect(machine.selector("ss")).toBe((SELECTOR.code32 + 24) | 3);
  });
});
