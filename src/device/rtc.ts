import { checkVersion, copyState, type Device } from "../bus/device.ts";
import type { InterruptLine } from "../bus/interrupt-line.ts";
import type { RegisterBlock } from "../bus/register-block.ts";
import type { Timer, TimerSource } from "../bus/timer.ts";
import * as spec from "../spec/mc146818.ts";
import {
  type CivilTime,
  civilFromSeconds,
  decodeByte,
  decodeHour,
  encodeByte,
  encodeHour,
  nextAlarm,
  secondsFromCivil,
} from "./rtc-time.ts";

const VERSION = 1;
const ENABLES = spec.B_PIE | spec.B_AIE | spec.B_UIE;

export interface RtcState {
  readonly version: number;
  index: number;
  /** The chip's 128 bytes: time, alarm, registers A to D, RAM. The time bytes are what was last read or written. */
  bytes: number[];
  /** Milliseconds from the host's wall clock to the guest's. */
  offset: number;
  /** The guest's second (since 1970) up to which updates and alarms were counted. */
  updatedSecond: number;
  /** The period up to which periodic events were counted. */
  countedPeriod: number;
}

/**
 * The MC146818 clock and RAM behind its two ports. Time passes with the host's wall clock plus an offset that the guest
 * may set; nothing runs while nobody looks, except for a timer while an interrupt is enabled.
 */
export class Rtc implements Device<RtcState>, RegisterBlock {
  // config
  readonly name = "rtc";
  readonly width = 1;
  // glue
  private readonly timers: TimerSource;
  private readonly interrupt: InterruptLine;
  private readonly timer: Timer;
  // state
  private state: RtcState = {
    version: VERSION,
    index: 0,
    bytes: new Array<number>(spec.RTC_BYTES).fill(0),
    offset: 0,
    updatedSecond: 0,
    countedPeriod: 0,
  };

  /** Room for one alarm and one time while they are computed. */
  private readonly alarm = { second: 0, minute: 0, hour: 0 };
  private readonly civil: CivilTime = { year: 0, month: 0, day: 0, weekday: 0, hour: 0, minute: 0, second: 0 };

  /** `contents`: initial bytes of the RAM by address. */
  constructor(
    glue: { timers: TimerSource; interrupt: InterruptLine },
    contents: ReadonlyMap<number, number> = new Map(),
  ) {
    this.timers = glue.timers;
    this.interrupt = glue.interrupt;
    this.timer = glue.timers.createTimer(() => this.update());
    this.state.bytes[spec.RTC_A] = spec.A_DV_32768HZ | 6;
    this.state.bytes[spec.RTC_B] = spec.B_24H;
    for (const [address, value] of contents) this.state.bytes[address] = value & 0xff;
    this.restartCounting();
    this.loadTimeBytes();
    this.reset();
  }

  /** The RESET pin ends interrupts; the battery keeps time and RAM. [MC146818 "RESET"] */
  reset(): void {
    this.state.index = 0;
    this.state.bytes[spec.RTC_B]! &= ~(ENABLES | spec.B_SQWE);
    this.state.bytes[spec.RTC_C] = 0;
    this.update();
  }

  snapshot(): RtcState {
    return copyState(this.state);
  }

  restore(state: RtcState): void {
    checkVersion(this.name, state, VERSION);
    this.state = copyState(state);
    this.state.index &= spec.RTC_INDEX_MASK;
    this.state.bytes = Array.from({ length: spec.RTC_BYTES }, (_, address) => (state.bytes[address] ?? 0) & 0xff);
    this.state.countedPeriod = this.period();
    this.update();
  }

  /** The index port cannot be read. */
  read(offset: number): number {
    return offset === spec.RTC_DATA ? this.readByte(this.state.index) : 0xff;
  }

  write(offset: number, _size: number, value: number): void {
    if (offset === spec.RTC_INDEX) this.state.index = value & spec.RTC_INDEX_MASK;
    else this.writeByte(this.state.index, value & 0xff);
  }

  private readByte(address: number): number {
    switch (address) {
      case spec.RTC_A:
        return this.registerA | (this.updateInProgress() ? spec.A_UIP : 0);
      case spec.RTC_C:
        return this.readC();
      case spec.RTC_D:
        return spec.D_VRT;
      default:
        if (isTime(address)) this.loadTimeBytes();
        return this.state.bytes[address]!;
    }
  }

