import { type AcpiDescription, comPort, rtc } from "../firmware/acpi/description.ts";
import { IOAPIC_DEFAULT_BASE } from "../spec/ioapic.ts";
import { LAPIC_DEFAULT_BASE } from "../spec/lapic.ts";
import { RST_CNT_RST_CPU, RST_CNT_SYS_RST } from "../spec/system-control.ts";
import {
  IRQ,
  PCI_ECAM,
  PCI_IRQS,
  PCI_WINDOW,
  PM_TIMER_BITS,
  PORT,
  RESET_CONTROL_PORT,
  SLEEP_TYPE_S5,
  TIMER_GSI,
} from "./board-map.ts";

/**
 * What ACPI says of the board. The keyboard controller is left out: with nothing plugged into it a guest need not look
 * for it, and one without ACPI finds it where it always is.
 */
export function acpiDescription(vcpus: number): AcpiDescription {
  return {
    vcpus,
    localApicAddress: LAPIC_DEFAULT_BASE,
    ioapic: { id: 0, address: IOAPIC_DEFAULT_BASE, gsiBase: 0 },
    overrides: [
      { irq: IRQ.TIMER, gsi: TIMER_GSI, trigger: "isa", polarity: "isa" },
      { irq: IRQ.SCI, gsi: IRQ.SCI, trigger: "level", polarity: "high" },
    ],
    pm: {
      eventPort: PORT.PM1_EVENT.first,
      controlPort: PORT.PM1_CONTROL.first,
      timerPort: PORT.PM_TIMER.first,
      timerBits: PM_TIMER_BITS,
      sciIrq: IRQ.SCI,
      sleepTypeS5: SLEEP_TYPE_S5,
    },
    reset: { port: RESET_CONTROL_PORT, value: RST_CNT_SYS_RST | RST_CNT_RST_CPU },
    devices: [
      comPort(1, PORT.COM1.first, IRQ.COM1),
      comPort(2, PORT.COM2.first, IRQ.COM2),
      rtc(PORT.RTC.first, IRQ.RTC),
    ],
    pci: { window: PCI_WINDOW, ecam: PCI_ECAM, interrupts: PCI_IRQS, configPorts: PORT.PCI_CONFIG },
    vga: false,
  };
}
