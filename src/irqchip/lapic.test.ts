import { describe, expect, test } from "vitest";
import { ManualClock } from "../base/clock.ts";
import { ApicBus } from "./apic-bus.ts";
import { APIC_EVENT, APIC_PAGE_WORDS, type ApicPage } from "./apic-page.ts";
import { Lapic } from "./lapic.ts";
import { LapicRegisters } from "./lapic-registers.ts";

const TSC_PER_NS = 2;
const SVR = 0xf0;
const ICR = 0x300;
const ICR_HIGH = 0x310;
const LVT_TIMER = 0x320;
const LINT0 = 0x350;
const LINT1 = 0x360;
const LVT_ERROR = 0x370;
const INITIAL = 0x380;

class Cpu {
  readonly lapic: Lapic;
  readonly registers: LapicRegisters;

  constructor(lapic: Lapic) {
    this.lapic = lapic;
    this.registers = new LapicRegisters(lapic);
  }

  read(offset: number): number {
    return this.registers.readMmio(offset, 4) >>> 0;
  }

  write(offset: number, value: number): void {
    this.registers.writeMmio(offset, 4, value);
  }

  /** EDX:EAX as one number, or the exception. */
  rdmsr(index: number): number | "#GP" {
    return this.registers.readMsr(index) ? this.registers.hi * 2 ** 32 + (this.registers.lo >>> 0) : "#GP";
  }

  wrmsr(index: number, lo: number, hi = 0): "#GP" | undefined {
    return this.registers.writeMsr(index, lo, hi) ? undefined : "#GP";
  }

  /** The vectors that it takes and ends, until there are no more. */
  drain(): number[] {
    const vectors: number[] = [];
    for (let vector = this.lapic.acknowledge(); vector >= 0; vector = this.lapic.acknowledge()) {
      vectors.push(vector);
      this.lapic.eoi();
    }
    return vectors;
  }
}

function setup({ cpus = 1, directedEoi = false, apicIds = (index: number): number => index } = {}) {
  const clock = new ManualClock();
  const kicks: number[] = [];
  const eois: [number, boolean][] = [];
  const pages: ApicPage[] = Array.from({ length: cpus }, () => new Uint32Array(APIC_PAGE_WORDS));
  const bus = new ApicBus(pages, (vcpu) => kicks.push(vcpu));
  const all = pages.map((page, vcpu) => {
    const config = {
      vcpu,
      apicId: apicIds(vcpu),
      bsp: vcpu === 0,
      x2apic: true,
      tscDeadline: true,
      directedEoi,
      physicalAddressBits: 40,
    };
    const glue = {
      bus,
      clock,
      tscToNs: (lo: number, hi: number) => Math.ceil((hi * 2 ** 32 + lo) / TSC_PER_NS),
      eoi: (vector: number, broadcast: boolean) => eois.push([vector, broadcast]),
    };
    const cpu = new Cpu(new Lapic(config, page, glue));
    cpu.write(SVR, 0x1ff);
    return cpu;
  });
  kicks.length = 0;
  return { clock, kicks, eois, bus, cpu: all[0]!, cpus: all };
}

function toX2apic(cpu: Cpu): void {
  expect(cpu.wrmsr(0x1b, 0xfee00c00)).toBeUndefined();
}

