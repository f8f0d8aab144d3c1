import { describe, expect, test } from "vitest";
import { ManualClock } from "../base/clock.ts";
import { create } from "../base/struct-layout.ts";
import { IrqLines } from "../kvm/irq-lines.ts";
import { kvm_lapic_state } from "../spec/kvm/vcpu-struct.ts";
import {
  KVM_IRQ_ROUTING_IRQCHIP,
  KVM_IRQCHIP_IOAPIC,
  KVM_IRQCHIP_PIC_MASTER,
  KVM_IRQCHIP_PIC_SLAVE,
  KVM_PIT_SPEAKER_DUMMY,
  kvm_irq_routing,
  kvm_irqchip,
  kvm_pit_state2,
} from "../spec/kvm/vm-struct.ts";
import { Irqchip } from "./irqchip.ts";

const LAPIC = 0xfee00000;
const IOAPIC = 0xfec00000;

function setup(cpus = 1) {
  const clock = new ManualClock();
  const lines = new IrqLines();
  const kicks: number[] = [];
  const acked: number[] = [];
  const chip = new Irqchip({ clock, lines, kick: (vcpu) => kicks.push(vcpu) });
  lines.irqchip = chip;
  lines.onAcked = (gsi) => acked.push(gsi);
  for (let index = 0; index < cpus; index++)
    chip.addVcpu({
      apicId: index,
      bsp: index === 0,
      x2apic: true,
      tscDeadline: true,
      physicalAddressBits: 40,
      tscToNs: (lo, hi) => hi * 2 ** 32 + lo,
    });
  const pit = chip.createPit(KVM_PIT_SPEAKER_DUMMY);
  return { chip, clock, lines, kicks, acked, pit, cpu: chip.vcpus[0]! };
}

type Setup = ReturnType<typeof setup>;

function out(chip: Irqchip, ...writes: [number, number][]): void {
  for (const [port, value] of writes) expect(chip.pioWrite(port, 1, value)).toBe(true);
}

function initPics(chip: Irqchip, imr = 0): void {
  out(chip, [0x20, 0x11], [0x21, 0x30], [0x21, 0x04], [0x21, 0x01]);
  out(chip, [0xa0, 0x11], [0xa1, 0x38], [0xa1, 0x02], [0xa1, 0x01]);
  out(chip, [0x21, imr], [0xa1, imr]);
}

/** Counter 0 in mode 2. */
function startPit(chip: Irqchip, count: number): void {
  out(chip, [0x43, 0x34], [0x40, count & 0xff], [0x40, count >> 8]);
}

function lapicWrite(chip: Irqchip, offset: number, value: number, vcpu = 0): void {
  expect(chip.mmioWrite(vcpu, LAPIC + offset, 4, value)).toBe(true);
}

function ioapicWrite(chip: Irqchip, register: number, value: number): void {
  chip.mmioWrite(0, IOAPIC, 4, register);
  chip.mmioWrite(0, IOAPIC + 0x10, 4, value);
}

/** The PC's usual wiring: GSI 0 is the I/O APIC's pin 2. */
function routeAsPc({ lines }: Setup): void {
  const entry = (gsi: number, irqchip: number, pin: number) => ({
    gsi,
    type: KVM_IRQ_ROUTING_IRQCHIP,
    u: { irqchip: { irqchip, pin } },
  });
  const entries = [entry(0, KVM_IRQCHIP_PIC_MASTER, 0), entry(0, KVM_IRQCHIP_IOAPIC, 2)];
  for (let gsi = 3; gsi < 16; gsi++) {
    entries.push(gsi < 8 ? entry(gsi, KVM_IRQCHIP_PIC_MASTER, gsi) : entry(gsi, KVM_IRQCHIP_PIC_SLAVE, gsi - 8));
    entries.push(entry(gsi, KVM_IRQCHIP_IOAPIC, gsi));
  }
  expect(lines.routing.set(create(kvm_irq_routing, { nr: entries.length, entries }))).toBe(0);
}

/** Runs the machine: goes from deadline to deadline and counts the vectors, each handled by `end`. */
function run({ chip, clock, cpu }: Setup, until: number, end: (vector: number) => void): Map<number, number> {
  const counts = new Map<number, number>();
  for (let now = chip.nextDeadline(); now <= until; now = chip.nextDeadline()) {
    clock.time = now;
    chip.advance(now);
    while (cpu.hasInterrupt()) {
      const vector = cpu.acknowledge();
      counts.set(vector, (counts.get(vector) ?? 0) + 1);
      end(vector);
    }
  }
  clock.time = until;
  return counts;
}

