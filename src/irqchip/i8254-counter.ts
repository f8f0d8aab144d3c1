import { MODE, RW, STATUS } from "../spec/i8254.ts";

/** One counter of the 8254. Times are ticks: pulses of CLK since the machine started. */
export interface CounterState {
  /** 0-5, or UNPROGRAMMED. */
  mode: number;
  /** How the count is read and written: one of RW. */
  access: number;
  bcd: boolean;
  gate: boolean;
  /** The count register, 1 to 65536 (10000 in BCD); 0 if no count was written since the control word. */
  reload: number;
  /** What the counting element started from. */
  count: number;
  /** The counting element holds a count and, in modes 1 and 5, was triggered. */
  loaded: boolean;
  /** The count register is newer than the counting element. */
  pending: boolean;
  /** The tick at which the counting element takes `reload` in modes 2 and 3, or -1. */
  reloadAt: number;
  /** The tick at which the counting element took `count`, moved on by the time that the gate stopped it. */
  start: number;
  /** Ticks counted when the gate stopped the counting, or -1 while it counts. */
  stopped: number;
  /** What the counting element holds while it is not loaded. */
  residue: number;
  /** The low byte of a count being written, or -1. */
  writeLow: number;
  /** The next read gives the high byte. */
  readHigh: boolean;
  /** Bytes of the latched count not read yet, 0-2. */
  latchedBytes: number;
  latchedCount: number;
  /** The latched status byte, or -1. */
  latchedStatus: number;
}

/** Before the first control word; OUT is undefined then, and high here. */
export const UNPROGRAMMED = 0xff;

function initialCounterState(gate: boolean): CounterState {
  return {
    mode: UNPROGRAMMED,
    access: RW.LSB_MSB,
    bcd: false,
    gate,
    reload: 0,
    count: 0x10000,
    loaded: false,
    pending: true,
    reloadAt: -1,
    start: 0,
    stopped: -1,
    residue: 0,
    writeLow: -1,
    readHigh: false,
    latchedBytes: 0,
    latchedCount: 0,
    latchedStatus: -1,
  };
}

/**
 * A counter of the 8254. It does not run: everything is computed from the tick it is given, which never goes back.
 * Not exact: a trigger in mode 1 takes OUT low at once, one CLK early.
 */
export class I8254Counter {
  state: CounterState;

  constructor(gate: boolean) {
    this.state = initialCounterState(gate);
  }

  /** A control word for this counter: `access` is one of RW.LSB, MSB, LSB_MSB. */
  program(tick: number, access: number, mode: number, bcd: boolean): void {
    const state = this.state;
    this.#unload(tick);
    state.access = access;
    state.mode = mode;
    state.bcd = bcd;
    state.reload = 0;
    state.writeLow = -1;
    state.readHigh = false;
    state.latchedBytes = 0;
    state.latchedStatus = -1;
  }

  /** A byte of the count. */
  write(tick: number, value: number): void {
    const state = this.state;
    if (state.access === RW.LSB) return this.#setDigits(tick, value);
    if (state.access === RW.MSB) return this.#setDigits(tick, value << 8);
    if (state.writeLow < 0) return this.#writeFirst(tick, value);
    const count = state.writeLow | (value << 8);
    state.writeLow = -1;
    this.#setDigits(tick, count);
  }

  /** A whole count, in binary; 0 stands for the greatest. [82C54 "Write operations", "Mode definitions"] */
  setCount(tick: number, count: number): void {
    const state = this.state;
    const greatest = state.bcd ? 10000 : 0x10000;
    this.settle(tick);
    state.reload = count > 0 && count <= greatest ? count : greatest;
    switch (state.mode) {
      case MODE.INTERRUPT_ON_TERMINAL_COUNT:
      case MODE.SOFTWARE_STROBE:
        return this.#load(tick);
      case MODE.RATE_GENERATOR:
      case MODE.SQUARE_WAVE:
        if (state.loaded) return this.#reloadLater(tick);
        return this.#load(tick);
      default:
        state.pending = true;
    }
  }

  /** A byte: the latched status, the latched count or the count itself. */
  read(tick: number): number {
    const state = this.state;
    if (state.latchedStatus >= 0) {
      const status = state.latchedStatus;
      state.latchedStatus = -1;
      return status;
    }
    const count = state.latchedBytes > 0 ? state.latchedCount : this.digits(tick);
    if (state.latchedBytes > 0) state.latchedBytes--;
    return this.#countByte(count);
  }

