import type { InterruptLine } from "../../bus/interrupt-line.ts";
import type { AccessSize, RegisterBlock } from "../../bus/register-block.ts";
import { PCI_CONFIG_BYTES } from "../../spec/pci/config-mechanism.ts";
import {
  MSIX,
  PCI_BAR,
  PCI_CAP_ID,
  PCI_CAPABILITIES_START,
  PCI_COMMAND,
  PCI_COMMAND_WRITABLE,
  PCI_HEADER,
  PCI_STATUS,
} from "../../spec/pci/config-space.ts";
import type { PciFunction } from "./config-space.ts";
import { Msix, type MsixState, type SignalMsi } from "./msix.ts";

/** What a function is. */
export interface PciIdentity {
  readonly vendorId: number;
  readonly deviceId: number;
  readonly revision: number;
  /** Base class, sub-class and programming interface: 0x010000. */
  readonly classCode: number;
  readonly subsystemVendorId: number;
  readonly subsystemId: number;
}

/** Where a function's memory appears: registers of a 64-bit BAR while decoding is on. */
export interface PciWindow {
  map(address: number, length: number, registers: RegisterBlock): void;
  unmap(): void;
}

export interface PciGlue {
  readonly window: PciWindow;
  readonly interrupt: InterruptLine;
  readonly signalMsi: SignalMsi;
}

export interface PciDeviceConfig {
  readonly identity: PciIdentity;
  /** Bytes of BAR 0, a power of two of at least 4 KiB; its registers. MSI-X table and pending bits are in it. */
  readonly barBytes: number;
  readonly registers: RegisterBlock;
  readonly vectors: number;
  readonly tableOffset: number;
  readonly pendingOffset: number;
  /** Vendor capabilities: the bytes behind ID and next pointer. */
  readonly capabilities: readonly Uint8Array[];
}

export interface PciDeviceState {
  config: number[];
  msix: MsixState;
}

/** What firmware does to a function: where it lies and which line its INTA is. */
export interface PciPlacement {
  readonly address: number;
  readonly interruptLine: number;
}

/** A PCI function with one memory BAR of 64 bits, INTA and MSI-X. [PCI 3.0 6] */
export class PciDevice implements PciFunction {
  readonly msix: Msix;
  readonly #config: PciDeviceConfig;
  readonly #glue: PciGlue;
  readonly #bytes = new Uint8Array(PCI_CONFIG_BYTES);
  readonly #view = new DataView(this.#bytes.buffer);
  /** A bit for every bit of the space that a driver may change. */
  readonly #writable = new Uint8Array(PCI_CONFIG_BYTES);
  readonly #msixAt: number;
  #mappedAt = -1;
  #asserted = false;

  constructor(config: PciDeviceConfig, glue: PciGlue) {
    this.#config = config;
    this.#glue = glue;
    this.msix = new Msix(config.vectors, glue.signalMsi);
    this.#writeIdentity();
    this.#msixAt = this.#writeCapabilities();
    this.#allowWrites();
  }

  readConfig(offset: number, size: AccessSize): number {
    if (size === 4) return this.#view.getUint32(offset, true);
    return size === 2 ? this.#view.getUint16(offset, true) : this.#bytes[offset]!;
  }

  writeConfig(offset: number, size: AccessSize, value: number): void {
    for (let n = 0; n < size; n++) {
      const mask = this.#writable[offset + n]!;
      this.#bytes[offset + n] = (this.#bytes[offset + n]! & ~mask) | ((value >>> (8 * n)) & mask);
    }
    this.#follow();
  }

  /** Whether INTA may be asserted and whether it is, for a function without MSI-X enabled. */
  setInterrupt(level: boolean): void {
    this.#asserted = level;
    this.#drive();
  }

  /** What firmware leaves behind: an address, decoding on, and the number of the interrupt. */
  place({ address, interruptLine }: PciPlacement): void {
    this.writeConfig(PCI_HEADER.BASE_ADDRESS_0, 4, address >>> 0);
    this.writeConfig(PCI_HEADER.BASE_ADDRESS_0 + 4, 4, Math.floor(address / 2 ** 32));
    this.writeConfig(PCI_HEADER.INTERRUPT_LINE, 1, interruptLine);
    this.writeConfig(PCI_HEADER.COMMAND, 2, PCI_COMMAND.MEMORY);
  }

  reset(): void {
    this.#asserted = false;
    for (let at = 0; at < PCI_CONFIG_BYTES; at++) this.#bytes[at]! &= ~this.#writable[at]!;
    this.msix.reset();
    this.#follow();
  }

