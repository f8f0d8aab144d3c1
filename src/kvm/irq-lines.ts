import type { KvmIrqchip } from "../spec/kvm/vm-struct.ts";
import { IrqRouting, MAX_IRQ_ROUTES } from "./irq-routing.ts";
import type { IrqfdLines } from "./irqfd.ts";

/** The interrupt controllers of a VM, as the lines drive them. */
export interface IrqchipModel {
  /** Input 0-15 of the 8259A pair. */
  setPicLine(pin: number, level: boolean): void;
  setIoapicLine(pin: number, level: boolean): void;
  /** A message from the bus; true if a vCPU took it. */
  deliverMsi(addressLo: number, addressHi: number, data: number): boolean;
  /** Fills the chip that `chip.chip_id` (0 to 2) names. */
  getState(chip: KvmIrqchip): void;
  setState(chip: KvmIrqchip): void;
}

/** Who drives a GSI: its level is the OR of them, so that none ends another's request. */
export const IRQ_SOURCE = { USERSPACE: 0, IRQFD_RESAMPLE: 1, PIT: 2 } as const;

/** The GSIs of a VM: many drivers in, the pins and messages of its routing out. Makes no garbage. */
export class IrqLines implements IrqfdLines {
  readonly routing = new IrqRouting();
  irqchip: IrqchipModel | undefined;
  /** Called with the GSI when the guest ends the service of an interrupt. */
  onAcked: ((gsi: number) => void) | undefined;
  /** For every GSI a bit for each source that asserts it. */
  readonly #asserted = new Uint8Array(MAX_IRQ_ROUTES);

  /** One source's level, 0 or 1. Every 1 to a GSI routed to a message sends it. */
  set(source: number, gsi: number, level: number): void {
    if (!this.irqchip || !(gsi >= 0 && gsi < MAX_IRQ_ROUTES)) return;
    const bit = 1 << source;
    const asserted = level ? this.#asserted[gsi]! | bit : this.#asserted[gsi]! & ~bit;
    this.#asserted[gsi] = asserted;
    const route = this.routing.route(gsi);
    if (!route) return;
    if (route.picPin >= 0) this.irqchip.setPicLine(route.picPin, asserted !== 0);
    if (route.ioapicPin >= 0) this.irqchip.setIoapicLine(route.ioapicPin, asserted !== 0);
    if (route.msi && level) this.irqchip.deliverMsi(route.msi.addressLo, route.msi.addressHi, route.msi.data);
  }

  pulse(gsi: number): void {
    this.set(IRQ_SOURCE.USERSPACE, gsi, 1);
    this.set(IRQ_SOURCE.USERSPACE, gsi, 0);
  }

  setResampled(gsi: number, level: number): void {
    this.set(IRQ_SOURCE.IRQFD_RESAMPLE, gsi, level);
  }

  /** The chips call it when the guest ended the service of PIC pin 0-15. */
  picAcked(pin: number): void {
    this.#acked(this.routing.gsiOfPicPin(pin));
  }

  /** The chips call it when the guest ended the service of an I/O APIC pin. */
  ioapicAcked(pin: number): void {
    this.#acked(this.routing.gsiOfIoapicPin(pin));
  }

  #acked(gsi: number): void {
    if (gsi >= 0) this.onAcked?.(gsi);
  }
}