  /** Counter latch command; without effect while a latched count is unread. */
  latchCount(tick: number): void {
    const state = this.state;
    if (state.latchedBytes > 0) return;
    state.latchedCount = this.digits(tick);
    state.latchedBytes = state.access === RW.LSB_MSB && !state.readHigh ? 2 : 1;
  }

  /** Status latch of the read-back command; without effect while a latched status is unread. */
  latchStatus(tick: number): void {
    const state = this.state;
    if (state.latchedStatus >= 0) return;
    state.latchedStatus = this.status(tick);
  }

  /** The status byte. [82C54 figure 12] */
  status(tick: number): number {
    this.settle(tick);
    const state = this.state;
    const isNull = state.pending || tick < state.start;
    return (
      (this.output(tick) ? STATUS.OUTPUT : 0) |
      (isNull ? STATUS.NULL_COUNT : 0) |
      (state.access << 4) |
      ((state.mode & 7) << 1) |
      (state.bcd ? 1 : 0)
    );
  }

  /** Sets GATE. [82C54 figure 21] */
  setGate(tick: number, gate: boolean): void {
    this.settle(tick);
    const state = this.state;
    if (gate === state.gate) return;
    state.gate = gate;
    switch (state.mode) {
      case MODE.HARDWARE_ONE_SHOT:
      case MODE.HARDWARE_STROBE:
        if (gate && state.reload > 0) this.#load(tick);
        return;
      case MODE.RATE_GENERATOR:
      case MODE.SQUARE_WAVE:
        if (gate && state.loaded) this.#load(tick);
        else if (state.loaded) this.#stop(tick);
        return;
      default:
        if (!state.loaded) return;
        if (gate) this.#resume(tick);
        else this.#stop(tick);
    }
  }

  /** OUT. */
  output(tick: number): boolean {
    this.settle(tick);
    const state = this.state;
    if (!state.loaded) return state.mode !== MODE.INTERRUPT_ON_TERMINAL_COUNT;
    const elapsed = this.#elapsed(tick);
    switch (state.mode) {
      case MODE.INTERRUPT_ON_TERMINAL_COUNT:
      case MODE.HARDWARE_ONE_SHOT:
        return elapsed >= state.count;
      case MODE.RATE_GENERATOR:
        return !state.gate || elapsed % state.count !== state.count - 1;
      case MODE.SQUARE_WAVE:
        return !state.gate || elapsed % state.count < highTicks(state.count);
      default:
        return elapsed !== state.count;
    }
  }

  /** What the counting element holds: a binary number, 0 to 65536. */
  value(tick: number): number {
    this.settle(tick);
    const state = this.state;
    if (!state.loaded) return state.residue;
    const elapsed = Math.max(this.#elapsed(tick), 0);
    if (state.mode === MODE.RATE_GENERATOR) return state.count - (elapsed % state.count);
    if (state.mode === MODE.SQUARE_WAVE) return squareWaveValue(state.count, elapsed % state.count);
    const modulus = state.bcd ? 10000 : 0x10000;
    const value = (state.count - elapsed) % modulus;
    return value < 0 ? value + modulus : value;
  }

  /** The 16 bits that a read gives: binary or four BCD digits. */
  digits(tick: number): number {
    const value = this.value(tick);
    return this.state.bcd ? toBcd(value % 10000) : value & 0xffff;
  }

  /** The first tick after `tick` at which OUT rises, if nothing changes; Infinity for never. */
  nextRise(tick: number): number {
    const state = this.state;
    if (!state.loaded || state.stopped >= 0) return Infinity;
    switch (state.mode) {
      case MODE.INTERRUPT_ON_TERMINAL_COUNT:
      case MODE.HARDWARE_ONE_SHOT:
        return later(state.start + state.count, tick);
      case MODE.RATE_GENERATOR:
      case MODE.SQUARE_WAVE:
        return this.#nextPeriodicRise(tick);
      default:
        return later(state.start + state.count + 1, tick);
    }
  }

  /** How often OUT rises after tick `from`, up to and including tick `to`, if nothing changes. */
  risesBetween(from: number, to: number): number {
    const first = this.nextRise(from);
    if (first > to) return 0;
    return this.#isPeriodic() ? 1 + Math.floor((to - first) / this.state.count) : 1;
  }

  /** Lets a count written during a period of modes 2 and 3 take effect if its time has come by `tick`. */
  settle(tick: number): void {
    const state = this.state;
    if (state.reloadAt < 0 || tick < state.reloadAt) return;
    const atMiddle = (state.reloadAt - state.start) % state.count !== 0;
    state.start = atMiddle ? state.reloadAt - highTicks(state.reload) : state.reloadAt;
    this.#takeReload();
  }

  #isPeriodic(): boolean {
    return this.state.mode === MODE.RATE_GENERATOR || this.state.mode === MODE.SQUARE_WAVE;
  }