describe("the timer interrupt, as Linux tries to get it", () => {
  const HZ_250 = 4773;

  test("noapic: through the PIC and the virtual wire", () => {
    const vm = setup();
    initPics(vm.chip, 0xfe);
    startPit(vm.chip, HZ_250);
    const counts = run(vm, 1e9, () => out(vm.chip, [0x20, 0x60]));
    expect([...counts]).toEqual([[0x30, 249]]);
  });

  test("nolapic: the same with the local APIC off", () => {
    const vm = setup();
    vm.cpu.registers.writeMsr(0x1b, 0xfee00100, 0);
    initPics(vm.chip, 0xfe);
    startPit(vm.chip, HZ_250);
    expect([...run(vm, 1e8, () => out(vm.chip, [0x20, 0x20]))]).toEqual([[0x30, 24]]);
  });

  test("through the I/O APIC's pin 2", () => {
    const vm = setup();
    routeAsPc(vm);
    initPics(vm.chip, 0xff);
    lapicWrite(vm.chip, 0xf0, 0x1ff);
    lapicWrite(vm.chip, 0x350, 0x10700);
    ioapicWrite(vm.chip, 0x14, 0x30);
    startPit(vm.chip, HZ_250);
    const counts = run(vm, 1e8, () => lapicWrite(vm.chip, 0xb0, 0));
    expect([...counts]).toEqual([[0x30, 24]]);
  });

  test("through LINT0 as a fixed vector", () => {
    const vm = setup();
    initPics(vm.chip, 0xfe);
    out(vm.chip, [0x20, 0x11], [0x21, 0x30], [0x21, 0x04], [0x21, 0x03], [0x21, 0xfe]);
    lapicWrite(vm.chip, 0xf0, 0x1ff);
    lapicWrite(vm.chip, 0x350, 0x31);
    startPit(vm.chip, HZ_250);
    vm.clock.time = vm.chip.nextDeadline();
    vm.chip.advance(vm.clock.time);
    expect(vm.cpu.acknowledge()).toBe(0x31);
  });

  test("as an ExtINT message of the I/O APIC", () => {
    const vm = setup();
    routeAsPc(vm);
    initPics(vm.chip, 0xfe);
    lapicWrite(vm.chip, 0xf0, 0x1ff);
    lapicWrite(vm.chip, 0x350, 0x10700);
    ioapicWrite(vm.chip, 0x14, 0x700);
    startPit(vm.chip, HZ_250);
    expect([...run(vm, 1e8, () => out(vm.chip, [0x20, 0x20]))]).toEqual([[0x30, 24]]);
  });
});

test("the local APIC's timer calibrated against counter 2", () => {
  const { chip, clock } = setup();
  lapicWrite(chip, 0xf0, 0x1ff);
  lapicWrite(chip, 0x3e0, 0x3);
  lapicWrite(chip, 0x320, 0x100ec);
  out(chip, [0x61, 0x01], [0x43, 0xb0], [0x42, 0xff], [0x42, 0xff]);
  lapicWrite(chip, 0x380, 0xffffffff);
  while (!(chip.pioRead(0x61, 1) & 0x20)) clock.time += 100;
  const counted = 0xffffffff - chip.mmioRead(0, LAPIC + 0x390, 4);
  expect((counted * 16) / (0x10000 / 1193182)).toBeCloseTo(1e9, -5);
});

describe("interrupts of a vCPU", () => {
  test("the PIC's comes before the local APIC's; a spurious one is IRQ 7", () => {
    const { chip, lines, cpu } = setup();
    initPics(chip);
    lapicWrite(chip, 0xf0, 0x1ff);
    chip.deliverMsi(LAPIC, 0, 0x90);
    lines.set(0, 4, 1);
    expect([cpu.acknowledge(), cpu.acknowledge(), cpu.acknowledge()]).toEqual([0x34, 0x90, -1]);
    expect(cpu.hasInterrupt()).toBe(false);
  });

  test("MSI: physical, logical, lowest priority, NMI", () => {
    const { chip } = setup(2);
    for (const vcpu of [0, 1]) {
      lapicWrite(chip, 0xf0, 0x1ff, vcpu);
      lapicWrite(chip, 0xd0, (1 << vcpu) << 24, vcpu);
    }
    const taken = () => chip.vcpus.map((vcpu) => vcpu.acknowledge());
    expect(chip.deliverMsi(LAPIC | (1 << 12), 0, 0x41)).toBe(true);
    expect(taken()).toEqual([-1, 0x41]);
    chip.deliverMsi(LAPIC | (3 << 12) | 4, 0, 0x51);
    expect(taken()).toEqual([0x51, 0x51]);
    chip.deliverMsi(LAPIC | (3 << 12) | 4, 0, 0x161);
    expect(taken().sort()).toEqual([-1, 0x61]);
    chip.deliverMsi(LAPIC | (3 << 12) | 0xc, 0, 0x71);
    expect(taken().sort(), "the redirection hint chooses one too").toEqual([-1, 0x71]);
    expect(chip.deliverMsi(LAPIC | (9 << 12), 0, 0x41)).toBe(false);
    chip.deliverMsi(LAPIC | (1 << 12), 0, 0x400);
    expect(chip.vcpus[1]!.lapic.takeEvent(1)).toBe(true);
  });

  test("a level GSI: acked by the EOI, and again if it stays high", () => {
    const { chip, lines, cpu, acked, kicks } = setup();
    initPics(chip, 0xff);
    lapicWrite(chip, 0xf0, 0x1ff);
    ioapicWrite(chip, 0x10 + 20, 0x8061);
    kicks.length = 0;
    lines.set(0, 10, 1);
    expect(kicks).toEqual([0]);
    expect(cpu.acknowledge()).toBe(0x61);
    lapicWrite(chip, 0xb0, 0);
    expect(acked).toEqual([10]);
    expect(cpu.acknowledge()).toBe(0x61);
    lines.set(0, 10, 0);
    lapicWrite(chip, 0xb0, 0);
    expect(cpu.hasInterrupt()).toBe(false);
  });
});