  private writeByte(address: number, value: number): void {
    const bytes = this.state.bytes;
    switch (address) {
      case spec.RTC_A:
        this.writeA(value & ~spec.A_UIP);
        break;
      case spec.RTC_B:
        this.writeB(value);
        break;
      case spec.RTC_C:
      case spec.RTC_D:
        return;
      default:
        if (isTime(address)) this.loadTimeBytes();
        bytes[address] = value;
        if (isTime(address) && this.running) this.setTimeFromBytes(this.phase());
    }
    this.update();
  }

  // The time

  private get registerA(): number {
    return this.state.bytes[spec.RTC_A]!;
  }

  private get registerB(): number {
    return this.state.bytes[spec.RTC_B]!;
  }

  /** Updates happen: SET is clear and the divider chain is not held. */
  private get running(): boolean {
    return (this.registerB & spec.B_SET) === 0 && !dividerHeld(this.registerA);
  }

  /** The guest's time in ms since 1970. */
  private guestTime(): number {
    return this.timers.clock.wallClock() + this.state.offset;
  }

  private guestSecond(): number {
    return Math.floor(this.guestTime() / 1000);
  }

  /** Milliseconds into the guest's second. */
  private phase(): number {
    return this.guestTime() - this.guestSecond() * 1000;
  }

  /** The update ends where the second changes. [MC146818 "Update cycle"] */
  private updateInProgress(): boolean {
    return this.running && this.phase() >= 1000 - spec.RTC_UIP_LEAD_MS - spec.RTC_UPDATE_MS;
  }

  /** Brings the time bytes up to date, unless the guest has stopped them. */
  private loadTimeBytes(): void {
    if (!this.running) return;
    const { civil, registerB } = this;
    const bytes = this.state.bytes;
    civilFromSeconds(this.guestSecond(), civil);
    bytes[spec.RTC_SECONDS] = encodeByte(civil.second, registerB);
    bytes[spec.RTC_MINUTES] = encodeByte(civil.minute, registerB);
    bytes[spec.RTC_HOURS] = encodeHour(civil.hour, registerB);
    bytes[spec.RTC_DAY_OF_WEEK] = encodeByte(civil.weekday, registerB);
    bytes[spec.RTC_DAY_OF_MONTH] = encodeByte(civil.day, registerB);
    bytes[spec.RTC_MONTH] = encodeByte(civil.month, registerB);
    bytes[spec.RTC_YEAR] = encodeByte(((civil.year % 100) + 100) % 100, registerB);
    bytes[spec.RTC_CENTURY] = encodeByte(((Math.floor(civil.year / 100) % 100) + 100) % 100, registerB);
  }

  /** Makes the bytes the guest's time, `phase` ms into its second. */
  private setTimeFromBytes(phase: number): void {
    const { civil, registerB } = this;
    const bytes = this.state.bytes;
    civil.second = decodeByte(bytes[spec.RTC_SECONDS]!, registerB);
    civil.minute = decodeByte(bytes[spec.RTC_MINUTES]!, registerB);
    civil.hour = decodeHour(bytes[spec.RTC_HOURS]!, registerB);
    civil.day = decodeByte(bytes[spec.RTC_DAY_OF_MONTH]!, registerB);
    civil.month = decodeByte(bytes[spec.RTC_MONTH]!, registerB);
    civil.year = decodeByte(bytes[spec.RTC_CENTURY]!, registerB) * 100 + decodeByte(bytes[spec.RTC_YEAR]!, registerB);
    this.state.offset = secondsFromCivil(civil) * 1000 + phase - this.timers.clock.wallClock();
    this.restartCounting();
  }

  // Registers A to C

  private writeA(value: number): void {
    this.loadTimeBytes();
    const wasRunning = this.running;
    const released = dividerHeld(this.registerA) && !dividerHeld(value);
    this.state.bytes[spec.RTC_A] = value;
    if (!wasRunning && this.running) this.setTimeFromBytes(released ? spec.RTC_DIVIDER_RELEASE_MS : this.phase());
    this.state.countedPeriod = this.period();
  }

