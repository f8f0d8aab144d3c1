import { describe, expect, test } from "vitest";
import { AT, HelperMachine, SELECTOR } from "../../test/isa/helper-machine.ts";
import { CPU, INHIBIT, SEGMENT, type SegmentName, segmentOffset, VECTOR } from "./state.ts";

function load(machine: HelperMachine, name: SegmentName, selector: number) {
  machine.call("load_segment", segmentOffset(name), selector);
  return machine.fault();
}

const checkOf = (machine: HelperMachine, name: SegmentName): number =>
  machine.get32(segmentOffset(name) + SEGMENT.check);

/** A descriptor with a limit of 4 KiB and base 0x50000. */
const small = (access: number): bigint => (BigInt(access) << 40n) | 0x0040_0005_0000_0fffn;

describe("loading segment registers", () => {
  test("fills the hidden part, sets the accessed bit, and says whether accesses can fail", () => {
    const machine = new HelperMachine().protectedMode(0);
    machine.writeDescriptor(SELECTOR.free, small(0x92));
    expect(load(machine, "ds", SELECTOR.free)).toBeUndefined();
    expect(machine.base("ds")).toBe(0x50000n);
    expect(machine.get32(segmentOffset("ds") + SEGMENT.limit)).toBe(0xfff);
    expect(machine.read(AT.gdt + SELECTOR.free + 5, 1)).toBe(0x93n);
    expect([checkOf(machine, "ds"), checkOf(machine, "es"), checkOf(machine, "cs")]).toEqual([1, 0, 1]);
    expect(load(machine, "ds", SELECTOR.data)).toBeUndefined();
    expect(checkOf(machine, "ds")).toBe(0);
  });

  test("a null selector is taken, and every access then faults; not for SS", () => {
    const machine = new HelperMachine().protectedMode(0);
    expect(load(machine, "fs", 3)).toBeUndefined();
    machine.call("segment_check", segmentOffset("fs"), 0n, 1, 0);
    expect(machine.fault()).toEqual({ vector: VECTOR.GP, error: 0 });
    expect(load(machine, "ss", 0)).toEqual({ vector: VECTOR.GP, error: 0 });
    expect(load(new HelperMachine().longMode(0), "ss", 0)).toBeUndefined();
    expect(load(new HelperMachine().longMode(3), "ss", 3)).toEqual({ vector: VECTOR.GP, error: 0 });
  });

  test.each([
    ["ds", SELECTOR.data, VECTOR.GP, SELECTOR.data],
    ["ds", SELECTOR.tss, VECTOR.GP, SELECTOR.tss],
    ["ds", 0xf00, VECTOR.GP, 0xf00],
    ["ds", SELECTOR.userData | 4, VECTOR.GP, (SELECTOR.userData & ~3) | 4],
    ["ss", SELECTOR.data, VECTOR.GP, SELECTOR.data],
    ["ss", SELECTOR.userCode32, VECTOR.GP, SELECTOR.userCode32 & ~3],
    ["cs", SELECTOR.userCode32, VECTOR.UD, 0],
    ["ldtr", 0, VECTOR.UD, 0],
  ] as const)("at user level %s refuses %i", (name, selector, vector, error) => {
    expect(load(new HelperMachine().protectedMode(3), name, selector)).toEqual({ vector, error });
  });

  test("a segment that is not present: #NP, for SS #SS", () => {
    const machine = new HelperMachine().protectedMode(0);
    expect(load(machine, "es", SELECTOR.absent)).toEqual({ vector: VECTOR.NP, error: SELECTOR.absent });
    expect(load(machine, "ss", SELECTOR.absent)).toEqual({ vector: VECTOR.SS, error: SELECTOR.absent });
  });

  test("SS chooses the stack's width and holds interrupts off", () => {
    const machine = new HelperMachine().protectedMode(0);
    machine.writeDescriptor(SELECTOR.free, small(0x93) & ~(1n << 54n));
    expect(load(machine, "ss", SELECTOR.free)).toBeUndefined();
    expect(machine.get(CPU.stackMask)).toBe(0xffffn);
    machine.call("inhibit_if_ss", segmentOffset("ds"));
    expect(machine.get32(CPU.inhibit)).toBe(0);
    machine.call("inhibit_if_ss", segmentOffset("ss"));
    expect(machine.get32(CPU.inhibit)).toBe(INHIBIT.movSs);
  });

  test("real-address mode: base from the selector, limit kept", () => {
    const machine = new HelperMachine().realMode();
    machine.set32(segmentOffset("es") + SEGMENT.limit, 0xffff_ffff);
    expect(load(machine, "es", 0x1234)).toBeUndefined();
    expect([machine.base("es"), checkOf(machine, "es"), checkOf(machine, "ds")]).toEqual([0x12340n, 0, 1]);
  });
});