describe("missed timer interrupts come later", () => {
  test("by the PIC", () => {
    const vm = setup();
    initPics(vm.chip, 0xfe);
    startPit(vm.chip, 1193);
    vm.clock.time = 10_050_000;
    vm.chip.advance(vm.clock.time);
    let taken = 0;
    for (; vm.cpu.hasInterrupt(); taken++) {
      vm.cpu.acknowledge();
      out(vm.chip, [0x20, 0x20]);
    }
    expect(taken).toBe(10);
  });

  test("by the I/O APIC, but not those of a masked pin", () => {
    const vm = setup();
    routeAsPc(vm);
    initPics(vm.chip, 0xff);
    lapicWrite(vm.chip, 0xf0, 0x1ff);
    lapicWrite(vm.chip, 0x350, 0x10700);
    startPit(vm.chip, 1193);
    vm.clock.time = 5_050_000;
    vm.chip.advance(vm.clock.time);
    ioapicWrite(vm.chip, 0x14, 0x30);
    vm.clock.time = 10_050_000;
    vm.chip.advance(vm.clock.time);
    let taken = 0;
    for (; vm.cpu.hasInterrupt(); taken++) {
      vm.cpu.acknowledge();
      lapicWrite(vm.chip, 0xb0, 0);
    }
    expect(taken).toBe(5);
  });
});

describe("decoding", () => {
  test("ports", () => {
    const { chip } = setup();
    initPics(chip);
    for (const port of [0x1f, 0x22, 0x3f, 0x44, 0x60, 0x62, 0x9f, 0xa2, 0x4cf, 0x4d2]) {
      expect(chip.pioRead(port, 1), port.toString(16)).toBe(-1);
      expect(chip.pioWrite(port, 1, 0), port.toString(16)).toBe(false);
    }
    chip.pioWrite(0x4d0, 2, 0x0808);
    expect(chip.pioRead(0x4d0, 2)).toBe(0x0808);
    expect(chip.pioRead(0x4d1, 4), "beyond the chips there is nothing").toBe(0xffffff08);
  });

  test("memory", () => {
    const { chip } = setup();
    expect(chip.mmioRead(0, LAPIC + 0x30, 4)).toBe(0x50014);
    expect(chip.mmioRead(0, LAPIC + 0x1000, 4)).toBe(-1);
    expect(chip.mmioRead(0, IOAPIC + 0x100, 4)).toBe(-1);
    expect(chip.mmioWrite(0, IOAPIC - 4, 4, 1)).toBe(false);
    ioapicWrite(chip, 0, 0x05000000);
    expect(chip.mmioRead(0, IOAPIC + 0x10, 8)).toBe(0x05000000);
    lapicWrite(chip, 0x380, -1);
    expect(chip.mmioRead(0, LAPIC + 0x380, 4)).toBe(0xffffffff);
  });
});

