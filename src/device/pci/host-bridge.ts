import type { AccessSize } from "../../bus/register-block.ts";
import {
  PCI_CLASS_BRIDGE_HOST,
  PCI_CLASS_DEVICE,
  PCI_DEVICE_ID,
  PCI_VENDOR_ID,
} from "../../spec/pci/config-mechanism.ts";
import { PCI_HEADER } from "../../spec/pci/config-space.ts";
import type { PciFunction } from "./config-space.ts";

export interface HostBridgeIdentity {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
}

/** A host bridge with identity and class and nothing to configure: its header reads, writes are ignored. */
export class HostBridge implements PciFunction {
  // config
  private readonly header = new DataView(new ArrayBuffer(256));

  constructor(identity: HostBridgeIdentity) {
    this.header.setUint16(PCI_VENDOR_ID, identity.vendorId, true);
    this.header.setUint16(PCI_DEVICE_ID, identity.deviceId, true);
    this.header.setUint16(PCI_HEADER.SUBSYSTEM_VENDOR_ID, identity.subsystemVendorId, true);
    this.header.setUint16(PCI_HEADER.SUBSYSTEM_ID, identity.subsystemId, true);
    this.header.setUint16(PCI_CLASS_DEVICE, PCI_CLASS_BRIDGE_HOST, true);
  }

  readConfig(offset: number, size: AccessSize): number {
    if (size === 4) return this.header.getUint32(offset, true);
    return size === 2 ? this.header.getUint16(offset, true) : this.header.getUint8(offset);
  }

  writeConfig(): void {}
}
