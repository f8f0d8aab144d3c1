import { getRegister } from "../../irqchip/apic-page.ts";
import type { Lapic } from "../../irqchip/lapic.ts";
import { CPU } from "../../isa/state.ts";
import { APIC } from "../../spec/lapic.ts";
import type { CpuCells } from "./cpu-cells.ts";

/** CR8 and bits 7-4 of the local APIC's task priority are one register; instructions use the first. [SDM 3A 11.8.6] */
export class TaskPriority {
  readonly #cells: CpuCells;
  readonly #lapic: () => Lapic | undefined;

  constructor(cells: CpuCells, lapic: () => Lapic | undefined) {
    this.#cells = cells;
    this.#lapic = lapic;
  }

  /** What the guest moved to CR8 becomes the APIC's. */
  toLapic(): void {
    const lapic = this.#lapic();
    const cr8 = this.#cells.lo(CPU.cr8);
    if (lapic !== undefined && getRegister(lapic.page, APIC.TPR) >>> 4 !== cr8) lapic.setTaskPriority(cr8 << 4);
  }

  /** What was written to the APIC becomes CR8. */
  fromLapic(): void {
    const lapic = this.#lapic();
    if (lapic !== undefined) this.#cells.setNumber(CPU.cr8, getRegister(lapic.page, APIC.TPR) >>> 4);
  }
}
