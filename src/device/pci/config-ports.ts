import { checkVersion, type Device } from "../../bus/device.ts";
import { type AccessSize, allOnes, type RegisterBlock } from "../../bus/register-block.ts";
import * as spec from "../../spec/pci/config-mechanism.ts";
import type { PciFunction } from "./config-space.ts";

const VERSION = 1;

export interface PciConfigPortsState {
  readonly version: number;
  address: number;
}

/**
 * Configuration mechanism #1: CONFIG_ADDRESS and CONFIG_DATA. [PCI 3.0 3.2.2.3.2] What is not there reads as ones, which
 * tells that there is no device. Accesses to CONFIG_ADDRESS that are not 32 bits wide are ordinary I/O and go to
 * `others`, by offset: on a PC the reset control register lies there.
 */
export class PciConfigPorts implements Device<PciConfigPortsState>, RegisterBlock {
  // config
  readonly name = "pci-config";
  readonly width = 4;
  // glue
  private readonly functions: ReadonlyMap<number, PciFunction>;
  private readonly others: ReadonlyMap<number, RegisterBlock>;
  // state
  private address = 0;

  /** `functions` by bus << 8 | device << 3 | function. */
  constructor(functions: ReadonlyMap<number, PciFunction>, others: ReadonlyMap<number, RegisterBlock> = new Map()) {
    this.functions = functions;
    this.others = others;
  }

  reset(): void {
    this.address = 0;
  }

  snapshot(): PciConfigPortsState {
    return { version: VERSION, address: this.address };
  }

  restore(state: PciConfigPortsState): void {
    checkVersion(this.name, state, VERSION);
    this.address = (state.address & spec.CONFIG_ADDRESS_MASK) >>> 0;
  }

  read(offset: number, size: AccessSize): number {
    if (offset >= spec.CONFIG_DATA) return this.readData(offset - spec.CONFIG_DATA, size);
    if (size === 4) return this.address;
    return this.others.get(offset)?.read(0, size) ?? allOnes(size);
  }

  write(offset: number, size: AccessSize, value: number): void {
    if (offset >= spec.CONFIG_DATA) this.writeData(offset - spec.CONFIG_DATA, size, value);
    else if (size === 4) this.address = (value & spec.CONFIG_ADDRESS_MASK) >>> 0;
    else this.others.get(offset)?.write(0, size, value);
  }

  private get selected(): PciFunction | undefined {
    if ((this.address & spec.CONFIG_ADDRESS_ENABLE) === 0) return undefined;
    return this.functions.get((this.address >> 8) & 0xffff);
  }

  private readData(offset: number, size: AccessSize): number {
    if (offset % size !== 0) return allOnes(size);
    return this.selected?.readConfig((this.address & 0xfc) + offset, size) ?? allOnes(size);
  }

  private writeData(offset: number, size: AccessSize, value: number): void {
    if (offset % size === 0) this.selected?.writeConfig((this.address & 0xfc) + offset, size, value);
  }
}
