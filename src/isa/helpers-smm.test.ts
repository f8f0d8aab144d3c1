import { describe, expect, test } from "vitest";
import { HelperMachine } from "../../test/isa/helper-machine.ts";
import { CR0, CR4, EFER } from "../spec/x86/control-register.ts";
import { SAVE32, SAVE64, SMM } from "../spec/x86/smm.ts";
import { CPU, EFLAGS, FEATURE, GPR, SEGMENT, SEGMENTS, SMM_STATE, segmentOffset, TRAP, VECTOR } from "./state.ts";

const BASE = SMM.RESET_BASE;
const AREA = BASE + SMM.ENTRY;
const RIP = 0x1234;
const FLAGS = EFLAGS.fixed | EFLAGS.IF | EFLAGS.CF | EFLAGS.SF;

/** A processor with PAE, PGE, FXSR, SSE, long mode, NX and SYSCALL; `wide` says whether its model shows long mode. */
function processor(wide: boolean): HelperMachine {
  const machine: HelperMachine = new HelperMachine({
    cpuid: (_, leaf) => {
      const edx = leaf === 1 ? 0x0300_20ff : leaf === (0x8000_0001 | 0) ? 0x2010_0800 : 0;
      for (let n = 0; n < 4; n++) machine.set32(CPU.scratch + 4 * n, n === 3 ? edx : 0);
      return 0;
    },
  });
  machine.set32(CPU.features, wide ? FEATURE.lm : 0);
  machine.set(CPU.smbase, BASE);
  return machine;
}

const MODES: Readonly<Record<string, (machine: HelperMachine) => unknown>> = {
  "real mode": (machine) => machine.realMode(),
  "protected mode": (machine) => machine.protectedMode(0),
  "protected mode, level 3": (machine) => machine.protectedMode(3),
  "compatibility mode": (machine) => machine.longMode(3, true),
  "64-bit mode": (machine) => machine.longMode(0),
  "64-bit mode, level 3": (machine) => machine.longMode(3),
};

/** A machine in a mode, with something in every register. */
function inMode(mode: string, wide = true): HelperMachine {
  const machine = processor(wide);
  MODES[mode]!(machine);
  for (const [name, n] of Object.entries(GPR))
    if (wide || n < 8) machine.setGpr(name as keyof typeof GPR, 0x1000 * (n + 1));
  machine.set(CPU.rip, RIP);
  machine.set32(CPU.eflags, FLAGS);
  machine.set(CPU.dr + 48, 0xffff_0ff0);
  machine.set(CPU.dr + 56, 0x400);
  return machine;
}

const WIDE_CELLS = ["rip", "cr0", "cr3", "cr4", "efer", "gdtrBase", "idtrBase", "linearMask", "stackMask"] as const;
const NARROW_CELLS = ["mode", "cpl", "gdtrLimit", "idtrLimit", "smm", "nmiMasked", "tlb"] as const;

/** Everything that RSM restores. */
function state(machine: HelperMachine): unknown {
  const segments = SEGMENTS.map((name) => {
    const at = segmentOffset(name);
    const limit = machine.get32(at + SEGMENT.limit);
    return [name, machine.selector(name), machine.base(name), machine.attributes(name), limit];
  });
  return [
    WIDE_CELLS.map((name) => machine.get(CPU[name])),
    NARROW_CELLS.map((name) => machine.get32(CPU[name])),
    Object.keys(GPR).map((name) => machine.gpr(name as keyof typeof GPR)),
    [machine.get32(CPU.eflags), machine.get(CPU.dr + 48), machine.get(CPU.dr + 56)],
    segments,
  ];
}

