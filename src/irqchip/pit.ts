import type { Clock } from "../base/clock.ts";
import {
  MODE,
  PIT_FREQUENCY,
  PIT_PORT,
  READ_BACK,
  READ_BACK_COMMAND,
  REFRESH_SHIFT,
  RW,
  SPEAKER,
} from "../spec/i8254.ts";
import { type CounterState, I8254Counter } from "./i8254-counter.ts";

export interface PitState {
  counters: CounterState[];
  /** The tick up to which counter 0's edges have been delivered. */
  seen: number;
  /** OUT of counter 0, as last told. */
  output: boolean;
  /** Interrupts of counter 0 that the guest has not had room for yet. */
  missed: number;
  speakerData: boolean;
  /** Counter 0 drives nothing: a HPET replaces it. */
  hpetLegacy: boolean;
}

export interface PitConfig {
  /** Answer at port 0x61. [KVM_PIT_SPEAKER_DUMMY] */
  speaker: boolean;
  /** Give the guest later the interrupts that it missed. [KVM_REINJECT_CONTROL] */
  reinject: boolean;
}

export interface PitGlue {
  readonly clock: Clock;
  /** OUT of counter 0 changed. Returns above 0 if that made an interrupt, 0 if the one before is still waiting, below 0 if nobody wants it. */
  output(level: boolean): number;
}

/**
 * The 8254 of a PC: counter 0 drives IRQ 0, counter 2 the speaker, gated by port 0x61. It does not run by itself:
 * `nextDeadline` says when counter 0's OUT rises next, and `advance` delivers what has passed.
 * OUT's falling edges are told late, together with the next rising one: only for edge-triggered inputs.
 */
export class Pit {
  readonly config: PitConfig;
  readonly glue: PitGlue;
  readonly counters: readonly [I8254Counter, I8254Counter, I8254Counter];
  seen = 0;
  output = true;
  missed = 0;
  speakerData = false;
  hpetLegacy = false;

  constructor(config: PitConfig, glue: PitGlue) {
    this.config = { ...config };
    this.glue = glue;
    this.counters = [new I8254Counter(true), new I8254Counter(true), new I8254Counter(false)];
    this.seen = ticksAt(glue.clock.now());
  }

  /** Whether `port` belongs to the PIT. */
  owns(port: number): boolean {
    return isPitPort(port, this.config.speaker);
  }

  /** A byte from one of the PIT's ports. */
  read(port: number): number {
    const now = this.glue.clock.now();
    if (port === PIT_PORT.SPEAKER) return this.#readSpeaker(now);
    if (port === PIT_PORT.CONTROL) return 0;
    return this.counters[port & 3]!.read(ticksAt(now));
  }

  /** A byte to one of the PIT's ports. */
  write(port: number, value: number): void {
    const now = this.glue.clock.now();
    this.advance(now);
    const tick = ticksAt(now);
    if (port === PIT_PORT.SPEAKER) return this.#writeSpeaker(tick, value);
    if (port === PIT_PORT.CONTROL) this.#writeControl(tick, value);
    else this.counters[port & 3]!.write(tick, value);
    this.follow(tick);
  }

  /** When `advance` is to be called, in ns; Infinity for never. */
  nextDeadline(): number {
    if (this.hpetLegacy) return Infinity;
    return timeOf(this.counters[0].nextRise(this.seen));
  }

  /** Delivers counter 0's edges up to `now`. */
  advance(now: number): void {
    const tick = ticksAt(now);
    if (tick <= this.seen) return;
    const rises = this.counters[0].risesBetween(this.seen, tick);
    this.seen = tick;
    if (rises > 0) this.#interrupt(rises);
    this.follow(tick);
  }

  /** The guest finished with an interrupt of counter 0: the moment to give it one that it missed. */
  acked(): void {
    if (this.missed === 0) return;
    this.missed--;
    this.#interrupt(1);
    this.follow(this.seen);
  }

  /** Brings the output line to OUT of counter 0. For use after a change of its state. */
  follow(tick: number): void {
    const level = this.counters[0].output(tick);
    if (level === this.output || this.hpetLegacy) return;
    this.output = level;
    this.glue.output(level);
  }

  save(): PitState {
    const { seen, output, missed, speakerData, hpetLegacy } = this;
    return {
      counters: this.counters.map(({ state }) => ({ ...state })),
      seen,
      output,
      missed,
      speakerData,
      hpetLegacy,
    };
  }

  restore(state: PitState): void {
    this.counters.forEach((counter, index) => {
      counter.state = { ...state.counters[index]! };
    });
    this.seen = state.seen;
    this.output = state.output;
    this.missed = state.missed;
    this.speakerData = state.speakerData;
    this.hpetLegacy = state.hpetLegacy;
  }

  #interrupt(rises: number): void {
    if (this.hpetLegacy) return;
    if (this.output) this.glue.output(false);
    this.output = true;
    const result = this.glue.output(true);
    if (this.config.reinject && result >= 0) this.missed += rises - (result > 0 ? 1 : 0);
  }

  #writeControl(tick: number, value: number): void {
    const select = value >> 6;
    if (select === READ_BACK) return this.#readBack(tick, value);
    const counter = this.counters[select]!;
    const access = (value >> 4) & 3;
    if (access === RW.COUNTER_LATCH) return counter.latchCount(tick);
    const mode = (value >> 1) & 7;
    counter.program(tick, access, mode > MODE.HARDWARE_STROBE ? mode & 3 : mode, (value & 1) !== 0);
    if (select === 0) this.missed = 0;
  }

  #readBack(tick: number, value: number): void {
    for (let index = 0; index < 3; index++) {
      if (!(value & (2 << index))) continue;
      if (!(value & READ_BACK_COMMAND.NOT_COUNT)) this.counters[index]!.latchCount(tick);
      if (!(value & READ_BACK_COMMAND.NOT_STATUS)) this.counters[index]!.latchStatus(tick);
    }
  }

  #readSpeaker(now: number): number {
    const counter = this.counters[2];
    return (
      (counter.state.gate ? SPEAKER.TIMER2_GATE : 0) |
      (this.speakerData ? SPEAKER.DATA_ENABLE : 0) |
      (Math.floor(now / (1 << REFRESH_SHIFT)) % 2 ? SPEAKER.REFRESH_TOGGLE : 0) |
      (counter.output(ticksAt(now)) ? SPEAKER.TIMER2_OUT : 0)
    );
  }

  #writeSpeaker(tick: number, value: number): void {
    this.speakerData = (value & SPEAKER.DATA_ENABLE) !== 0;
    this.counters[2].setGate(tick, (value & SPEAKER.TIMER2_GATE) !== 0);
  }
}

/** Whether a port is the PIT's, whose port 0x61 is there with `speaker`. */
export function isPitPort(port: number, speaker: boolean): boolean {
  return (port & ~3) === PIT_PORT.COUNTER0 || (speaker && port === PIT_PORT.SPEAKER);
}

/** Pulses of CLK up to a time in ns. */
export function ticksAt(time: number): number {
  return Math.floor((time * PIT_FREQUENCY) / 1e9);
}

/** The first whole ns at which `tick` pulses of CLK have passed. */
export function timeOf(tick: number): number {
  let time = Math.ceil((tick * 1e9) / PIT_FREQUENCY);
  while (ticksAt(time) < tick) time++;
  return time;
}