describe("registers after power-up", () => {
  test("values", () => {
    const { cpu, cpus } = setup({ cpus: 3 });
    cpu.lapic.reset();
    expect(cpu.read(0x30)).toBe(0x50014);
    expect(cpu.read(SVR)).toBe(0xff);
    expect(cpu.read(0xe0)).toBe(0xffffffff);
    expect([LVT_TIMER, LINT1, LVT_ERROR].map((lvt) => cpu.read(lvt))).toEqual([0x10000, 0x10000, 0x10000]);
    expect(cpu.read(LINT0), "the BSP's passes the PIC on").toBe(0x700);
    expect(cpus[2]!.read(LINT0)).toBe(0x10000);
    expect(cpus[2]!.read(0x20)).toBe(0x02000000);
    expect(cpu.rdmsr(0x1b)).toBe(0xfee00900);
    expect(cpus[1]!.rdmsr(0x1b)).toBe(0xfee00800);
  });

  test("narrow reads work, narrow and unaligned writes do nothing", () => {
    const { cpu } = setup();
    cpu.registers.writeMmio(0x80, 1, 0x20);
    cpu.registers.writeMmio(0x84, 4, 0x20);
    expect(cpu.read(0x80)).toBe(0);
    expect(cpu.registers.readMmio(0x32, 1)).toBe(5);
    expect(cpu.registers.readMmio(0x32, 4)).toBe(0);
  });

  test("software disable masks the LVT and refuses vectors, but keeps what is pending", () => {
    const { cpu, bus } = setup();
    cpu.write(LVT_TIMER, 0x30);
    bus.accept(0, 0, 0x40, false);
    cpu.write(SVR, 0xff);
    expect(cpu.read(LVT_TIMER)).toBe(0x10030);
    cpu.write(LVT_TIMER, 0x31);
    expect(cpu.read(LVT_TIMER)).toBe(0x10031);
    expect(bus.accept(0, 0, 0x41, false)).toBe(-1);
    expect(bus.accept(0, 4, 0, false), "an NMI passes").toBe(1);
    expect(cpu.drain()).toEqual([0x40]);
  });
});

describe("priority", () => {
  test("the highest vector comes first; one of the same class waits", () => {
    const { cpu, bus } = setup();
    for (const vector of [0x31, 0x52, 0x58, 0xf0]) bus.accept(0, 0, vector, false);
    expect(cpu.lapic.acknowledge()).toBe(0xf0);
    cpu.lapic.eoi();
    expect(cpu.lapic.acknowledge()).toBe(0x58);
    expect(cpu.read(0xa0)).toBe(0x50);
    expect(cpu.lapic.pendingVector(), "0x52 has the class in service").toBe(-1);
    bus.accept(0, 0, 0x61, false);
    expect(cpu.lapic.acknowledge(), "a higher class nests").toBe(0x61);
    cpu.lapic.eoi();
    cpu.lapic.eoi();
    expect(cpu.drain()).toEqual([0x52, 0x31]);
  });

  test("TPR holds back its class and below; lowering it kicks", () => {
    const { cpu, bus, kicks } = setup();
    cpu.write(0x80, 0x45);
    expect(cpu.read(0xa0)).toBe(0x45);
    bus.accept(0, 0, 0x4f, false);
    expect(cpu.lapic.pendingVector()).toBe(-1);
    bus.accept(0, 0, 0x50, false);
    expect(cpu.lapic.acknowledge()).toBe(0x50);
    expect(cpu.read(0xa0), "the class in service").toBe(0x50);
    cpu.lapic.eoi();
    kicks.length = 0;
    cpu.write(0x80, 0x3f);
    expect(kicks).toEqual([0]);
    expect(cpu.lapic.acknowledge()).toBe(0x4f);
  });

  test("a vector is pending once, and again while it is in service", () => {
    const { cpu, bus } = setup();
    expect([bus.accept(0, 0, 0x40, false), bus.accept(0, 0, 0x40, false)]).toEqual([1, 0]);
    cpu.lapic.acknowledge();
    expect(bus.accept(0, 0, 0x40, false)).toBe(1);
    cpu.lapic.eoi();
    expect(cpu.drain()).toEqual([0x40]);
  });
});

describe("EOI", () => {
  test("is broadcast for level-triggered vectors", () => {
    const { cpu, bus, eois } = setup();
    bus.accept(0, 0, 0x41, true);
    bus.accept(0, 0, 0x52, false);
    expect(cpu.read(0x180 + 0x20)).toBe(2);
    cpu.drain();
    expect(eois).toEqual([
      [0x52, false],
      [0x41, true],
    ]);
    bus.accept(0, 0, 0x41, false);
    cpu.drain();
    expect(eois.at(-1), "TMR follows the last message").toEqual([0x41, false]);
    cpu.write(0xb0, 0);
    expect(eois.length, "nothing in service").toBe(3);
  });

  test("is not broadcast when software suppresses it, if the APIC offers that", () => {
    for (const directedEoi of [false, true]) {
      const { cpu, bus, eois } = setup({ directedEoi });
      cpu.write(SVR, 0x11ff);
      expect(cpu.read(SVR)).toBe(directedEoi ? 0x11ff : 0x1ff);
      bus.accept(0, 0, 0x41, true);
      cpu.drain();
      expect(eois).toEqual([[0x41, !directedEoi]]);
    }
  });

  test("may be left out when nothing depends on it", () => {
    const { cpu, bus } = setup();
    expect(cpu.lapic.eoiIsPlain()).toBe(false);
    bus.accept(0, 0, 0x41, false);
    cpu.lapic.acknowledge();
    expect(cpu.lapic.eoiIsPlain()).toBe(true);
    bus.accept(0, 0, 0x31, false);
    expect(cpu.lapic.eoiIsPlain()).toBe(false);
  });
});

