import { describe, expect, test } from "vitest";
import { ManualClock } from "../base/clock.ts";
import { ApicBus } from "./apic-bus.ts";
import { APIC_PAGE_WORDS } from "./apic-page.ts";
import { Lapic } from "./lapic.ts";
import { LapicRegisters } from "./lapic-registers.ts";

const TSC_PER_NS = 2;
const LVT_TIMER = 0x320;
const INITIAL = 0x380;
const CURRENT = 0x390;
const DIVIDE = 0x3e0;

/** An enabled local APIC and its software. */
function setup() {
  const clock = new ManualClock();
  const page = new Uint32Array(APIC_PAGE_WORDS);
  const cpuid = { x2apic: true, tscDeadline: true, directedEoi: false, physicalAddressBits: 40 };
  const lapic = new Lapic({ vcpu: 0, apicId: 0, bsp: true, ...cpuid }, page, {
    bus: new ApicBus([page], () => {}),
    clock,
    tscToNs: (lo, hi) => Math.ceil((hi * 2 ** 32 + lo) / TSC_PER_NS),
    eoi: () => {},
  });
  const registers = new LapicRegisters(lapic);
  registers.writeMmio(0xf0, 4, 0x1ff);
  const cpu = {
    lapic,
    read: (offset: number) => registers.readMmio(offset, 4),
    write: (offset: number, value: number) => registers.writeMmio(offset, 4, value),
    rdmsr: (index: number) => (registers.readMsr(index) ? registers.hi * 2 ** 32 + registers.lo : "#GP"),
    wrmsr: (index: number, lo: number, hi = 0) => registers.writeMsr(index, lo, hi),
    /** The vectors that it takes and ends. */
    drain(): number[] {
      const vectors: number[] = [];
      for (let vector = lapic.acknowledge(); vector >= 0; vector = lapic.acknowledge()) {
        vectors.push(vector);
        lapic.eoi();
      }
      return vectors;
    },
  };
  return { cpu, clock };
}

describe("timer", () => {
  test("one-shot counts down once", () => {
    const { cpu, clock } = setup();
    cpu.write(DIVIDE, 0x3);
    cpu.write(LVT_TIMER, 0xec);
    cpu.write(INITIAL, 1000);
    expect(cpu.lapic.nextDeadline()).toBe(16_000);
    clock.time = 8_000;
    expect(cpu.read(CURRENT)).toBe(500);
    clock.time = 15_999;
    cpu.lapic.advance(clock.time);
    expect([cpu.read(CURRENT), cpu.drain()]).toEqual([1, []]);
    clock.time = 16_000;
    cpu.lapic.advance(clock.time);
    expect(cpu.drain()).toEqual([0xec]);
    expect([cpu.read(CURRENT), cpu.lapic.nextDeadline()]).toEqual([0, Infinity]);
  });

  test("periodic goes on; late by several periods there is one interrupt", () => {
    const { cpu, clock } = setup();
    cpu.write(DIVIDE, 0xb);
    cpu.write(LVT_TIMER, 0x200ec);
    cpu.write(INITIAL, 1000);
    clock.time = 3_300;
    cpu.lapic.advance(clock.time);
    expect(cpu.drain()).toEqual([0xec]);
    expect(cpu.read(CURRENT)).toBe(700);
    expect(cpu.lapic.nextDeadline()).toBe(4_000);
  });

  test("runs while masked without interrupts, and goes on when unmasked", () => {
    const { cpu, clock } = setup();
    cpu.write(DIVIDE, 0xb);
    cpu.write(LVT_TIMER, 0x300ec);
    cpu.write(INITIAL, 1000);
    expect(cpu.lapic.nextDeadline()).toBe(Infinity);
    clock.time = 2_500;
    cpu.write(LVT_TIMER, 0x200ec);
    expect(cpu.drain()).toEqual([]);
    expect(cpu.lapic.nextDeadline()).toBe(3_000);
  });

  test("a one-shot that ran out while masked is lost", () => {
    const { cpu, clock } = setup();
    cpu.write(LVT_TIMER, 0x100ec);
    cpu.write(INITIAL, 10);
    clock.time = 1_000;
    cpu.write(LVT_TIMER, 0xec);
    cpu.lapic.advance(clock.time);
    expect(cpu.drain()).toEqual([]);
  });

  test.each([
    [0x0, 2],
    [0x1, 4],
    [0x2, 8],
    [0x3, 16],
    [0x8, 32],
    [0x9, 64],
    [0xa, 128],
    [0xb, 1],
  ])("divide configuration %d divides by %d", (config, divisor) => {
    const { cpu } = setup();
    cpu.write(DIVIDE, config);
    cpu.write(LVT_TIMER, 0xec);
    cpu.write(INITIAL, 100);
    expect(cpu.lapic.nextDeadline()).toBe(100 * divisor);
  });

  test("a change of the divider keeps the count", () => {
    const { cpu, clock } = setup();
    cpu.write(DIVIDE, 0xb);
    cpu.write(LVT_TIMER, 0xec);
    cpu.write(INITIAL, 1000);
    clock.time = 400;
    cpu.write(DIVIDE, 0x1);
    expect(cpu.read(CURRENT)).toBe(600);
    expect(cpu.lapic.nextDeadline()).toBe(400 + 2400);
  });

  test("an initial count of 0 stops it", () => {
    const { cpu } = setup();
    cpu.write(LVT_TIMER, 0xec);
    cpu.write(INITIAL, 1000);
    cpu.write(INITIAL, 0);
    expect(cpu.lapic.nextDeadline()).toBe(Infinity);
  });

  test("TSC deadline", () => {
    const { cpu, clock } = setup();
    cpu.wrmsr(0x6e0, 5000);
    expect(cpu.rdmsr(0x6e0), "ignored in another mode").toBe(0);
    cpu.write(LVT_TIMER, 0x400ec);
    cpu.write(INITIAL, 77);
    expect(cpu.read(INITIAL)).toBe(0);
    cpu.wrmsr(0x6e0, 5000, 1);
    expect(cpu.lapic.nextDeadline()).toBe((2 ** 32 + 5000) / TSC_PER_NS);
    expect(cpu.rdmsr(0x6e0)).toBe(2 ** 32 + 5000);
    clock.time = (2 ** 32 + 5000) / TSC_PER_NS;
    expect(cpu.rdmsr(0x6e0)).toBe(0);
    expect(cpu.drain()).toEqual([0xec]);
    cpu.wrmsr(0x6e0, 1);
    expect(cpu.drain(), "a deadline in the past fires at once").toEqual([0xec]);
    cpu.wrmsr(0x6e0, 0, 5);
    cpu.wrmsr(0x6e0, 0, 0);
    expect(cpu.lapic.nextDeadline()).toBe(Infinity);
    cpu.wrmsr(0x6e0, 0, 5);
    cpu.write(LVT_TIMER, 0xec);
    expect(cpu.lapic.nextDeadline(), "leaving the mode disarms").toBe(Infinity);
  });
});