describe("system management mode", () => {
  test.each([
    ...Object.keys(MODES).map((mode) => [mode, true] as const),
    ["real mode", false],
    ["protected mode", false],
    ["protected mode, level 3", false],
  ] as const)("RSM restores %s (a processor with long mode: %s)", (mode, wide) => {
    const machine = inMode(mode, wide);
    const before = state(machine);
    machine.call("enter_smm", 0);
    expect(machine.get32(CPU.trap)).toBe(TRAP.none);
    expect(state(machine)).not.toEqual(before);
    expect(machine.call("rsm")).toBe(TRAP.budget);
    expect(machine.fault()).toBeUndefined();
    expect(state(machine)).toEqual(before);
  });

  test("the handler begins in real mode with segments of 4 GiB [SDM 3C table 31-4]", () => {
    const machine = inMode("64-bit mode, level 3");
    machine.call("enter_smm", 0);
    expect([machine.get(CPU.rip), machine.base("cs"), machine.selector("cs")]).toEqual([0x8000n, BigInt(BASE), 0x3000]);
    expect([machine.get(CPU.cr0), machine.get(CPU.cr4), machine.get(CPU.efer)]).toEqual([
      BigInt(CR0.ET | CR0.WP),
      0n,
      0n,
    ]);
    expect([machine.get32(CPU.eflags), machine.get(CPU.dr + 56), machine.get32(CPU.mode)]).toEqual([2, 0x400n, 0]);
    for (const name of ["cs", "ss", "ds", "es", "fs", "gs"] as const)
      expect(machine.get32(segmentOffset(name) + SEGMENT.limit)).toBe(0xffff_ffff);
    expect([machine.selector("ds"), machine.base("ds"), machine.get32(CPU.cpl)]).toEqual([0, 0n, 0]);
    expect([machine.get32(CPU.smm), machine.get32(CPU.nmiMasked)]).toEqual([SMM_STATE.active, 1]);
  });

  test("the save area of a processor with long mode [AMD APM 2 table 10-1]", () => {
    const machine = inMode("64-bit mode");
    machine.call("enter_smm", 1);
    const saved = (offset: number, width: 1 | 2 | 4 | 8 = 8) => machine.read(AREA + offset, width);
    expect([saved(SAVE64.RAX), saved(SAVE64.R15), saved(SAVE64.RIP)]).toEqual([0x1000n, 0x1_0000n, BigInt(RIP)]);
    expect([saved(SAVE64.RFLAGS), saved(SAVE64.CR4)]).toEqual([BigInt(FLAGS), BigInt(CR4.PAE)]);
    expect([saved(SAVE64.REVISION, 4), saved(SAVE64.SMBASE, 4)]).toEqual([0x2_0064n, BigInt(BASE)]);
    expect([saved(SAVE64.EFER), saved(SAVE64.AUTO_HALT_RESTART, 1)]).toEqual([
      BigInt(EFER.LME | EFER.LMA | EFER.SCE),
      1n,
    ]);
    // CS: selector, attributes of present 64-bit code, limit
    expect([saved(0x7e10, 2), saved(0x7e12, 2), saved(0x7e14, 4)]).toEqual([0x28n, 0xa09bn, 0xffff_ffffn]);
    expect([saved(SAVE64.GDTR + 4, 4), saved(SAVE64.GDTR + 8), saved(SAVE64.TR, 2)]).toEqual([0x7fn, 0x1000n, 0x38n]);
  });

  test("the save area of a processor without long mode [SDM 3C table 31-1]", () => {
    const machine = inMode("protected mode", false);
    machine.call("enter_smm", 0);
    const saved = (offset: number) => machine.read(AREA + offset, 4);
    expect([saved(SAVE32.EAX), saved(SAVE32.EAX + 28), saved(SAVE32.EIP)]).toEqual([0x1000n, 0x8000n, BigInt(RIP)]);
    expect([saved(SAVE32.CR0), saved(SAVE32.EFLAGS)]).toEqual([BigInt(CR0.PE | CR0.ET), BigInt(FLAGS)]);
    expect([saved(SAVE32.REVISION), saved(SAVE32.SMBASE)]).toEqual([0x2_0000n, BigInt(BASE)]);
    // selectors of CS and TR; attributes and limit of CS
    expect([saved(0x7fac), saved(0x7fc4), saved(0x7f90), saved(0x7f94)]).toEqual([8n, 0x38n, 0xc09b00n, 0xffff_ffffn]);
  });

  test("RSM takes SMBASE, HLT and other registers from the area; an area may lie on two pages", () => {
    const machine = inMode("64-bit mode");
    machine.call("enter_smm", 0);
    machine.write(AREA + SAVE64.SMBASE, 0x4_0300, 4);
    machine.write(AREA + SAVE64.AUTO_HALT_RESTART, 1, 1);
    machine.write(AREA + SAVE64.RAX - 8, 0x55);
    expect(machine.call("rsm")).toBe(TRAP.halt);
    expect([machine.get(CPU.smbase), machine.gpr("rcx")]).toEqual([0x4_0300n, 0x55n]);
    machine.call("enter_smm", 0);
    expect([machine.base("cs"), machine.selector("cs")]).toEqual([0x4_0300n, 0x4030]);
    expect(machine.read(0x4_0300 + 0x8000 + SAVE64.RAX - 8)).toBe(0x55n);
    machine.call("rsm");
    expect(machine.get(CPU.rip)).toBe(BigInt(RIP));
  });

  test("NMIs are masked afterwards as they were before", () => {
    for (const masked of [0, 1]) {
      const machine = inMode("protected mode");
      machine.set32(CPU.nmiMasked, masked);
      machine.call("enter_smm", 0);
      expect([machine.get32(CPU.nmiMasked), machine.get32(CPU.smm)]).toEqual([1, masked ? 3 : 1]);
      machine.call("rsm");
      expect([machine.get32(CPU.nmiMasked), machine.get32(CPU.smm)]).toEqual([masked, 0]);
    }
  });

  test("RSM outside the mode is #UD", () => {
    const machine = inMode("protected mode");
    machine.call("rsm");
    expect(machine.fault()).toEqual({ vector: VECTOR.UD, error: 0 });
  });

  test.each([
    ["CR0.PG without PE", SAVE64.CR0, BigInt(CR0.PG)],
    ["CR0.NW without CD", SAVE64.CR0, BigInt(CR0.PE | CR0.NW)],
    ["upper half of CR0", SAVE64.CR0, 1n << 32n],
    ["a bit of CR4 that CPUID does not have", SAVE64.CR4, BigInt(CR4.PAE | CR4.SMAP)],
    ["long mode without PAE", SAVE64.CR4, 0n],
    ["an unassigned bit of EFER", SAVE64.EFER, BigInt(EFER.LME) | (1n << 20n)],
    ["CR3 above the physical address width", SAVE64.CR3, 1n << 40n],
    ["upper half of DR7", SAVE64.DR7, 1n << 32n],
    ["virtual-8086 mode in long mode", SAVE64.RFLAGS, BigInt(EFLAGS.VM)],
    ["a code segment of both 64 and 32 bits", 0x7e10, 0xe09b_0028n],
  ])("RSM shuts down on %s and changes nothing", (_, offset, value) => {
    const machine = inMode("64-bit mode");
    machine.call("enter_smm", 0);
    machine.write(AREA + offset, value);
    const before = state(machine);
    machine.call("rsm");
    expect(machine.get32(CPU.trap)).toBe(TRAP.shutdown);
    expect(state(machine)).toEqual(before);
  });

  test("a save area outside memory is a shutdown", () => {
    const machine = inMode("64-bit mode");
    machine.set(CPU.smbase, 0x1000_0000);
    machine.call("enter_smm", 0);
    expect(machine.get32(CPU.trap)).toBe(TRAP.shutdown);
  });
});