  snapshot(): PciDeviceState {
    return { config: [...this.#bytes], msix: this.msix.snapshot() };
  }

  restore(state: PciDeviceState): void {
    for (let at = 0; at < PCI_CONFIG_BYTES; at++) {
      const mask = this.#writable[at]!;
      this.#bytes[at] = (this.#bytes[at]! & ~mask) | ((state.config[at] ?? 0) & mask);
    }
    this.msix.restore(state.msix, this.#view.getUint16(this.#msixAt + MSIX.CONTROL, true));
    this.#follow();
  }

  #writeIdentity(): void {
    const { identity } = this.#config;
    const fields: readonly (readonly [number, number])[] = [
      [PCI_HEADER.VENDOR_ID, identity.vendorId],
      [PCI_HEADER.DEVICE_ID, identity.deviceId],
      [PCI_HEADER.STATUS, PCI_STATUS.CAP_LIST],
      [PCI_HEADER.REVISION_ID, identity.revision | ((identity.classCode & 0xff) << 8)],
      [PCI_HEADER.CLASS_DEVICE, identity.classCode >>> 8],
      [PCI_HEADER.BASE_ADDRESS_0, PCI_BAR.MEM_TYPE_64],
      [PCI_HEADER.SUBSYSTEM_VENDOR_ID, identity.subsystemVendorId],
      [PCI_HEADER.SUBSYSTEM_ID, identity.subsystemId],
    ];
    for (const [at, value] of fields) this.#view.setUint16(at, value, true);
    this.#bytes[PCI_HEADER.INTERRUPT_PIN] = 1;
  }

  /** Chains the capabilities; returns where MSI-X is. */
  #writeCapabilities(): number {
    const { vectors, tableOffset, pendingOffset, capabilities } = this.#config;
    const msix = new Uint8Array(MSIX.LENGTH - 2);
    const view = new DataView(msix.buffer);
    view.setUint16(MSIX.CONTROL - 2, vectors - 1, true);
    view.setUint32(MSIX.TABLE - 2, tableOffset, true);
    view.setUint32(MSIX.PBA - 2, pendingOffset, true);
    let at = PCI_CAPABILITIES_START;
    let link: number = PCI_HEADER.CAPABILITY_LIST;
    const all = [[PCI_CAP_ID.MSIX, msix], ...capabilities.map((body) => [PCI_CAP_ID.VENDOR, body] as const)] as const;
    for (const [id, body] of all) {
      this.#bytes[link] = at;
      this.#bytes[at] = id;
      this.#bytes.set(body, at + 2);
      link = at + 1;
      at += (body.length + 2 + 3) & ~3;
    }
    return PCI_CAPABILITIES_START;
  }

  #allowWrites(): void {
    const mask = new DataView(this.#writable.buffer);
    mask.setUint16(PCI_HEADER.COMMAND, PCI_COMMAND_WRITABLE, true);
    mask.setUint32(PCI_HEADER.BASE_ADDRESS_0, ~(this.#config.barBytes - 1) >>> 0, true);
    mask.setUint32(PCI_HEADER.BASE_ADDRESS_0 + 4, 0xffff_ffff, true);
    mask.setUint8(PCI_HEADER.INTERRUPT_LINE, 0xff);
    mask.setUint16(this.#msixAt + MSIX.CONTROL, MSIX.CONTROL_ENABLE | MSIX.CONTROL_MASKALL, true);
  }

  /** Brings everything outside in line with the registers. */
  #follow(): void {
    const command = this.#view.getUint16(PCI_HEADER.COMMAND, true);
    const low = (this.#view.getUint32(PCI_HEADER.BASE_ADDRESS_0, true) & ~PCI_BAR.FLAGS) >>> 0;
    const address = this.#view.getUint32(PCI_HEADER.BASE_ADDRESS_0 + 4, true) * 2 ** 32 + low;
    this.#moveTo(command & PCI_COMMAND.MEMORY && Number.isSafeInteger(address) ? address : -1);
    this.msix.setControl(this.#view.getUint16(this.#msixAt + MSIX.CONTROL, true));
    this.#drive();
  }

  #moveTo(address: number): void {
    if (address === this.#mappedAt) return;
    if (this.#mappedAt >= 0) this.#glue.window.unmap();
    if (address >= 0) this.#glue.window.map(address, this.#config.barBytes, this.#config.registers);
    this.#mappedAt = address;
  }

  #drive(): void {
    const { COMMAND, STATUS } = PCI_HEADER;
    const enabled = (this.#view.getUint16(COMMAND, true) & PCI_COMMAND.INTX_DISABLE) === 0 && !this.msix.enabled;
    const status = this.#view.getUint16(STATUS, true) & ~PCI_STATUS.INTERRUPT;
    this.#view.setUint16(STATUS, this.#asserted ? status | PCI_STATUS.INTERRUPT : status, true);
    this.#glue.interrupt.set(this.#asserted && enabled);
  }
}