describe("inter-processor interrupts", () => {
  test("physical destination, and broadcast", () => {
    const { cpu, cpus } = setup({ cpus: 3 });
    cpu.write(ICR_HIGH, 2 << 24);
    cpu.write(ICR, 0x40);
    expect(cpus.map((each) => each.drain())).toEqual([[], [], [0x40]]);
    cpu.write(ICR_HIGH, 0xff000000);
    cpu.write(ICR, 0x41);
    expect(cpus.map((each) => each.drain())).toEqual([[0x41], [0x41], [0x41]]);
    expect(cpu.read(ICR)).toBe(0x41);
  });

  test("logical flat and cluster", () => {
    const { cpu, cpus } = setup({ cpus: 3 });
    for (const [index, each] of cpus.entries()) each.write(0xd0, (1 << index) << 24);
    cpu.write(ICR_HIGH, 0b101 << 24);
    cpu.write(ICR, 0x840);
    expect(cpus.map((each) => each.drain())).toEqual([[0x40], [], [0x40]]);
    for (const [index, each] of cpus.entries()) {
      each.write(0xe0, 0);
      each.write(0xd0, (index === 2 ? 0x11 : 0x21 << index) << 24);
    }
    cpu.write(ICR_HIGH, 0x23 << 24);
    cpu.write(ICR, 0x840);
    expect(cpus.map((each) => each.drain())).toEqual([[0x40], [], []]);
  });

  test("shorthands", () => {
    const { cpu, cpus } = setup({ cpus: 3 });
    cpu.write(ICR, 0x40040);
    cpu.write(ICR, 0x80041);
    cpu.write(ICR, 0xc0042);
    expect(cpus.map((each) => each.drain())).toEqual([
      [0x41, 0x40],
      [0x42, 0x41],
      [0x42, 0x41],
    ]);
  });

  test("lowest priority goes around", () => {
    const { cpu, cpus } = setup({ cpus: 2 });
    for (const [index, each] of cpus.entries()) each.write(0xd0, (1 << index) << 24);
    cpu.write(ICR_HIGH, 3 << 24);
    for (const vector of [0x40, 0x41, 0x42, 0x43]) cpu.write(ICR, 0x900 | vector);
    expect(cpus.map((each) => each.drain())).toEqual([
      [0x42, 0x40],
      [0x43, 0x41],
    ]);
  });

  test("NMI, SMI, INIT, startup", () => {
    const { cpu, cpus, kicks } = setup({ cpus: 2 });
    const target = cpus[1]!.lapic;
    cpu.write(ICR_HIGH, 1 << 24);
    cpu.write(ICR, 0x4400);
    expect([target.takeEvent(APIC_EVENT.NMI), target.takeEvent(APIC_EVENT.NMI)]).toEqual([true, false]);
    cpu.write(ICR, 0x4200);
    expect(target.takeEvent(APIC_EVENT.SMI)).toBe(true);
    cpu.write(ICR, 0x4612);
    cpu.write(ICR, 0xc500);
    expect(target.hasEvent(APIC_EVENT.SIPI), "INIT ends an earlier startup").toBe(false);
    expect(target.takeEvent(APIC_EVENT.INIT)).toBe(true);
    cpu.write(ICR, 0x8500);
    expect(target.hasEvent(APIC_EVENT.INIT), "de-assert is nothing").toBe(false);
    cpu.write(ICR, 0x469a);
    expect([target.takeEvent(APIC_EVENT.SIPI), target.sipiVector()]).toEqual([true, 0x9a]);
    expect(new Set(kicks)).toEqual(new Set([1]));
  });

  test("INIT resets all but the ID and IA32_APIC_BASE", () => {
    const { cpus } = setup({ cpus: 2 });
    const target = cpus[1]!;
    target.write(LVT_TIMER, 0x200ec);
    target.write(INITIAL, 100);
    target.lapic.init();
    expect([target.read(LVT_TIMER), target.read(SVR), target.read(0x20)]).toEqual([0x10000, 0xff, 0x01000000]);
    expect(target.lapic.nextDeadline()).toBe(Infinity);
  });
});

