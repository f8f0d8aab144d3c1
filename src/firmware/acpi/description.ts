import { PNP_ID } from "../../spec/acpi/aml.ts";

/** What the ACPI tables say of a machine: made by the board, which alone knows its ports and wires. */
export interface AcpiDescription {
  /** Number of processors; their local APIC IDs are 0 to vcpus - 1. */
  readonly vcpus: number;
  readonly localApicAddress: number;
  readonly ioapic: IoApicDescription;
  /** ISA interrupts that do not go to the I/O APIC pin of their own number as edge-triggered active-high ones. */
  readonly overrides: readonly InterruptOverride[];
  readonly pm: PowerManagementDescription;
  /** Writing `value` to the I/O port resets the machine. */
  readonly reset?: { readonly port: number; readonly value: number } | undefined;
  readonly devices: readonly DeviceDescription[];
  /** The PCI bus, if there is one. */
  readonly pci?: PciDescription | undefined;
  /** Whether there is VGA hardware. */
  readonly vga: boolean;
  /** An HPET at this address. */
  readonly hpet?: { readonly address: number; readonly eventTimerBlockId: number; readonly minimumTick: number };
}

/** PCI bus 0. */
export interface PciDescription {
  /** Addresses that its functions may be at. */
  readonly window: { readonly address: number; readonly length: number };
  /** Configuration space of the bus in memory. */
  readonly ecam: { readonly address: number; readonly length: number };
  /** The global system interrupts of INTA, by slot. */
  readonly interrupts: readonly number[];
  /** Ports 0xcf8 to 0xcff: those before and behind belong to the bus. */
  readonly configPorts: { readonly first: number; readonly length: number };
}

export interface IoApicDescription {
  readonly id: number;
  readonly address: number;
  /** The global system interrupt of pin 0. */
  readonly gsiBase: number;
}

/** ISA interrupt `irq` arrives as global system interrupt `gsi`. */
export interface InterruptOverride {
  readonly irq: number;
  readonly gsi: number;
  readonly trigger: "isa" | "edge" | "level";
  readonly polarity: "isa" | "high" | "low";
}

/** The fixed power-management hardware: I/O ports of its register blocks. [ACPI 6.5 4.8.3] */
export interface PowerManagementDescription {
  readonly eventPort: number;
  readonly controlPort: number;
  readonly timerPort: number;
  readonly timerBits: 24 | 32;
  /** ISA interrupt of the SCI. */
  readonly sciIrq: number;
  /** Writing `enable` or `disable` to the port switches ACPI mode; without it the machine is always in ACPI mode. */
  readonly smiCommand?: { readonly port: number; readonly enable: number; readonly disable: number };
  /** SLP_TYP that means soft off. */
  readonly sleepTypeS5: number;
}

/** A device that is enumerated by ACPI: in \_SB, with its resources. */
export interface DeviceDescription {
  /** Up to four characters A-Z, 0-9, _. */
  readonly name: string;
  /** A Plug and Play ID: "PNP0501". */
  readonly hid: string;
  /** Tells devices of one kind apart. */
  readonly uid?: number;
  readonly ports?: readonly { readonly port: number; readonly length: number }[];
  readonly memory?: readonly { readonly address: number; readonly length: number }[];
  /** ISA interrupts, edge-triggered. */
  readonly irqs?: readonly number[];
}

/** Serial port `number` (1 to 4), a 16550. */
export function comPort(number: number, port: number, irq: number): DeviceDescription {
  return { name: `COM${number}`, hid: PNP_ID.UART16550, uid: number, ports: [{ port, length: 8 }], irqs: [irq] };
}

/** The CMOS clock: an index and a data port. */
export function rtc(port: number, irq: number): DeviceDescription {
  return { name: "RTC", hid: PNP_ID.RTC, ports: [{ port, length: 2 }], irqs: [irq] };
}

/** The keyboard half of an 8042: data and command port. */
export function keyboard(dataPort: number, commandPort: number, irq: number): DeviceDescription {
  const ports = [dataPort, commandPort].map((port) => ({ port, length: 1 }));
  return { name: "KBD", hid: PNP_ID.KEYBOARD, ports, irqs: [irq] };
}

/** The mouse half of an 8042. */
export function mouse(irq: number): DeviceDescription {
  return { name: "MOU", hid: PNP_ID.MOUSE, irqs: [irq] };
}
