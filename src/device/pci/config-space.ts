import type { AccessSize } from "../../bus/register-block.ts";

/** A PCI function's configuration space as the bus sees it. `offset` is a multiple of `size`. */
export interface PciFunction {
  readConfig(offset: number, size: AccessSize): number;
  writeConfig(offset: number, size: AccessSize, value: number): void;
}