describe("errors", () => {
  test("an illegal vector is logged, and raises the error interrupt once until the ESR is written", () => {
    const { cpu } = setup();
    cpu.write(LVT_ERROR, 0xfe);
    cpu.write(ICR, 0x40005);
    cpu.write(ICR, 0x40005);
    expect(cpu.drain()).toEqual([0xfe]);
    expect(cpu.read(0x280), "a write moves the errors there").toBe(0);
    cpu.write(0x280, 0);
    expect(cpu.read(0x280)).toBe(0x60);
    cpu.write(0x280, 0);
    expect(cpu.read(0x280)).toBe(0);
    cpu.read(0x40);
    cpu.write(0x280, 0);
    expect(cpu.read(0x280)).toBe(0x80);
    expect(cpu.drain()).toEqual([0xfe]);
  });
});

describe("LINT pins", () => {
  test("LINT1 is NMI when software says so, on the rise only", () => {
    const { cpu } = setup();
    cpu.lapic.setLint1(true);
    expect(cpu.lapic.takeEvent(APIC_EVENT.NMI)).toBe(false);
    cpu.write(LINT1, 0x400);
    cpu.lapic.setLint1(false);
    cpu.lapic.setLint1(true);
    cpu.lapic.setLint1(true);
    expect([cpu.lapic.takeEvent(APIC_EVENT.NMI), cpu.lapic.takeEvent(APIC_EVENT.NMI)]).toEqual([true, false]);
  });

  test("LINT0 as a fixed vector, edge and level", () => {
    const { cpu } = setup();
    cpu.write(LINT0, 0x61);
    cpu.lapic.setLint0(true);
    expect(cpu.drain()).toEqual([0x61]);
    cpu.write(LINT0, 0x8061);
    expect(cpu.lapic.acknowledge(), "the level passes when configured").toBe(0x61);
    expect(cpu.read(LINT0) & 0x4000).toBe(0x4000);
    cpu.lapic.eoi();
    expect(cpu.lapic.acknowledge(), "again, the line is high").toBe(0x61);
    cpu.lapic.setLint0(false);
    cpu.lapic.eoi();
    expect(cpu.lapic.acknowledge()).toBe(-1);
  });

  test("the PIC's interrupts pass if LINT0 is an unmasked ExtINT, or the APIC is off", () => {
    const { cpu, cpus, kicks } = setup({ cpus: 2 });
    expect([cpu.lapic.acceptsExtint(), cpus[1]!.lapic.acceptsExtint()]).toEqual([true, false]);
    cpu.write(LINT0, 0x10700);
    cpu.lapic.setLint0(true);
    expect([cpu.lapic.acceptsExtint(), kicks]).toEqual([false, []]);
    cpu.write(LINT0, 0x700);
    expect(kicks).toEqual([0]);
    cpus[1]!.lapic.setLint0(true);
    cpus[1]!.wrmsr(0x1b, 0xfee00000);
    expect([cpus[1]!.lapic.acceptsExtint(), kicks]).toEqual([true, [0, 1]]);
  });
});

