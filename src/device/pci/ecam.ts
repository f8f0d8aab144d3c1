import { type AccessSize, allOnes, type RegisterBlock } from "../../bus/register-block.ts";
import { PCI_CONFIG_BYTES } from "../../spec/pci/config-mechanism.ts";
import { ECAM_FUNCTION_BYTES } from "../../spec/pci/config-space.ts";
import type { PciFunction } from "./config-space.ts";

/**
 * Configuration space in memory: 4 KiB for each function, in the order of their addresses. [PCIe 5.0 7.2.2] Functions of
 * conventional PCI have the first 256 bytes only.
 */
export class Ecam implements RegisterBlock {
  readonly width = 4;
  private readonly functions: ReadonlyMap<number, PciFunction>;

  /** `functions` by bus << 8 | device << 3 | function. */
  constructor(functions: ReadonlyMap<number, PciFunction>) {
    this.functions = functions;
  }

  read(offset: number, size: AccessSize): number {
    return this.functionAt(offset, size)?.readConfig(offset % ECAM_FUNCTION_BYTES, size) ?? allOnes(size);
  }

  write(offset: number, size: AccessSize, value: number): void {
    this.functionAt(offset, size)?.writeConfig(offset % ECAM_FUNCTION_BYTES, size, value);
  }

  /** Undefined where there is none, and for accesses that no function answers. */
  private functionAt(offset: number, size: AccessSize): PciFunction | undefined {
    const at = offset % ECAM_FUNCTION_BYTES;
    if (at % size !== 0 || at >= PCI_CONFIG_BYTES) return undefined;
    return this.functions.get(Math.floor(offset / ECAM_FUNCTION_BYTES));
  }
}
