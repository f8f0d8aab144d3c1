import { create } from "../base/struct-layout.ts";
import {
  KVM_IOAPIC_NUM_PINS,
  KVM_IRQ_ROUTING_IRQCHIP,
  KVM_IRQCHIP_IOAPIC,
  KVM_IRQCHIP_PIC_MASTER,
  KVM_IRQCHIP_PIC_SLAVE,
  type KvmIrqRouting,
  kvm_irq_routing,
} from "../spec/kvm/vm-struct.ts";
import { IRQ, TIMER_GSI } from "./board-map.ts";

const PIC_PINS = 8;

/** The board's wires: an ISA interrupt goes to its PIC and to the I/O APIC pin of its number, the timer's to another pin. */
export function boardRouting(): KvmIrqRouting {
  const entries = [];
  for (let gsi = 0; gsi < 2 * PIC_PINS; gsi++) {
    const irqchip = gsi < PIC_PINS ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE;
    entries.push(route(gsi, irqchip, gsi % PIC_PINS));
  }
  for (let gsi = 0; gsi < KVM_IOAPIC_NUM_PINS; gsi++) {
    if (gsi !== TIMER_GSI) entries.push(route(gsi, KVM_IRQCHIP_IOAPIC, gsi === IRQ.TIMER ? TIMER_GSI : gsi));
  }
  return create(kvm_irq_routing, { nr: entries.length, entries });
}

function route(gsi: number, irqchip: number, pin: number) {
  return { gsi, type: KVM_IRQ_ROUTING_IRQCHIP, u: { irqchip: { irqchip, pin } } };
}