describe("modes", () => {
  test("IA32_APIC_BASE: the legal changes", () => {
    const { cpu } = setup();
    const disabled = 0xfee00100;
    const xapic = 0xfee00900;
    const x2apic = 0xfee00d00;
    expect(cpu.wrmsr(0x1b, 0xfee00500), "EXTD without EN").toBe("#GP");
    expect(cpu.wrmsr(0x1b, xapic | 1), "reserved bit").toBe("#GP");
    expect(cpu.wrmsr(0x1b, xapic, 0x100), "beyond the physical addresses").toBe("#GP");
    expect(cpu.wrmsr(0x1b, xapic, 0xff)).toBeUndefined();
    expect(cpu.registers.offsetOf(0xff_fee0_0080)).toBe(0x80);
    expect(cpu.registers.offsetOf(0xfee00080)).toBe(-1);
    expect(cpu.wrmsr(0x1b, x2apic)).toBeUndefined();
    expect(cpu.registers.offsetOf(0xfee00080), "no page in x2APIC mode").toBe(-1);
    expect(cpu.wrmsr(0x1b, xapic), "not back directly").toBe("#GP");
    expect(cpu.wrmsr(0x1b, disabled)).toBeUndefined();
    expect(cpu.registers.offsetOf(0xfee00080)).toBe(-1);
    expect(cpu.wrmsr(0x1b, x2apic), "not from disabled").toBe("#GP");
    expect(cpu.wrmsr(0x1b, xapic)).toBeUndefined();
    expect(cpu.read(SVR), "disabling resets").toBe(0xff);
  });

  test("x2APIC registers are MSRs, with the ID and the logical ID fixed", () => {
    const { cpus } = setup({ cpus: 2, apicIds: (index) => index * 0x123 });
    const cpu = cpus[1]!;
    expect(cpu.rdmsr(0x802)).toBe("#GP");
    toX2apic(cpu);
    expect([cpu.rdmsr(0x802), cpu.rdmsr(0x80d), cpu.rdmsr(0x803)]).toEqual([0x123, 0x120008, 0x50014]);
    for (const [index, value] of [
      [0x802, 0],
      [0x803, 0],
      [0x80a, 0],
      [0x80d, 0],
      [0x80e, 0],
      [0x831, 0],
      [0x80b, 1],
      [0x828, 1],
      [0x808, 0x100],
      [0x832, 0x80000],
      [0x83f, 0x100],
      [0x840, 0],
    ] as const)
      expect(cpu.wrmsr(index, value), index.toString(16)).toBe("#GP");
    for (const index of [0x80b, 0x80e, 0x809, 0x831, 0x83f, 0x840])
      expect(cpu.rdmsr(index), index.toString(16)).toBe("#GP");
    expect(cpu.wrmsr(0x808, 0x20, 1), "upper half").toBe("#GP");
    expect(cpu.wrmsr(0x808, 0x20)).toBeUndefined();
    expect(cpu.rdmsr(0x80a)).toBe(0x20);
  });

  test("x2APIC IPIs: 32-bit destinations, clusters, self IPI, 0xff is an ID", () => {
    const { cpus } = setup({ cpus: 3, apicIds: (index) => [0, 0xff, 0x100][index]! });
    for (const cpu of cpus) toX2apic(cpu);
    const [cpu] = cpus;
    cpu!.wrmsr(0x830, 0x40, 0x100);
    cpu!.wrmsr(0x830, 0x41, 0xff);
    cpu!.wrmsr(0x830, 0x842, 0x000f8000);
    cpu!.wrmsr(0x830, 0x43, 0xffffffff);
    cpu!.wrmsr(0x83f, 0x50);
    expect(cpu!.rdmsr(0x830)).toBe(0xffffffff * 2 ** 32 + 0x43);
    expect(cpus.map((each) => each.drain())).toEqual([
      [0x50, 0x43],
      [0x43, 0x42, 0x41],
      [0x43, 0x40],
    ]);
  });

  test("a message from outside with destination 0xff reaches everybody", () => {
    const { cpus, bus } = setup({ cpus: 2 });
    toX2apic(cpus[1]!);
    expect(bus.send(0xff, false, 0, 0x40, false)).toBe(2);
  });

  test("an APIC that is off takes nothing", () => {
    const { cpu, bus } = setup();
    cpu.wrmsr(0x1b, 0xfee00100);
    expect(bus.send(0, false, 0, 0x40, false)).toBe(-1);
  });
});

test("save and restore", () => {
  const { cpu, bus, clock } = setup();
  cpu.write(LVT_TIMER, 0x200ec);
  cpu.write(INITIAL, 12345);
  bus.accept(0, 0, 0x41, true);
  cpu.lapic.acknowledge();
  clock.time = 5000;
  const copy = setup();
  copy.cpu.lapic.restore(structuredClone(cpu.lapic.save()));
  expect(copy.cpu.lapic.save()).toEqual(cpu.lapic.save());
  copy.cpu.lapic.eoi();
  expect(copy.eois).toEqual([[0x41, true]]);
  expect(copy.cpu.lapic.nextDeadline()).toBe(cpu.lapic.nextDeadline());
});
