// bigint: guests write these MSRs at boot, if at all
import { CPU } from "../../isa/state.ts";
import type { CpuCells } from "./cpu-cells.ts";
import type { TimeStampCounter } from "./time-stamp-counter.ts";

/** IA32_TIME_STAMP_COUNTER and IA32_TSC_ADJUST; values pass through CPU.exitData. [SDM 3B 18.17.3] */
export class TscMsrs {
  readonly #cells: CpuCells;
  readonly #tsc: TimeStampCounter;
  #adjust = 0n;

  constructor(cells: CpuCells, tsc: TimeStampCounter) {
    this.#cells = cells;
    this.#tsc = tsc;
  }

  readCounter(): void {
    this.#cells.setNumber(CPU.exitData, this.#tsc.read());
  }

  /** A guest's write moves IA32_TSC_ADJUST by as much as the counter; the host sets the counter alone. */
  writeCounter(host: boolean): void {
    const value = this.#cells.number(CPU.exitData);
    if (!host) this.#adjust += BigInt(value - this.#tsc.read());
    this.#tsc.write(value);
  }

  readAdjust(): void {
    const { lo, hi } = halves(this.#adjust);
    this.#cells.setWide(CPU.exitData, lo, hi);
  }

  /** A guest's write moves the counter by the difference. */
  writeAdjust(host: boolean): void {
    const value = (BigInt(this.#cells.hi(CPU.exitData)) << 32n) | BigInt(this.#cells.lo(CPU.exitData));
    const moved = BigInt.asIntN(64, value - this.#adjust);
    if (!host) this.#tsc.write(this.#tsc.read() + Number(moved));
    this.#adjust = value;
  }
}

function halves(value: bigint): { lo: number; hi: number } {
  const whole = BigInt.asUintN(64, value);
  return { lo: Number(whole & 0xffff_ffffn), hi: Number(whole >> 32n) };
}
