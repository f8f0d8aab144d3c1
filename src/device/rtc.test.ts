import { describe, expect, test } from "vitest";
import { ManualClock } from "../base/clock.ts";
import { LatchedLine } from "../bus/interrupt-line.ts";
import { TimerQueue } from "../bus/timer.ts";
import { Rtc } from "./rtc.ts";
import { type CivilTime, civilFromSeconds, secondsFromCivil } from "./rtc-time.ts";

const MS = 1e6;

function create(utc = "2026-11-22T13:45:59.000Z") {
  const clock = new ManualClock();
  clock.epoch = Date.parse(utc);
  const timers = new TimerQueue(clock);
  const interrupt = new LatchedLine();
  const rtc = new Rtc({ timers, interrupt }, new Map([[0x15, 0x80]]));
  return {
    clock,
    timers,
    interrupt,
    rtc,
    get(address: number) {
      rtc.write(0, 1, address);
      return rtc.read(1);
    },
    set(address: number, value: number) {
      rtc.write(0, 1, address);
      rtc.write(1, 1, value);
    },
    advance(ms: number) {
      clock.time += ms * MS;
      timers.runExpired();
    },
  };
}

type Fixture = ReturnType<typeof create>;
const time = (rtc: Fixture) => [0x32, 9, 8, 7, 4, 2, 0].map((address) => rtc.get(address).toString(16));

test("calendar arithmetic agrees with Date for every day of 1970 to 2110", () => {
  const civil: CivilTime = { year: 0, month: 0, day: 0, weekday: 0, hour: 0, minute: 0, second: 0 };
  for (let seconds = 86399; seconds < 140 * 366 * 86400; seconds += 86400) {
    civilFromSeconds(seconds, civil);
    const date = new Date(seconds * 1000);
    const want = [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCDay() + 1, 23, 59, 59];
    const { year, month, day, weekday, hour, minute, second } = civil;
    if (
      secondsFromCivil(civil) !== seconds ||
      want.join() !== [year, month, day, weekday, hour, minute, second].join()
    ) {
      expect([year, month, day, weekday, hour, minute, second]).toEqual(want);
    }
  }
});

describe("the time", () => {
  test("is the wall clock in UTC, BCD and 24-hour after power-on", () => {
    const rtc = create();
    expect(time(rtc)).toEqual(["20", "26", "11", "22", "13", "45", "59"]);
    expect(rtc.get(6)).toBe(1);
    rtc.advance(1000);
    expect(time(rtc)).toEqual(["20", "26", "11", "22", "13", "46", "0"]);
  });

  test("in binary and in 12-hour mode [Register B]", () => {
    const rtc = create();
    rtc.set(0x0b, 0x06);
    expect([rtc.get(9), rtc.get(4), rtc.get(0)]).toEqual([26, 13, 59]);
    rtc.set(0x0b, 0x00);
    expect(rtc.get(4)).toBe(0x81);
    rtc.set(0x0b, 0x04);
    expect(rtc.get(4)).toBe(0x81);
    expect(create("2026-01-01T00:10:00Z").get(4)).toBe(0x00);
    const midnight = create("2026-01-01T00:10:00Z");
    midnight.set(0x0b, 0x00);
    expect(midnight.get(4)).toBe(0x12);
  });

  test("stands still while SET is 1 and goes on from what was written", () => {
    const rtc = create();
    rtc.set(0x0b, 0x82);
    rtc.advance(5000);
    expect(time(rtc)).toEqual(["20", "26", "11", "22", "13", "45", "59"]);
    for (const [address, value] of [
      [0x32, 0x19],
      [9, 0x99],
      [8, 0x12],
      [7, 0x31],
      [4, 0x23],
      [2, 0x59],
      [0, 0x58],
    ] as const)
      rtc.set(address, value);
    rtc.set(0x0b, 0x02);
    rtc.advance(2000);
    expect(time(rtc)).toEqual(["20", "0", "1", "1", "0", "0", "0"]);
  });

  test("the first update is 500 ms after the divider is released", () => {
    const rtc = create();
    rtc.advance(123);
    rtc.set(0x0a, 0x76);
    rtc.set(0, 0x10);
    rtc.advance(7777);
    rtc.set(0x0a, 0x26);
    expect(rtc.get(0)).toBe(0x10);
    rtc.advance(499);
    expect(rtc.get(0)).toBe(0x10);
    rtc.advance(1);
    expect(rtc.get(0)).toBe(0x11);
  });

  test("UIP is 1 from 2.228 ms before a second to its start, and never while SET is 1 [table 5]", () => {
    const rtc = create();
    const uip = () => rtc.get(0x0a) >> 7;
    rtc.advance(997.7);
    expect(uip()).toBe(0);
    rtc.advance(0.1);
    expect(uip()).toBe(1);
    rtc.set(0x0b, 0x82);
    expect(uip()).toBe(0);
    rtc.set(0x0b, 0x02);
    expect(uip()).toBe(1);
    rtc.advance(2.2);
    expect(uip()).toBe(0);
  });
});