  #elapsed(tick: number): number {
    return this.state.stopped >= 0 ? this.state.stopped : tick - this.state.start;
  }

  #writeFirst(tick: number, value: number): void {
    this.state.writeLow = value;
    if (this.state.mode === MODE.INTERRUPT_ON_TERMINAL_COUNT) this.#unload(tick);
  }

  #setDigits(tick: number, digits: number): void {
    this.setCount(tick, this.state.bcd ? fromBcd(digits) : digits);
  }

  /** The new count waits for the end of the period in mode 2, of the half period in mode 3, or for the gate. */
  #reloadLater(tick: number): void {
    const state = this.state;
    state.pending = true;
    if (state.stopped >= 0 || state.reloadAt >= 0) return;
    const elapsed = Math.max(tick - state.start, 0);
    const begin = state.start + elapsed - (elapsed % state.count);
    const middle = begin + highTicks(state.count);
    state.reloadAt = state.mode === MODE.SQUARE_WAVE && tick < middle ? middle : begin + state.count;
  }

  /** The counting element takes the count at the next CLK and counts from there if the gate lets it. */
  #load(tick: number): void {
    const state = this.state;
    const needsGate = state.mode !== MODE.HARDWARE_ONE_SHOT && state.mode !== MODE.HARDWARE_STROBE;
    state.start = tick + 1;
    state.stopped = needsGate && !state.gate ? 0 : -1;
    state.loaded = true;
    this.#takeReload();
  }

  #takeReload(): void {
    const state = this.state;
    state.count = state.reload;
    state.pending = false;
    state.reloadAt = -1;
  }

  #unload(tick: number): void {
    const state = this.state;
    state.residue = this.value(tick);
    state.loaded = false;
    state.pending = true;
    state.reloadAt = -1;
    state.stopped = -1;
  }

  #stop(tick: number): void {
    const state = this.state;
    state.stopped = Math.max(tick - state.start, 0);
    state.reloadAt = -1;
  }

  #resume(tick: number): void {
    const state = this.state;
    if (tick >= state.start) state.start = tick - state.stopped;
    state.stopped = -1;
  }

  #nextPeriodicRise(tick: number): number {
    const state = this.state;
    if (state.reloadAt > tick) {
      const atMiddle = (state.reloadAt - state.start) % state.count !== 0;
      return atMiddle ? state.reloadAt + state.reload - highTicks(state.reload) : state.reloadAt;
    }
    if (state.count === 1) return Infinity;
    const periods = Math.floor((tick - state.start) / state.count) + 1;
    return state.start + Math.max(periods, 1) * state.count;
  }

  #countByte(count: number): number {
    const state = this.state;
    if (state.access === RW.LSB) return count & 0xff;
    if (state.access === RW.MSB) return count >> 8;
    state.readHigh = !state.readHigh;
    return state.readHigh ? count & 0xff : count >> 8;
  }
}

function later(tick: number, than: number): number {
  return tick > than ? tick : Infinity;
}

/** How long OUT is high in a period of mode 3. */
function highTicks(count: number): number {
  return (count + 1) >> 1;
}

/** The counting element in mode 3: it counts by two, from an even number. [82C54 "Mode 3"] */
function squareWaveValue(count: number, phase: number): number {
  const high = highTicks(count);
  const steps = phase < high ? phase : phase - high;
  return (count & ~1) - 2 * steps;
}

function toBcd(value: number): number {
  let digits = 0;
  for (let shift = 0, rest = value; shift < 16; shift += 4, rest = Math.floor(rest / 10))
    digits |= (rest % 10) << shift;
  return digits;
}

function fromBcd(digits: number): number {
  return (digits >> 12) * 1000 + ((digits >> 8) & 0xf) * 100 + ((digits >> 4) & 0xf) * 10 + (digits & 0xf);
}
