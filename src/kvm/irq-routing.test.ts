import { describe, expect, test } from "vitest";
import { create, type StructInit } from "../base/struct-layout.ts";
import { EINVAL } from "../spec/kvm/errno.ts";
import {
  KVM_IRQ_ROUTING_IRQCHIP,
  KVM_IRQ_ROUTING_MSI,
  KVM_IRQCHIP_IOAPIC,
  KVM_IRQCHIP_PIC_MASTER,
  KVM_IRQCHIP_PIC_SLAVE,
  kvm_irq_routing,
  type kvm_irq_routing_entry,
} from "../spec/kvm/vm-struct.ts";
import { IrqRouting, MAX_IRQ_ROUTES } from "./irq-routing.ts";

type Entry = StructInit<typeof kvm_irq_routing_entry>;

function pin(gsi: number, irqchip: number, number: number, flags = 0): Entry {
  return { gsi, type: KVM_IRQ_ROUTING_IRQCHIP, flags, u: { irqchip: { irqchip, pin: number } } };
}

function message(gsi: number, data: number, flags = 0): Entry {
  return { gsi, type: KVM_IRQ_ROUTING_MSI, flags, u: { msi: { address_lo: 0xfee0_0000, address_hi: 1, data } } };
}

function table(...entries: Entry[]) {
  return create(kvm_irq_routing, { nr: entries.length, entries });
}

describe("the default table", () => {
  const routing = new IrqRouting();

  test("GSIs below 16 go to both chips, below 24 to the I/O APIC", () => {
    expect(routing.route(0)).toEqual({ picPin: 0, ioapicPin: 0, msi: undefined });
    expect(routing.route(12)).toEqual({ picPin: 12, ioapicPin: 12, msi: undefined });
    expect(routing.route(16)).toEqual({ picPin: -1, ioapicPin: 16, msi: undefined });
    expect([routing.route(23)?.ioapicPin, routing.route(24), routing.route(-1)]).toEqual([23, undefined, undefined]);
  });

  test("and back from pins", () => {
    expect([routing.gsiOfPicPin(8), routing.gsiOfIoapicPin(23)]).toEqual([8, 23]);
  });
});

describe("KVM_SET_GSI_ROUTING's rules", () => {
  test("replaces the whole table", () => {
    const routing = new IrqRouting();
    const entries = [
      pin(0, KVM_IRQCHIP_IOAPIC, 2),
      pin(0, KVM_IRQCHIP_PIC_MASTER, 0),
      pin(9, KVM_IRQCHIP_PIC_SLAVE, 1),
      message(40, 0x4031, 1),
    ];
    expect(routing.set(table(...entries))).toBe(0);
    expect(routing.route(0)).toEqual({ picPin: 0, ioapicPin: 2, msi: undefined });
    expect(routing.route(9)).toEqual({ picPin: 9, ioapicPin: -1, msi: undefined });
    expect(routing.route(40)?.msi).toEqual({ addressLo: 0xfee0_0000, addressHi: 1, data: 0x4031 });
    expect([routing.route(1), routing.gsiOfPicPin(9), routing.gsiOfIoapicPin(2), routing.gsiOfIoapicPin(0)]).toEqual([
      undefined,
      9,
      0,
      -1,
    ]);
    routing.reset();
    expect(routing.route(1)?.ioapicPin).toBe(1);
  });

  test("an empty table leads nowhere", () => {
    const routing = new IrqRouting();
    expect(routing.set(table())).toBe(0);
    expect(routing.route(4)).toBeUndefined();
  });

  test.each<[string, Entry[]]>([
    ["GSI too large", [pin(MAX_IRQ_ROUTES, KVM_IRQCHIP_IOAPIC, 0)]],
    ["unknown chip", [pin(0, 3, 0)]],
    ["pin beyond the 8259A", [pin(0, KVM_IRQCHIP_PIC_MASTER, 8)]],
    ["pin beyond the slave", [pin(0, KVM_IRQCHIP_PIC_SLAVE, 8)]],
    ["pin beyond the I/O APIC", [pin(0, KVM_IRQCHIP_IOAPIC, 24)]],
    ["unknown type", [{ gsi: 0, type: 4 }]],
    ["flags on a pin", [pin(0, KVM_IRQCHIP_IOAPIC, 0, 1)]],
    ["unknown flags on a message", [message(0, 0, 2)]],
    ["two pins of a chip", [pin(0, KVM_IRQCHIP_IOAPIC, 0), pin(0, KVM_IRQCHIP_IOAPIC, 1)]],
    ["a pin of each 8259A", [pin(0, KVM_IRQCHIP_PIC_MASTER, 0), pin(0, KVM_IRQCHIP_PIC_SLAVE, 1)]],
    ["two messages", [message(5, 1), message(5, 2)]],
    ["a pin and a message", [pin(5, KVM_IRQCHIP_IOAPIC, 5), message(5, 2)]],
    ["a good entry, then a bad one", [pin(7, KVM_IRQCHIP_IOAPIC, 5), pin(8, KVM_IRQCHIP_IOAPIC, 99)]],
  ])("EINVAL, and the table stays: %s", (_name, entries) => {
    const routing = new IrqRouting();
    expect(routing.set(table(...entries))).toBe(EINVAL);
    expect(routing.route(7)).toEqual({ picPin: 7, ioapicPin: 7, msi: undefined });
  });

  test("EINVAL: flags, more entries said than there are, too many", () => {
    const routing = new IrqRouting();
    expect(routing.set(create(kvm_irq_routing, { flags: 1 }))).toBe(EINVAL);
    expect(routing.set(create(kvm_irq_routing, { nr: 2 }, 1))).toBe(EINVAL);
    expect(routing.set(create(kvm_irq_routing, { nr: MAX_IRQ_ROUTES + 1 }, MAX_IRQ_ROUTES + 1))).toBe(EINVAL);
  });
});
