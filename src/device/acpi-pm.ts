import { checkVersion, type Device } from "../bus/device.ts";
import type { InterruptLine } from "../bus/interrupt-line.ts";
import type { RegisterBlock } from "../bus/register-block.ts";
import type { Timer, TimerSource } from "../bus/timer.ts";
import * as spec from "../spec/acpi-pm.ts";

const VERSION = 1;

export interface AcpiPmState {
  readonly version: number;
  status: number;
  enable: number;
  control: number;
  /** The timer's count of ticks, unwrapped, up to which TMR_STS was set. */
  countedTicks: number;
}

export interface AcpiPmConfig {
  /** 24 or 32; the FADT's TMR_VAL_EXT must say the same. */
  readonly timerBits: 24 | 32;
  /** SLP_TYP of \_S5, "soft off"; the DSDT must say the same. */
  readonly s5SleepType: number;
}

export interface AcpiPmGlue {
  timers: TimerSource;
  /** The system control interrupt, level-triggered. */
  sci: InterruptLine;
  onPowerOff(): void;
}

/**
 * ACPI fixed hardware: the PM1a event and control blocks and the PM timer. [ACPI 6.5 4.8] The machine is in ACPI mode from
 * the start (SCI_EN reads as one), so there is no SMI command port.
 */
export class AcpiPm implements Device<AcpiPmState> {
  // config
  readonly name = "acpi-pm";
  private readonly config: AcpiPmConfig;
  readonly events: RegisterBlock = {
    width: 2,
    read: (offset) => this.readEvents(offset),
    write: (offset, size, value) => this.writeEvents(offset, size, value),
  };
  readonly control: RegisterBlock = {
    width: 2,
    read: (offset) => (this.pm1Control | spec.PM1_SCI_EN) >> (offset * 8),
    write: (offset, size, value) => this.writeControl(merge(this.pm1Control, offset, size, value)),
  };
  readonly timer: RegisterBlock = { width: 4, read: (offset) => this.count() >>> (offset * 8), write() {} };
  // glue
  private readonly glue: AcpiPmGlue;
  private readonly overflow: Timer;
  // state
  private status = 0;
  private enable = 0;
  private pm1Control = 0;
  private countedTicks = 0;

  constructor(config: AcpiPmConfig, glue: AcpiPmGlue) {
    this.config = config;
    this.glue = glue;
    this.overflow = glue.timers.createTimer(() => this.update());
  }

  reset(): void {
    this.restore({ version: VERSION, status: 0, enable: 0, control: 0, countedTicks: this.ticks() });
  }

  snapshot(): AcpiPmState {
    const { status, enable, pm1Control, countedTicks } = this;
    return { version: VERSION, status, enable, control: pm1Control, countedTicks };
  }

  restore(state: AcpiPmState): void {
    checkVersion(this.name, state, VERSION);
    this.status = state.status & spec.PM1_STATUS_MASK;
    this.enable = state.enable & spec.PM1_ENABLE_MASK;
    this.pm1Control = state.control & 0xffff;
    this.countedTicks = Math.min(state.countedTicks, this.ticks());
    this.update();
  }

  /** The user pressed the power button: the guest is asked to shut down. [ACPI 6.5 4.8.3.1.1] */
  pressPowerButton(): void {
    this.status |= spec.PM1_PWRBTN_STS;
    this.update();
  }

  /** Ticks since the machine started; split at the second so that the product stays exact. */
  private ticks(): number {
    const now = this.glue.timers.clock.now();
    const seconds = Math.floor(now / 1e9);
    return seconds * spec.PM_TIMER_HZ + Math.floor(((now - seconds * 1e9) * spec.PM_TIMER_HZ) / 1e9);
  }

  private count(): number {
    const ticks = this.ticks() % 2 ** 32;
    return this.config.timerBits === 24 ? ticks & 0xff_ffff : ticks >>> 0;
  }

  private readEvents(offset: number): number {
    this.update();
    return ((this.enable << 16) | this.status) >>> (offset * 8);
  }

  /** Status bits are cleared by writing ones. */
  private writeEvents(offset: number, size: number, value: number): void {
    this.update();
    if (offset < spec.PM1_EN) this.status &= ~merge(0, offset, size, value);
    else this.enable = merge(this.enable, offset - spec.PM1_EN, size, value) & spec.PM1_ENABLE_MASK;
    this.update();
  }

  /** SLP_EN is write-only: it starts the sleep that SLP_TYP names. Of the sleeping states there is only S5. */
  private writeControl(value: number): void {
    this.pm1Control = value & ~(spec.PM1_SLP_EN | spec.PM1_SCI_EN);
    const sleepType = (value & spec.PM1_SLP_TYP) >> spec.PM1_SLP_TYP_SHIFT;
    if ((value & spec.PM1_SLP_EN) !== 0 && sleepType === this.config.s5SleepType) this.glue.onPowerOff();
  }

  /** TMR_STS is set whenever the timer's top bit changes. [ACPI 6.5 4.8.3.1.1] */
  private update(): void {
    const half = 2 ** (this.config.timerBits - 1);
    const ticks = this.ticks();
    if (Math.floor(ticks / half) > Math.floor(this.countedTicks / half)) this.status |= spec.PM1_TMR_STS;
    this.countedTicks = ticks;
    this.glue.sci.set((this.status & this.enable) !== 0);
    const waits = (this.enable & ~this.status & spec.PM1_TMR_EN) !== 0;
    if (waits) this.overflow.arm(Math.ceil(((Math.floor(ticks / half) + 1) * half * 1e9) / spec.PM_TIMER_HZ));
    else this.overflow.disarm();
  }
}

/** `old` with `size` bytes at `offset` replaced. */
function merge(old: number, offset: number, size: number, value: number): number {
  const mask = (size === 1 ? 0xff : 0xffff) << (offset * 8);
  return (old & ~mask) | ((value << (offset * 8)) & mask);
}
