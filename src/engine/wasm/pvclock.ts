import { create } from "../../base/struct-layout.ts";
import type { VmClock } from "../../kvm/clock.ts";
import type { GuestMemory } from "../../memory/guest-memory.ts";
import { PVCLOCK_TSC_STABLE_BIT, pvclock_vcpu_time_info, pvclock_wall_clock } from "../../spec/kvm/paravirt.ts";
import type { TimeStampCounter } from "./time-stamp-counter.ts";

/** Shift and multiplier that turn TSC ticks into ns. */
export function timeScale(khz: number): { shift: number; multiplier: number } {
  let shift = 0;
  let scaled = 1e6 / khz;
  while (scaled >= 1) {
    scaled /= 2;
    shift++;
  }
  while (scaled < 0.5) {
    scaled *= 2;
    shift--;
  }
  return { shift, multiplier: Math.floor(scaled * 0x1_0000_0000) >>> 0 };
}

/** kvmclock: the pages in which a guest reads the time without an exit. [Documentation/virt/kvm/x86/msr.rst] */
export class Pvclock {
  readonly #memory: GuestMemory;
  readonly #clock: VmClock;
  readonly #tsc: TimeStampCounter;
  #version = 0;
  /** Where the time record is, or -1. */
  #record = -1;
  /** The clocks were set: the record is to be made anew. */
  stale = false;

  constructor(memory: GuestMemory, clock: VmClock, tsc: TimeStampCounter) {
    this.#memory = memory;
    this.#clock = clock;
    this.#tsc = tsc;
  }

  /** MSR_KVM_SYSTEM_TIME_NEW: with bit 0 set the vCPU's time record is at `gpa`, and kept up to date. */
  enable(gpa: number, enabled: boolean): void {
    this.#record = enabled ? gpa : -1;
    this.stale = true;
    this.update();
  }

  /** Makes the guest's time record anew, if that is due. */
  update(): void {
    if (!this.stale) return;
    this.stale = false;
    if (this.#record >= 0) this.#writeRecord(this.#record);
  }

  /** Both times are of one moment: the records of several vCPUs, whose counters are alike, then tell the same time. */
  #writeRecord(gpa: number): void {
    const moment = this.#clock.host.now();
    const record = create(pvclock_vcpu_time_info);
    const { shift, multiplier } = timeScale(this.#tsc.khz);
    this.#version += 2;
    record.version = this.#version;
    record.tsc_timestamp_num = this.#tsc.read(moment);
    record.system_time_num = Math.max(0, Math.floor(this.#clock.now(moment)));
    record.tsc_to_system_mul = multiplier;
    record.tsc_shift = shift;
    record.flags = PVCLOCK_TSC_STABLE_BIT;
    this.#store(gpa, record.bytes);
  }

  /** MSR_KVM_WALL_CLOCK_NEW: the wall-clock time at kvmclock 0 goes to `gpa`. */
  writeWallClock(gpa: number): void {
    const ms = this.#clock.host.wallClock() - this.#clock.now() / 1e6;
    const sec = Math.floor(ms / 1000);
    this.#store(gpa, create(pvclock_wall_clock, { version: 2, sec, nsec: Math.floor((ms - sec * 1000) * 1e6) }).bytes);
  }

  /** A guest that names an address outside memory gets nothing, as with KVM. */
  #store(gpa: number, bytes: Uint8Array): void {
    if (this.#memory.contains(gpa, bytes.length)) this.#memory.write(gpa, bytes);
  }
}
