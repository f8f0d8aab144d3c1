import { expect, test } from "vitest";
import { ManualClock } from "../../base/clock.ts";
import { view } from "../../base/struct-layout.ts";
import { VmClock } from "../../kvm/clock.ts";
import { createFlatMemory } from "../../memory/slot-memory.ts";
import { pvclock_vcpu_time_info, pvclock_wall_clock } from "../../spec/kvm/paravirt.ts";
import { Pvclock, timeScale } from "./pvclock.ts";
import { TimeStampCounter } from "./time-stamp-counter.ts";

/** The time that a guest computes from its record. */
function guestTime(record: Uint8Array, tsc: bigint): bigint {
  const { tsc_timestamp, tsc_shift, tsc_to_system_mul, system_time } = view(pvclock_vcpu_time_info, record);
  const delta = tsc - tsc_timestamp;
  const shifted = tsc_shift < 0 ? delta >> BigInt(-tsc_shift) : delta << BigInt(tsc_shift);
  return system_time + ((shifted * BigInt(tsc_to_system_mul)) >> 32n);
}

test.each([1000, 999_999, 1_000_000, 1_000_001, 2_400_000, 4_294_967])("%i kHz become ns", (khz) => {
  const { shift, multiplier } = timeScale(khz);
  expect(multiplier).toBeGreaterThanOrEqual(2 ** 31);
  expect(multiplier).toBeLessThan(2 ** 32);
  const ns = (2 ** shift * multiplier) / 2 ** 32;
  expect(Math.abs(ns / (1e6 / khz) - 1)).toBeLessThan(2 ** -31);
});

test("the guest's time is kvmclock, now and later", () => {
  const clock = new ManualClock();
  const memory = createFlatMemory(0x1000);
  const tsc = new TimeStampCounter(clock, 2_400_000);
  const pvclock = new Pvclock(memory, new VmClock(clock), tsc);
  clock.time = 5_000_000;
  pvclock.enable(0x100, true);
  const record = memory.view(0x100, 32)!;
  expect(view(pvclock_vcpu_time_info, record).version & 1).toBe(0);
  for (const time of [5_000_000, 5_001_000, 1_000_000_000]) {
    clock.time = time;
    expect(Math.abs(Number(guestTime(record, BigInt(tsc.read()))) - time)).toBeLessThanOrEqual(2);
  }
});

test("vCPUs with the same counter have the same time, however long making a record takes", () => {
  const clock = new ManualClock();
  const slow = { now: () => (clock.time += 1000), wallClock: () => 0 };
  const memory = createFlatMemory(0x1000);
  const vmClock = new VmClock(slow);
  const times = [0, 0x100].map((gpa) => {
    new Pvclock(memory, vmClock, new TimeStampCounter(slow, 1_000_000)).enable(gpa, true);
    return guestTime(memory.view(gpa, 32)!, 1_000_000n);
  });
  expect(times[0]).toBe(times[1]);
});

test("the record is made anew when it is stale, and not when it is off", () => {
  const clock = new ManualClock();
  const memory = createFlatMemory(0x1000);
  const pvclock = new Pvclock(memory, new VmClock(clock), new TimeStampCounter(clock, 1_000_000));
  pvclock.enable(0, true);
  const version = memory.readU32(0);
  pvclock.update();
  expect(memory.readU32(0)).toBe(version);
  pvclock.stale = true;
  pvclock.update();
  expect(memory.readU32(0)).toBe(version + 2);
  pvclock.enable(0, false);
  pvclock.stale = true;
  pvclock.update();
  expect(memory.readU32(0)).toBe(version + 2);
});

test("the wall clock at kvmclock 0; an address outside memory is nobody's harm", () => {
  const clock = new ManualClock();
  clock.epoch = 1_700_000_000_250;
  const memory = createFlatMemory(0x1000);
  const pvclock = new Pvclock(memory, new VmClock(clock), new TimeStampCounter(clock, 1_000_000));
  clock.time = 3e9;
  pvclock.writeWallClock(0x40);
  expect(view(pvclock_wall_clock, memory.view(0x40, 12)!)).toMatchObject({ sec: 1_700_000_000, nsec: 250_000_000 });
  pvclock.writeWallClock(0xffff_0000);
  pvclock.enable(0xffe, true);
});
