import type { Clock } from "../base/clock.ts";
import { APIC, APIC_BUS_FREQUENCY, LVT, TIMER_MODE } from "../spec/lapic.ts";
import { type ApicPage, getRegister } from "./apic-page.ts";

export interface LapicTimerState {
  /** It counts, in one-shot or periodic mode. */
  running: boolean;
  /** When the current count started at the initial count, in ns. */
  start: number;
  /** IA32_TSC_DEADLINE; 0 if disarmed. */
  deadlineLo: number;
  deadlineHi: number;
}

export interface LapicTimerGlue {
  readonly clock: Clock;
  /** The time in ns of the machine's clock at which the vCPU's TSC reaches a value; rounded up, so that it has then. */
  tscToNs(lo: number, hi: number): number;
}

const NS_PER_COUNT = 1e9 / APIC_BUS_FREQUENCY;

/** The local APIC's timer: one-shot, periodic, TSC deadline. Computed from the clock when asked. [SDM 3A 11.5.4] */
export class LapicTimer {
  readonly glue: LapicTimerGlue;
  readonly page: ApicPage;
  state: LapicTimerState = initialTimerState();

  constructor(page: ApicPage, glue: LapicTimerGlue) {
    this.page = page;
    this.glue = glue;
  }

  reset(): void {
    this.state = initialTimerState();
  }

  /** One of TIMER_MODE. */
  mode(): number {
    return (getRegister(this.page, APIC.LVT_TIMER) >> LVT.TIMER_MODE_SHIFT) & LVT.TIMER_MODE;
  }

  /** When the timer runs out next, in ns, masked or not; Infinity for never. */
  expiry(): number {
    const state = this.state;
    if (this.mode() === TIMER_MODE.TSC_DEADLINE) {
      if (state.deadlineLo === 0 && state.deadlineHi === 0) return Infinity;
      return this.glue.tscToNs(state.deadlineLo, state.deadlineHi);
    }
    return state.running ? state.start + this.#period() : Infinity;
  }

  /** When an interrupt comes next, in ns; Infinity for never. */
  nextDeadline(): number {
    return getRegister(this.page, APIC.LVT_TIMER) & LVT.MASK ? Infinity : this.expiry();
  }

  /** Moves on to `now`. Returns whether the timer ran out on the way. */
  advance(now: number): boolean {
    if (now < this.expiry()) return false;
    const state = this.state;
    state.deadlineLo = 0;
    state.deadlineHi = 0;
    if (this.mode() === TIMER_MODE.PERIODIC) {
      const period = this.#period();
      state.start += Math.floor((now - state.start) / period) * period;
    } else state.running = false;
    return true;
  }

  /** The current-count register. Call `advance` before. */
  currentCount(now: number): number {
    if (!this.state.running) return 0;
    const counted = Math.floor((now - this.state.start) / this.#nsPerCount());
    return Math.max(getRegister(this.page, APIC.INITIAL_COUNT) - counted, 0);
  }

  /** Starts from the initial-count register. */
  start(now: number): void {
    this.state.running = getRegister(this.page, APIC.INITIAL_COUNT) !== 0 && this.mode() !== TIMER_MODE.TSC_DEADLINE;
    this.state.start = now;
  }

  /** Goes on from `count` at the speed that the divide configuration says. */
  resume(now: number, count: number): void {
    this.start(now - (getRegister(this.page, APIC.INITIAL_COUNT) - count) * this.#nsPerCount());
  }

  /** Stops both ways of counting. */
  stop(): void {
    this.state.running = false;
    this.state.deadlineLo = 0;
    this.state.deadlineHi = 0;
  }

  /** IA32_TSC_DEADLINE written; nothing outside TSC-deadline mode. */
  setDeadline(lo: number, hi: number): void {
    if (this.mode() !== TIMER_MODE.TSC_DEADLINE) return;
    this.state.deadlineLo = lo;
    this.state.deadlineHi = hi;
  }

  #period(): number {
    return getRegister(this.page, APIC.INITIAL_COUNT) * this.#nsPerCount();
  }

  #nsPerCount(): number {
    return divisor(getRegister(this.page, APIC.DIVIDE_CONFIG)) * NS_PER_COUNT;
  }
}

function initialTimerState(): LapicTimerState {
  return { running: false, start: 0, deadlineLo: 0, deadlineHi: 0 };
}

/** Divide configuration: 0 to 6 divide by 2 to 128, 7 by 1. [SDM 3A figure 11-10] */
function divisor(config: number): number {
  const code = (config & 3) | ((config >> 1) & 4);
  return 1 << ((code + 1) & 7);
}
