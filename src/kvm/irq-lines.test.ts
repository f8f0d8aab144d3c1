import { describe, expect, test } from "vitest";
import { create } from "../base/struct-layout.ts";
import { KVM_IRQ_ROUTING_MSI, kvm_irq_routing } from "../spec/kvm/vm-struct.ts";
import { IRQ_SOURCE, IrqLines } from "./irq-lines.ts";

function setup() {
  const log: string[] = [];
  const lines = new IrqLines();
  lines.irqchip = {
    setPicLine: (pin, level) => log.push(`pic ${pin} ${level}`),
    setIoapicLine: (pin, level) => log.push(`ioapic ${pin} ${level}`),
    deliverMsi: (lo, hi, data) => log.push(`msi ${lo.toString(16)} ${hi} ${data}`) > 0,
    getState() {},
    setState() {},
  };
  return { log, lines };
}

describe("IrqLines", () => {
  test("drives the pins of the route", () => {
    const { log, lines } = setup();
    lines.set(IRQ_SOURCE.USERSPACE, 4, 1);
    lines.set(IRQ_SOURCE.USERSPACE, 20, 1);
    expect(log).toEqual(["pic 4 true", "ioapic 4 true", "ioapic 20 true"]);
  });

  test("a line is up while any source holds it", () => {
    const { log, lines } = setup();
    lines.set(IRQ_SOURCE.USERSPACE, 20, 1);
    lines.set(IRQ_SOURCE.IRQFD_RESAMPLE, 20, 1);
    lines.set(IRQ_SOURCE.USERSPACE, 20, 0);
    lines.set(IRQ_SOURCE.PIT, 20, 0);
    lines.set(IRQ_SOURCE.IRQFD_RESAMPLE, 20, 0);
    expect(log.map((line) => line.endsWith("true"))).toEqual([true, true, true, true, false]);
  });

  test("a message is sent for every 1 and for no 0", () => {
    const { log, lines } = setup();
    const entry = { gsi: 30, type: KVM_IRQ_ROUTING_MSI, u: { msi: { address_lo: 0xfee0_1000, data: 0x41 } } };
    lines.routing.set(create(kvm_irq_routing, { nr: 1, entries: [entry] }));
    lines.pulse(30);
    lines.set(IRQ_SOURCE.USERSPACE, 30, 1);
    lines.set(IRQ_SOURCE.USERSPACE, 30, 1);
    expect(log).toEqual(["msi fee01000 0 65", "msi fee01000 0 65", "msi fee01000 0 65"]);
  });

  test.each([-1, 24, 4095, 4096, Number.NaN])("GSI %d leads nowhere", (gsi) => {
    const { log, lines } = setup();
    lines.set(IRQ_SOURCE.USERSPACE, gsi, 1);
    expect(log).toEqual([]);
  });

  test("the end of service is told by GSI", () => {
    const { lines } = setup();
    const acked: number[] = [];
    lines.onAcked = (gsi) => acked.push(gsi);
    lines.picAcked(9);
    lines.ioapicAcked(22);
    lines.routing.set(create(kvm_irq_routing));
    lines.picAcked(9);
    expect(acked).toEqual([9, 22]);
  });
});