describe("segment_check", () => {
  function check(machine: HelperMachine, name: SegmentName, offset: bigint, width: number, write: 0 | 1) {
    const linear = machine.call("segment_check", segmentOffset(name), offset, width, write);
    return machine.fault() ?? BigInt.asUintN(64, linear as bigint);
  }

  test("limits of segments that expand up and down", () => {
    const machine = new HelperMachine().protectedMode(0);
    machine.writeDescriptor(SELECTOR.free, small(0x93));
    load(machine, "ds", SELECTOR.free);
    machine.writeDescriptor(SELECTOR.free, small(0x97));
    load(machine, "ss", SELECTOR.free);
    expect(check(machine, "ds", 0xffcn, 4, 1)).toBe(0x50ffcn);
    expect(check(machine, "ds", 0xffdn, 4, 1)).toEqual({ vector: VECTOR.GP, error: 0 });
    expect(check(machine, "ss", 0x1000n, 4, 1)).toBe(0x51000n);
    expect(check(machine, "ss", 0xfffn, 1, 1)).toEqual({ vector: VECTOR.SS, error: 0 });
    expect(check(machine, "ss", 0xffff_fffdn, 4, 1)).toEqual({ vector: VECTOR.SS, error: 0 });
  });

  test("writes need a writable segment, reads of code a readable one", () => {
    const machine = new HelperMachine().protectedMode(0);
    machine.writeDescriptor(SELECTOR.free, small(0x91));
    load(machine, "ds", SELECTOR.free);
    expect(check(machine, "ds", 0n, 1, 0)).toBe(0x50000n);
    expect(check(machine, "ds", 0n, 1, 1)).toEqual({ vector: VECTOR.GP, error: 0 });
    expect(check(machine, "cs", 0n, 1, 1)).toEqual({ vector: VECTOR.GP, error: 0 });
    expect(check(machine, "cs", 0n, 1, 0)).toBe(0n);
  });

  test("linear addresses wrap at 4 GiB outside 64-bit mode, and are canonical in it", () => {
    const machine = new HelperMachine().realMode();
    machine.set(segmentOffset("ds") + SEGMENT.base, 0xffff_fff0n);
    expect(check(machine, "ds", 0x20n, 1, 0)).toBe(0x10n);
    expect(check(machine, "ds", 0xffffn, 2, 0)).toEqual({ vector: VECTOR.GP, error: 0 });
    const long = new HelperMachine().longMode(0);
    long.set(segmentOffset("gs") + SEGMENT.base, 0xffff_8000_0000_0000n);
    expect(check(long, "gs", 8n, 8, 1)).toBe(0xffff_8000_0000_0008n);
    expect(check(long, "ss", 1n << 47n, 8, 1)).toEqual({ vector: VECTOR.SS, error: 0 });
  });
});