  /** Changing the data mode or the hours mode does not convert the bytes: the guest writes them anew. */
  private writeB(value: number): void {
    this.loadTimeBytes();
    const wasRunning = this.running;
    this.count();
    this.state.bytes[spec.RTC_B] = (value & spec.B_SET) !== 0 ? value & ~spec.B_UIE : value;
    if (!wasRunning && this.running) this.setTimeFromBytes(this.phase());
  }

  private readC(): number {
    this.update();
    const value = this.state.bytes[spec.RTC_C]!;
    this.state.bytes[spec.RTC_C] = 0;
    this.update();
    return value;
  }

  // Events

  private restartCounting(): void {
    this.state.updatedSecond = this.guestSecond();
    this.state.countedPeriod = this.period();
  }

  /** The rate of periodic events in Hz; 0 is none. [MC146818 table 5] */
  private get periodicRate(): number {
    const select = this.registerA & spec.A_RS;
    if (select === 0 || dividerHeld(this.registerA)) return 0;
    return spec.RTC_CRYSTAL_HZ >> (select < 3 ? select + 6 : select - 1);
  }

  /** The number of the current period. */
  private period(): number {
    return Math.floor((this.timers.clock.now() * this.periodicRate) / 1e9);
  }

  /** Sets the flags of what has happened since the last time. */
  private count(): void {
    const state = this.state;
    const period = this.period();
    const second = this.guestSecond();
    let flags = 0;
    if (period > state.countedPeriod) flags |= spec.C_PF;
    if (this.running && second > state.updatedSecond) {
      flags |= spec.C_UF;
      if (this.nextAlarm() <= second) flags |= spec.C_AF;
    }
    state.countedPeriod = period;
    state.updatedSecond = second;
    state.bytes[spec.RTC_C]! |= flags;
  }

  private nextAlarm(): number {
    const bytes = this.state.bytes;
    this.alarm.second = bytes[spec.RTC_SECONDS_ALARM]!;
    this.alarm.minute = bytes[spec.RTC_MINUTES_ALARM]!;
    this.alarm.hour = bytes[spec.RTC_HOURS_ALARM]!;
    return nextAlarm(this.state.updatedSecond, this.alarm, this.registerB);
  }

  /** Counts, drives the interrupt and sets the timer for the next event that would change it. */
  private update(): void {
    this.count();
    const raised = (this.state.bytes[spec.RTC_C]! & this.registerB & ENABLES) !== 0;
    if (raised) this.state.bytes[spec.RTC_C]! |= spec.C_IRQF;
    else this.state.bytes[spec.RTC_C]! &= ~spec.C_IRQF;
    this.interrupt.set(raised);
    const next = raised ? Number.POSITIVE_INFINITY : this.nextEvent();
    if (next === Number.POSITIVE_INFINITY) this.timer.disarm();
    else this.timer.arm(next);
  }

  /** Machine time in ns of the next event whose interrupt is enabled; Infinity if there is none. */
  private nextEvent(): number {
    const { registerB, running, periodicRate } = this;
    let next = Number.POSITIVE_INFINITY;
    if ((registerB & spec.B_PIE) !== 0 && periodicRate > 0) {
      next = Math.ceil(((this.state.countedPeriod + 1) * 1e9) / periodicRate);
    }
    if (running && (registerB & spec.B_UIE) !== 0)
      next = Math.min(next, this.machineTimeOf(this.state.updatedSecond + 1));
    else if (running && (registerB & spec.B_AIE) !== 0) next = Math.min(next, this.machineTimeOf(this.nextAlarm()));
    return next;
  }

  private machineTimeOf(guestSecond: number): number {
    return this.timers.clock.now() + (guestSecond * 1000 - this.guestTime()) * 1e6;
  }
}

function isTime(address: number): boolean {
  return (address <= spec.RTC_YEAR && !isAlarm(address)) || address === spec.RTC_CENTURY;
}

function isAlarm(address: number): boolean {
  return address === spec.RTC_SECONDS_ALARM || address === spec.RTC_MINUTES_ALARM || address === spec.RTC_HOURS_ALARM;
}

function dividerHeld(registerA: number): boolean {
  return (registerA & spec.A_DV_RESET) === spec.A_DV_RESET;
}
