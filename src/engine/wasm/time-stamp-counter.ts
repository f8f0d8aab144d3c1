import type { Clock } from "../../base/clock.ts";

const TWO_32 = 0x1_0000_0000;

/** A vCPU's TSC: the machine's clock at a fixed rate. Exact to the tick below 2^53. */
export class TimeStampCounter {
  readonly #clock: Clock;
  /** Ticks per ms. */
  #khz: number;
  /** The counter's value at time 0. */
  #offset = 0;

  constructor(clock: Clock, khz: number) {
    this.#clock = clock;
    this.#khz = khz;
  }

  get khz(): number {
    return this.#khz;
  }

  /** Changes the rate; the count goes on from its value. */
  set khz(khz: number) {
    const value = this.read();
    this.#khz = khz;
    this.write(value);
  }

  /** Its value now, or at another time of the machine's clock. */
  read(time = this.#clock.now()): number {
    return Math.floor((time * this.#khz) / 1e6) + this.#offset;
  }

  write(value: number): void {
    this.#offset += value - this.read();
  }

  /** The time in ns of the machine's clock at which the counter reaches a value. */
  timeOf(lo: number, hi: number): number {
    return Math.ceil(((hi * TWO_32 + lo - this.#offset) * 1e6) / this.#khz);
  }
}
