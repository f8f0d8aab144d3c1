import { describe, expect, test } from "vitest";
import { ManualClock } from "../base/clock.ts";
import { LatchedLine } from "../bus/interrupt-line.ts";
import { PortSpace } from "../bus/pio.ts";
import { TimerQueue } from "../bus/timer.ts";
import { AcpiPm } from "./acpi-pm.ts";

function create(timerBits: 24 | 32 = 32) {
  const clock = new ManualClock();
  const timers = new TimerQueue(clock);
  const sci = new LatchedLine();
  let powerOffs = 0;
  const pm = new AcpiPm({ timerBits, s5SleepType: 5 }, { timers, sci, onPowerOff: () => powerOffs++ });
  const ports = new PortSpace();
  ports.claim("events", 0x600, 4, pm.events);
  ports.claim("control", 0x604, 2, pm.control);
  ports.claim("timer", 0x608, 4, pm.timer);
  return { clock, timers, sci, pm, ports, powerOffs: () => powerOffs };
}

describe("the PM timer [ACPI 6.5 4.8.2.1]", () => {
  test("counts 3.579545 MHz, exactly, for days", () => {
    const { clock, ports } = create();
    clock.time = 1e9;
    expect(ports.read(0x608, 4)).toBe(3579545);
    clock.time = 30 * 86400 * 1e9 + 500_000_000;
    expect(ports.read(0x608, 4)).toBe(Number(((3579545n * (30n * 86400n * 2n + 1n)) / 2n) % 2n ** 32n));
  });

  test("has 24 bits if it is built so", () => {
    const { clock, ports } = create(24);
    clock.time = 5e9;
    expect(ports.read(0x608, 4)).toBe((5 * 3579545) & 0xff_ffff);
    expect(ports.read(0x609, 1)).toBe(((5 * 3579545) >> 8) & 0xff);
  });

  test("raises the SCI when its top bit changes, if enabled", () => {
    const { clock, timers, sci, ports } = create(24);
    ports.write(0x602, 2, 0x0001);
    const half = Math.ceil((2 ** 23 * 1e9) / 3579545);
    expect(timers.nextDeadline()).toBe(half);
    clock.time = half;
    timers.runExpired();
    expect([sci.level, ports.read(0x600, 2)]).toEqual([true, 0x0001]);
    ports.write(0x600, 2, 0x0001);
    expect([sci.level, ports.read(0x600, 2)]).toEqual([false, 0]);
    expect(timers.nextDeadline()).toBe(Math.ceil((2 ** 24 * 1e9) / 3579545));
  });
});

test("SLP_EN with S5's SLP_TYP powers off; others do nothing; SCI_EN reads as one [ACPI 6.5 4.8.3.2]", () => {
  const { ports, powerOffs } = create();
  expect(ports.read(0x604, 2)).toBe(0x0001);
  ports.write(0x604, 2, (5 << 10) | 1);
  ports.write(0x604, 2, (3 << 10) | (1 << 13));
  expect(powerOffs()).toBe(0);
  expect(ports.read(0x604, 2)).toBe((3 << 10) | 1);
  ports.write(0x604, 2, (5 << 10) | (1 << 13));
  expect(powerOffs()).toBe(1);
  ports.write(0x605, 1, (5 << 2) | (1 << 5));
  expect(powerOffs()).toBe(2);
});

test("the power button asks the guest through the SCI", () => {
  const { pm, sci, ports } = create();
  ports.write(0x602, 2, 0x0100);
  expect(sci.level).toBe(false);
  pm.pressPowerButton();
  expect([sci.level, ports.read(0x600, 2), ports.read(0x600, 4)]).toEqual([true, 0x0100, 0x0100_0100]);
  ports.write(0x601, 1, 0x01);
  expect([sci.level, ports.read(0x600, 2)]).toEqual([false, 0]);
});

test("a snapshot carries status, enable and control", () => {
  const { pm, ports } = create();
  ports.write(0x602, 2, 0x0120);
  ports.write(0x604, 2, 5 << 10);
  pm.pressPowerButton();
  const other = create();
  other.pm.restore(JSON.parse(JSON.stringify(pm.snapshot())));
  expect([other.sci.level, other.ports.read(0x600, 4), other.ports.read(0x604, 2)]).toEqual([
    true,
    0x0120_0100,
    0x1401,
  ]);
});
