import type { Device } from "../bus/device.ts";
import type { InterruptLine } from "../bus/interrupt-line.ts";
import type { MmioSpace } from "../bus/mmio.ts";
import { SharedLine } from "../bus/shared-line.ts";
import type { PciFunction } from "../device/pci/config-space.ts";
import { Ecam } from "../device/pci/ecam.ts";
import { HostBridge } from "../device/pci/host-bridge.ts";
import type { SignalMsi } from "../device/pci/msix.ts";
import type { PciDevice, PciGlue, PciPlacement } from "../device/pci/pci-device.ts";
import { HOST_BRIDGE, PCI_ECAM, PCI_FIRST_DEVICE, PCI_IRQS, PCI_WINDOW } from "./board-map.ts";

/** A device on the PCI bus. */
export interface PciBoardDevice extends Device {
  readonly pci: PciDevice;
  /** Does to its function what firmware would. */
  place(placement: PciPlacement): void;
}

export interface PciBusGlue {
  readonly mmio: MmioSpace;
  readonly line: (irq: number) => InterruptLine;
  readonly signalMsi: SignalMsi;
}

/** Bytes of address space that each function gets. */
const STRIDE = 0x1_0000;

/** PCI bus 0: its functions, where their memory lies, and which interrupt each has. */
export class PciBus {
  /** By bus << 8 | device << 3 | function. */
  readonly functions = new Map<number, PciFunction>([[HOST_BRIDGE.address, new HostBridge(HOST_BRIDGE)]]);
  private readonly glue: PciBusGlue;
  private readonly lines: readonly SharedLine[];
  private readonly devices: PciBoardDevice[] = [];

  constructor(glue: PciBusGlue) {
    this.glue = glue;
    this.lines = PCI_IRQS.map((irq) => new SharedLine(glue.line(irq)));
    glue.mmio.claim("pci-ecam", PCI_ECAM.address, PCI_ECAM.length, new Ecam(this.functions));
  }

  /** Makes a device in the next slot. */
  add<T extends PciBoardDevice>(create: (glue: PciGlue) => T): T {
    const slot = PCI_FIRST_DEVICE + this.devices.length;
    const { mmio, signalMsi } = this.glue;
    let mapped = -1;
    const device = create({
      interrupt: this.lines[slot % this.lines.length]!.connect(),
      signalMsi,
      window: {
        map: (address, length, registers) => {
          // what a guest puts over something else is not seen
          if (!mmio.isFree(address, length)) return;
          mmio.claim(`pci-${slot}`, address, length, registers);
          mapped = address;
        },
        unmap: () => {
          if (mapped >= 0) mmio.release(mapped);
          mapped = -1;
        },
      },
    });
    this.functions.set(slot << 3, device.pci);
    this.devices.push(device);
    this.place();
    return device;
  }

  /** Gives every function its place, as firmware does after a reset. */
  place(): void {
    for (const [index, device] of this.devices.entries()) {
      const interruptLine = PCI_IRQS[(PCI_FIRST_DEVICE + index) % PCI_IRQS.length]!;
      device.place({ address: PCI_WINDOW.address + index * STRIDE, interruptLine });
    }
  }
}