describe("system segments", () => {
  test("LTR marks the TSS busy; in IA-32e mode its base has 64 bits", () => {
    const machine = new HelperMachine().longMode(0);
    machine.writeDescriptor(SELECTOR.free, 0x0000_8912_3456_2067n);
    machine.writeDescriptor(SELECTOR.free + 8, 0xffff_8000n);
    machine.call("ltr", SELECTOR.free);
    expect(machine.fault()).toBeUndefined();
    expect(machine.base("tr")).toBe(0xffff_8000_0012_3456n);
    expect(machine.read(AT.gdt + SELECTOR.free + 5, 1)).toBe(0x8bn);
    machine.call("ltr", SELECTOR.free);
    expect(machine.fault()).toEqual({ vector: VECTOR.GP, error: SELECTOR.free });
    machine.call("ltr", 0);
    expect(machine.fault()).toEqual({ vector: VECTOR.GP, error: 0 });
  });

  test("LLDT makes TI selectors usable", () => {
    const machine = new HelperMachine().protectedMode(0);
    machine.writeDescriptor(SELECTOR.free, (BigInt(AT.ldt) << 16n) | 0x0000_8200_0000_000fn);
    machine.write(AT.ldt + 8, small(0x93));
    expect(load(machine, "ds", 0xc)).toEqual({ vector: VECTOR.GP, error: 0xc });
    machine.call("lldt", SELECTOR.free);
    expect(machine.fault()).toBeUndefined();
    expect(load(machine, "ds", 0xc)).toBeUndefined();
    machine.call("lldt", 0);
    expect(load(machine, "ds", 0xc)).toEqual({ vector: VECTOR.GP, error: 0xc });
  });

  test("LAR, LSL, VERR and VERW look without faulting", () => {
    const machine = new HelperMachine().protectedMode(3);
    const answer = (name: string, ...args: number[]) => machine.call(name, ...args);
    expect(answer("lar", SELECTOR.userData)).toBe(0x1_00cf_f300n);
    expect(answer("lsl", SELECTOR.userData)).toBe(0x1_ffff_ffffn);
    expect([answer("lar", SELECTOR.data), answer("lsl", 0xf00), answer("lar", 0)]).toEqual([0n, 0n, 0n]);
    expect(answer("lar", SELECTOR.conforming)).not.toBe(0n);
    expect([
      answer("verify_segment", SELECTOR.userCode32, 0),
      answer("verify_segment", SELECTOR.userCode32, 1),
    ]).toEqual([1, 0]);
    expect([answer("verify_segment", SELECTOR.userData, 1), answer("verify_segment", SELECTOR.data, 0)]).toEqual([
      1, 0,
    ]);
    expect(machine.fault()).toBeUndefined();
  });

  test("ARPL writes memory only to raise the RPL", () => {
    const machine = new HelperMachine().protectedMode(3);
    machine.writeDescriptor(SELECTOR.free, small(0xf0));
    load(machine, "ds", SELECTOR.free | 3);
    const raise = (rpl: number) => machine.call("raise_rpl", segmentOffset("ds"), 0n, rpl);
    machine.write(0x50000, 0x1232, 2);
    expect([raise(1), raise(2), machine.fault()]).toEqual([0, 0, undefined]);
    raise(3);
    expect(machine.fault()).toEqual({ vector: VECTOR.GP, error: 0 });
    load(machine, "ds", SELECTOR.userData);
    expect(machine.call("raise_rpl", segmentOffset("ds"), 0x50000n, 3)).toBe(1);
    expect(machine.read(0x50000, 2)).toBe(0x1233n);
  });

  test("LGDT and SIDT", () => {
    const machine = new HelperMachine().longMode(0);
    machine.write(0xffa, 0x1234, 2);
    machine.write(0xffc, 0xffff_8000_0000_5678n);
    machine.call("load_table", 1, 0xffan, 8);
    expect([machine.get(CPU.idtrBase), machine.get32(CPU.idtrLimit)]).toEqual([0xffff_8000_0000_5678n, 0x1234]);
    machine.call("store_table", 1, 0x6000n, 8);
    expect([machine.read(0x6000, 2), machine.read(0x6002)]).toEqual([0x1234n, 0xffff_8000_0000_5678n]);
    machine.write(0xffc, 1n << 60n);
    machine.call("load_table", 0, 0xffan, 8);
    expect(machine.fault()).toEqual({ vector: VECTOR.GP, error: 0 });
    expect(machine.get(CPU.gdtrBase)).toBe(BigInt(AT.gdt));
  });
});