describe("interrupts", () => {
  test("update ended: once a second until register C is read", () => {
    const rtc = create();
    rtc.get(0x0c);
    rtc.set(0x0b, 0x12);
    rtc.advance(999);
    expect(rtc.interrupt.level).toBe(false);
    rtc.advance(1);
    expect(rtc.interrupt.level).toBe(true);
    rtc.advance(3000);
    expect(rtc.interrupt.edges).toBe(1);
    expect(rtc.get(0x0c) & 0xb0).toBe(0x90);
    expect(rtc.interrupt.level).toBe(false);
    rtc.advance(1000);
    expect(rtc.interrupt.edges).toBe(2);
  });

  test("periodic: at the rate of RS, 1024 Hz for 6", () => {
    const rtc = create();
    rtc.set(0x0a, 0x26);
    rtc.get(0x0c);
    rtc.set(0x0b, 0x42);
    let count = 0;
    for (let step = 0; step < 10000; step++) {
      rtc.advance(0.1);
      if (rtc.interrupt.level) {
        expect(rtc.get(0x0c) & 0xc0).toBe(0xc0);
        count++;
      }
    }
    expect(count).toBe(1024);
  });

  test.each([
    ["exact", [0x00, 0x46, 0x13], 1],
    ["any second, exact minute", [0xff, 0x47, 0x13], 61],
    ["any", [0xc0, 0xc0, 0xc0], 1],
    ["tomorrow", [0x59, 0x45, 0x13], 86400],
  ])("alarm: %s", (_name, [second, minute, hour], after) => {
    const rtc = create();
    [second, minute, hour].forEach((value, index) => {
      rtc.set(1 + 2 * index, value!);
    });
    rtc.get(0x0c);
    rtc.set(0x0b, 0x22);
    expect(rtc.timers.nextDeadline()).toBe(after * 1000 * MS);
    rtc.advance(after * 1000 - 1);
    expect(rtc.interrupt.level).toBe(false);
    rtc.advance(1);
    expect(rtc.get(0x0c) & 0xa0).toBe(0xa0);
  });

  test("an alarm that no time matches never comes", () => {
    const rtc = create();
    rtc.set(1, 0x7a);
    rtc.set(0x0b, 0x22);
    expect(rtc.timers.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
  });

  test("the flags come without their enables, and then interrupt nobody", () => {
    const rtc = create();
    rtc.set(1, 0x00);
    rtc.set(3, 0x46);
    rtc.set(5, 0x13);
    rtc.get(0x0c);
    rtc.advance(1500);
    expect(rtc.get(0x0c)).toBe(0x70);
    expect(rtc.get(0x0c)).toBe(0x00);
    expect(rtc.interrupt.edges).toBe(0);
  });
});

test("RAM keeps its bytes over a reset, which ends interrupts [RESET]", () => {
  const rtc = create();
  rtc.set(0x0b, 0x72);
  rtc.set(0x40, 0xa5);
  rtc.rtc.reset();
  expect([rtc.get(0x15), rtc.get(0x40), rtc.get(0x0b), rtc.get(0x0d)]).toEqual([0x80, 0xa5, 0x02, 0x80]);
});

test("a snapshot carries a time that the guest has set", () => {
  const rtc = create();
  rtc.set(4, 0x20);
  const other = create("2026-11-22T13:50:59.000Z");
  other.rtc.restore(JSON.parse(JSON.stringify(rtc.rtc.snapshot())));
  expect(time(other)).toEqual(["20", "26", "11", "22", "20", "50", "59"]);
});
