import { expect, test } from "vitest";
import { ManualClock } from "../../base/clock.ts";
import { create } from "../../base/struct-layout.ts";
import { CPU, CPU_SIZE } from "../../isa/state.ts";
import { VmClock } from "../../kvm/clock.ts";
import { createFlatMemory } from "../../memory/slot-memory.ts";
import { KVM_MSR } from "../../spec/kvm/paravirt.ts";
import { kvm_msrs } from "../../spec/kvm/vcpu-struct.ts";
import { MSR } from "../../spec/x86/msr.ts";
import { CpuCells } from "./cpu-cells.ts";
import { CpuidTable, supportedCpuid } from "./cpuid.ts";
import { getMsrs, setMsrs } from "./msr-access.ts";
import { Msrs } from "./msrs.ts";
import { PvEoi } from "./pv-eoi.ts";
import { Pvclock } from "./pvclock.ts";
import { TimeStampCounter } from "./time-stamp-counter.ts";

function setUp() {
  const clock = new ManualClock();
  const memory = createFlatMemory(0x1000);
  const cells = new CpuCells(new ArrayBuffer(CPU_SIZE), 0);
  cells.setI32(CPU.maxPhyAddr, 40);
  const tsc = new TimeStampCounter(clock, 1_000_000);
  const cpuid = new CpuidTable();
  cpuid.set(supportedCpuid());
  const pvclock = new Pvclock(memory, new VmClock(clock), tsc);
  const msrs = new Msrs({ cells, tsc, pvclock, pvEoi: new PvEoi(memory), cpuid, lapic: () => undefined });
  const write = (index: number, lo: number, hi = 0): boolean => {
    cells.setWide(CPU.exitData, lo, hi);
    return msrs.write(index);
  };
  const read = (index: number): number | undefined => (msrs.read(index) ? cells.number(CPU.exitData) : undefined);
  return { clock, memory, cells, msrs, write, read };
}

test("stored MSRs keep all 64 bits", () => {
  const { write, read } = setUp();
  expect(write(MSR.MTRR_PHYSBASE0, 0x8000_0006, 0xff)).toBe(true);
  expect(read(MSR.MTRR_PHYSBASE0)).toBe(0xff_8000_0006);
});

test("unknown ones and those of an absent local APIC are refused", () => {
  const { write, read } = setUp();
  for (const index of [0x1234_5678, 0xffff_ffff, MSR.X2APIC_FIRST, MSR.TSC_DEADLINE]) {
    expect([index, read(index), write(index, 0)]).toEqual([index, undefined, false]);
  }
});

test("read-only ones are read but not written", () => {
  const { write, read } = setUp();
  for (const index of [MSR.MTRRCAP, MSR.ARCH_CAPABILITIES, MSR.PLATFORM_ID, MSR.MCG_CAP]) {
    expect([index, typeof read(index), write(index, 0)]).toEqual([index, "number", false]);
  }
  expect(write(MSR.BIOS_SIGN_ID, 0)).toBe(true);
});

test("the TSC", () => {
  const { clock, write, read } = setUp();
  clock.time = 5;
  expect(read(MSR.TSC)).toBe(5);
  write(MSR.TSC, 0, 1);
  clock.time = 15;
  expect(read(MSR.TSC)).toBe(2 ** 32 + 10);
});

test("kvmclock's record appears where the MSR says, only with the enable bit", () => {
  const { memory, write } = setUp();
  write(KVM_MSR.SYSTEM_TIME_NEW, 0x100);
  expect(memory.readU32(0x100)).toBe(0);
  write(KVM_MSR.SYSTEM_TIME_NEW, 0x101);
  expect(memory.readU32(0x100)).toBeGreaterThan(0);
  write(KVM_MSR.WALL_CLOCK_NEW, 0x200);
  expect(memory.readU32(0x200)).toBe(2);
  expect(write(KVM_MSR.SYSTEM_TIME_NEW, 0xffff_f001, 0xffff)).toBe(true);
});

test.each([
  [MSR.EFER, 0x801n, true],
  [MSR.EFER, 0x8000n, false],
  [MSR.LSTAR, 0xffff_8000_0000_0000n, true],
  [MSR.LSTAR, 0x0000_8000_0000_0000n, false],
  [MSR.PAT, 0x0007_0406_0007_0406n, true],
  [MSR.PAT, 0x0207_0406_0007_0406n, false],
])("host sets MSR %i to %i: %s", (index, data, possible) => {
  const { cells, msrs } = setUp();
  const record = create(kvm_msrs, { nmsrs: 1, entries: [{ index, data }] });
  expect(setMsrs(cells, msrs, record)).toBe(possible ? 1 : 0);
  record.entries[0]!.data = 0n;
  expect(getMsrs(cells, msrs, record)).toBe(1);
  expect(record.entries[0]!.data).toBe(possible ? data : 0n);
});

test("the host cannot change EFER.LMA", () => {
  const { cells, msrs } = setUp();
  cells.setNumber(CPU.efer, 0x500);
  setMsrs(cells, msrs, create(kvm_msrs, { nmsrs: 1, entries: [{ index: MSR.EFER, data: 0x100 }] }));
  expect(cells.number(CPU.efer)).toBe(0x500);
});