describe("KVM's records", () => {
  test("PIC and I/O APIC", () => {
    const { chip, lines } = setup();
    initPics(chip, 0);
    lapicWrite(chip, 0xf0, 0x1ff);
    ioapicWrite(chip, 0x10 + 20, 0x8061);
    lines.set(0, 10, 1);
    lines.set(0, 4, 1);
    const copy = setup();
    for (const chip_id of [0, 1, 2]) {
      const record = create(kvm_irqchip, { chip_id });
      chip.getState(record);
      copy.chip.setState(record);
      const again = create(kvm_irqchip, { chip_id });
      copy.chip.getState(again);
      expect(again.bytes).toEqual(record.bytes);
    }
    expect(copy.cpu.acknowledge()).toBe(0x3a);
    const record = create(kvm_irqchip, { chip_id: 2 });
    chip.getState(record);
    expect([record.chip.ioapic.irr, record.chip.ioapic.redirtbl.lo(10)]).toEqual([1 << 10, 0xc061]);
  });

  test("local APIC: the page, with the count that is left", () => {
    const { chip, clock, cpu } = setup();
    lapicWrite(chip, 0xf0, 0x1ff);
    lapicWrite(chip, 0x3e0, 0xb);
    lapicWrite(chip, 0x320, 0x200ec);
    lapicWrite(chip, 0x380, 1000);
    chip.deliverMsi(LAPIC, 0, 0x77);
    clock.time = 300;
    const record = create(kvm_lapic_state);
    cpu.getState(record);
    const data = new DataView(record.bytes.buffer);
    expect([data.getUint32(0x390, true), data.getUint32(0x230, true)]).toEqual([700, 1 << 0x17]);
    const copy = setup();
    copy.clock.time = 5_000;
    copy.cpu.setState(record);
    expect(copy.chip.nextDeadline()).toBe(5_700);
    expect(copy.cpu.acknowledge()).toBe(0x77);
    copy.clock.time = 5_700;
    copy.chip.advance(5_700);
    expect(copy.chip.nextDeadline()).toBe(6_700);
  });

  test("PIT: counts start anew", () => {
    const { chip, clock, pit } = setup();
    startPit(chip, 1000);
    out(chip, [0x61, 3], [0x43, 0xb0], [0x42, 0x34], [0x43, 0xc2], [0x42, 0x12]);
    clock.time = 123_456;
    const record = create(kvm_pit_state2);
    pit.getState(record);
    expect([record.channels[0]!.count, record.channels[0]!.mode, record.channels[0]!.rw_mode]).toEqual([1000, 2, 3]);
    expect([record.channels[2]!.gate, record.channels[1]!.mode, record.flags]).toEqual([1, 0xff, 2]);
    const copy = setup();
    copy.clock.time = 1e9;
    copy.pit.setState(record);
    expect(copy.chip.nextDeadline()).toBeGreaterThan(1e9 + 838_000);
    expect(copy.chip.nextDeadline()).toBeLessThan(1e9 + 840_000);
    expect(copy.chip.pioRead(0x40, 1), "the latched status, then the latched count").toBe(chip.pioRead(0x40, 1));
    expect([copy.chip.pioRead(0x40, 1), copy.chip.pioRead(0x40, 1)]).toEqual([
      chip.pioRead(0x40, 1),
      chip.pioRead(0x40, 1),
    ]);
  });
});

test("save and restore", () => {
  const { chip, clock } = setup();
  initPics(chip);
  startPit(chip, 1000);
  clock.time = 1e6;
  chip.advance(clock.time);
  const copy = setup().chip;
  copy.restore(structuredClone(chip.save()));
  expect(copy.save()).toEqual(chip.save());
});

test("no access of a guest throws, reads more than 32 bits or leaves a deadline behind", () => {
  const seed = 20;
  let state = seed;
  const random = (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  const { chip, lines, clock } = setup(2);
  const ports = [0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x40, 0x41, 0x42, 0x43, 0x61];
  const port = () => ports[random(ports.length)]!;
  const word = () => [random(256), random(2 ** 32), 0, 0xffffffff, 1 << random(32)][random(5)]!;
  const reads = [
    () => chip.pioRead(port(), 1 << random(3)),
    () => chip.mmioRead(random(2), LAPIC + random(0x1000), 1 << random(4)),
    () => chip.mmioRead(0, IOAPIC + random(0x100), 1 << random(4)),
    () => chip.vcpus[random(2)]!.acknowledge(),
  ];
  const writes = [
    () => chip.pioWrite(port(), 1 << random(3), word()),
    () => chip.mmioWrite(random(2), LAPIC + random(0x40) * 16, 4, word()),
    () => chip.mmioWrite(0, IOAPIC + random(5) * 16, 1 << random(4), word()),
    () => chip.vcpus[random(2)]!.registers.writeMsr(0x800 + random(0x50), word(), word()),
    () => chip.vcpus[1]!.registers.writeMsr(0x1b, 0xfee00800 | (random(4) << 10), 0),
    () => lines.set(0, random(24), random(2)),
    () => chip.deliverMsi(word(), 0, word()),
  ];
  for (let step = 0; step < 10_000; step++) {
    writes[random(writes.length)]!();
    const value = reads[random(reads.length)]!();
    if (!(Number.isInteger(value) && value >= -1 && value < 2 ** 32))
      expect.fail(`read ${value}; seed ${seed}, step ${step}`);
    clock.time += random(1_000_000);
    chip.advance(clock.time);
    if (!(chip.nextDeadline() > clock.time)) expect.fail(`deadline; seed ${seed}, step ${step}`);
  }
});
