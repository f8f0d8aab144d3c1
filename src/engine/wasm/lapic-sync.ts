import { getRegister } from "../../irqchip/apic-page.ts";
import type { Lapic } from "../../irqchip/lapic.ts";
import { CPU } from "../../isa/state.ts";
import { APIC } from "../../spec/lapic.ts";
import type { CpuCells } from "./cpu-cells.ts";
import type { PvEoi } from "./pv-eoi.ts";

/**
 * What the guest changes of its local APIC without an access to it, brought together before anything looks there: CR8, which
 * is bits 7-4 of the task priority [SDM 3A 11.8.6], and the paravirtual EOI.
 */
export class LapicSync {
  readonly #cells: CpuCells;
  readonly #pvEoi: PvEoi;
  readonly #lapic: () => Lapic | undefined;

  constructor(cells: CpuCells, pvEoi: PvEoi, lapic: () => Lapic | undefined) {
    this.#cells = cells;
    this.#pvEoi = pvEoi;
    this.#lapic = lapic;
  }

  /** What the guest did becomes the APIC's. */
  toLapic(): void {
    const lapic = this.#lapic();
    if (lapic === undefined) return;
    this.#pvEoi.collect(lapic);
    const cr8 = this.#cells.lo(CPU.cr8);
    if (getRegister(lapic.page, APIC.TPR) >>> 4 !== cr8) lapic.setTaskPriority(cr8 << 4);
  }

  /** What was written to the APIC becomes CR8. */
  fromLapic(): void {
    const lapic = this.#lapic();
    if (lapic !== undefined) this.#cells.setNumber(CPU.cr8, getRegister(lapic.page, APIC.TPR) >>> 4);
  }
}
