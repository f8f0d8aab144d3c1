import { EINVAL } from "../spec/kvm/errno.ts";
import {
  KVM_IOAPIC_NUM_PINS,
  KVM_IRQ_ROUTING_IRQCHIP,
  KVM_IRQ_ROUTING_MSI,
  KVM_IRQCHIP_IOAPIC,
  KVM_IRQCHIP_PIC_MASTER,
  KVM_IRQCHIP_PIC_SLAVE,
  KVM_MSI_VALID_DEVID,
  type KvmIrqRouting,
  type KvmIrqRoutingEntry,
} from "../spec/kvm/vm-struct.ts";

/** GSIs are below it, and no table has more entries. KVM_CAP_IRQ_ROUTING. */
export const MAX_IRQ_ROUTES = 4096;

/** Pins of one 8259A. */
const PIC_PINS = 8;

export interface MsiMessage {
  readonly addressLo: number;
  readonly addressHi: number;
  readonly data: number;
}

/** Where a GSI leads: to a pin of the PIC, of the I/O APIC, of both, or to a message. */
export interface IrqRoute {
  /** 0-7 master, 8-15 slave; -1 for none. */
  readonly picPin: number;
  /** -1 for none. */
  readonly ioapicPin: number;
  readonly msi: MsiMessage | undefined;
}

/** The table of KVM_SET_GSI_ROUTING. It begins with KVM's default: GSI n is PIC pin n (below 16) and I/O APIC pin n (below 24). */
export class IrqRouting {
  #routes: readonly (IrqRoute | undefined)[] = [];
  readonly #picGsis = new Int16Array(2 * PIC_PINS);
  readonly #ioapicGsis = new Int16Array(KVM_IOAPIC_NUM_PINS);

  constructor() {
    this.reset();
  }

  /** Undefined if the GSI leads nowhere. */
  route(gsi: number): IrqRoute | undefined {
    return this.#routes[gsi];
  }

  /** Replaces the table. Returns 0, or EINVAL and then nothing has changed. */
  set(routing: KvmIrqRouting): number {
    const { nr, flags, entries } = routing;
    if (nr > MAX_IRQ_ROUTES || flags !== 0 || nr > entries.length) return EINVAL;
    const routes: (IrqRoute | undefined)[] = [];
    for (let index = 0; index < nr; index++) {
      const entry = entries[index]!;
      const route = isValid(entry) ? joined(routes[entry.gsi], routeOf(entry)) : undefined;
      if (!route) return EINVAL;
      routes[entry.gsi] = route;
    }
    this.#use(routes);
    return 0;
  }

  /** Back to the default. */
  reset(): void {
    this.#use(defaultRoutes());
  }

  /** The first GSI that leads to this pin of the PIC pair (0-15); -1 if none does. */
  gsiOfPicPin(pin: number): number {
    return this.#picGsis[pin]!;
  }

  /** The first GSI that leads to this pin of the I/O APIC; -1 if none does. */
  gsiOfIoapicPin(pin: number): number {
    return this.#ioapicGsis[pin]!;
  }

  #use(routes: readonly (IrqRoute | undefined)[]): void {
    this.#routes = Array.from({ length: routes.length }, (_, gsi) => routes[gsi]);
    for (const pin of this.#picGsis.keys())
      this.#picGsis[pin] = this.#routes.findIndex((route) => route?.picPin === pin);
    for (const pin of this.#ioapicGsis.keys())
      this.#ioapicGsis[pin] = this.#routes.findIndex((route) => route?.ioapicPin === pin);
  }
}

function defaultRoutes(): IrqRoute[] {
  return Array.from({ length: KVM_IOAPIC_NUM_PINS }, (_, gsi) => ({
    picPin: gsi < 2 * PIC_PINS ? gsi : -1,
    ioapicPin: gsi,
    msi: undefined,
  }));
}

function isValid(entry: KvmIrqRoutingEntry): boolean {
  if (entry.gsi >= MAX_IRQ_ROUTES) return false;
  if (entry.type === KVM_IRQ_ROUTING_MSI) return (entry.flags & ~KVM_MSI_VALID_DEVID) === 0;
  return entry.type === KVM_IRQ_ROUTING_IRQCHIP && entry.flags === 0 && isPin(entry);
}

function isPin(entry: KvmIrqRoutingEntry): boolean {
  const { irqchip, pin } = entry.u.irqchip;
  if (irqchip === KVM_IRQCHIP_PIC_MASTER || irqchip === KVM_IRQCHIP_PIC_SLAVE) return pin < PIC_PINS;
  return irqchip === KVM_IRQCHIP_IOAPIC && pin < KVM_IOAPIC_NUM_PINS;
}

function routeOf(entry: KvmIrqRoutingEntry): IrqRoute {
  if (entry.type === KVM_IRQ_ROUTING_MSI) {
    const { address_lo, address_hi, data } = entry.u.msi;
    return { picPin: -1, ioapicPin: -1, msi: { addressLo: address_lo, addressHi: address_hi, data } };
  }
  const { irqchip, pin } = entry.u.irqchip;
  if (irqchip === KVM_IRQCHIP_IOAPIC) return { picPin: -1, ioapicPin: pin, msi: undefined };
  return { picPin: irqchip === KVM_IRQCHIP_PIC_SLAVE ? pin + PIC_PINS : pin, ioapicPin: -1, msi: undefined };
}

/** A GSI may have a pin on each chip, or one message; undefined for anything else. */
function joined(old: IrqRoute | undefined, added: IrqRoute): IrqRoute | undefined {
  if (!old) return added;
  if (old.msi || added.msi) return undefined;
  if (old.picPin >= 0 === added.picPin >= 0) return undefined;
  return {
    picPin: Math.max(old.picPin, added.picPin),
    ioapicPin: Math.max(old.ioapicPin, added.ioapicPin),
    msi: undefined,
  };
}
