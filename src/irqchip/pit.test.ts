import { describe, expect, test } from "vitest";
import { ManualClock } from "../base/clock.ts";
import { Pit, ticksAt, timeOf } from "./pit.ts";

function setup({ reinject = false, result = (): number => 1 } = {}) {
  const clock = new ManualClock();
  const rises: number[] = [];
  const glue = {
    clock,
    output(level: boolean): number {
      if (level) rises.push(ticksAt(clock.now()));
      return level ? result() : 0;
    },
  };
  const pit = new Pit({ speaker: true, reinject }, glue);
  /** Goes to a tick, stopping at every deadline on the way. */
  const at = (tick: number): void => {
    for (let deadline = pit.nextDeadline(); deadline <= timeOf(tick); deadline = pit.nextDeadline()) {
      clock.time = deadline;
      pit.advance(deadline);
    }
    clock.time = timeOf(tick);
    pit.advance(clock.time);
  };
  return { pit, clock, rises, at };
}

function load(pit: Pit, counter: number, mode: number, count: number, bcd = 0): void {
  pit.write(0x43, (counter << 6) | 0x30 | (mode << 1) | bcd);
  pit.write(0x40 + counter, count & 0xff);
  pit.write(0x40 + counter, count >> 8);
}

function readCount(pit: Pit, counter: number): number {
  const low = pit.read(0x40 + counter);
  return low | (pit.read(0x40 + counter) << 8);
}

function latch(pit: Pit, counter: number): number {
  pit.write(0x43, counter << 6);
  return readCount(pit, counter);
}

function status(pit: Pit, counter: number): number {
  pit.write(0x43, 0xe0 | (2 << counter));
  return pit.read(0x40 + counter);
}

const out = (pit: Pit, counter: number): boolean => (status(pit, counter) & 0x80) !== 0;

test("a tick's time is the first nanosecond at which it has passed", () => {
  for (const tick of [0, 1, 2, 1193182, 123456789, 10 ** 12]) {
    expect(ticksAt(timeOf(tick))).toBe(tick);
    if (tick > 0) expect(ticksAt(timeOf(tick) - 1)).toBe(tick - 1);
  }
});

describe("mode 0", () => {
  test("OUT rises N + 1 pulses after the count was written, once; the count goes on below zero", () => {
    const { pit, rises, at } = setup();
    at(100);
    load(pit, 0, 0, 1000);
    expect(out(pit, 0)).toBe(false);
    at(1100);
    expect([out(pit, 0), latch(pit, 0)]).toEqual([false, 1]);
    at(1101);
    expect([out(pit, 0), latch(pit, 0)]).toEqual([true, 0]);
    at(1103);
    expect(latch(pit, 0)).toBe(0xfffe);
    at(400_000);
    expect(rises).toEqual([1101]);
    expect(pit.nextDeadline()).toBe(Infinity);
  });

  test("a new count starts again; its first byte stops the counting and takes OUT low", () => {
    const { pit, rises, at } = setup();
    load(pit, 0, 0, 10);
    at(50);
    expect(out(pit, 0)).toBe(true);
    pit.write(0x40, 0x20);
    expect(out(pit, 0)).toBe(false);
    expect(pit.nextDeadline()).toBe(Infinity);
    at(60);
    pit.write(0x40, 0x00);
    at(200);
    expect(rises).toEqual([11, 60 + 0x20 + 1]);
  });

  test("the gate stops and resumes the counting", () => {
    const { pit, at } = setup();
    pit.write(0x61, 1);
    load(pit, 2, 0, 100);
    at(41);
    pit.write(0x61, 0);
    at(500);
    expect(latch(pit, 2)).toBe(60);
    pit.write(0x61, 1);
    at(559);
    expect(pit.read(0x61) & 0x20).toBe(0);
    at(560);
    expect(pit.read(0x61) & 0x21).toBe(0x21);
  });
});

describe("mode 1", () => {
  test("the gate triggers, and triggers again", () => {
    const { pit, at } = setup();
    load(pit, 2, 1, 50);
    at(10);
    expect(out(pit, 2)).toBe(true);
    expect(status(pit, 2) & 0x40, "the count waits for the trigger").toBe(0x40);
    pit.write(0x61, 1);
    at(11);
    expect([out(pit, 2), latch(pit, 2), status(pit, 2) & 0x40]).toEqual([false, 50, 0]);
    pit.write(0x61, 0);
    at(40);
    pit.write(0x61, 1);
    at(90);
    expect(out(pit, 2)).toBe(false);
    at(91);
    expect(out(pit, 2)).toBe(true);
  });
});

describe("mode 2", () => {
  test("OUT is low for the last pulse of each period", () => {
    const { pit, rises, at } = setup();
    load(pit, 0, 2, 100);
    const edges = rises.length;
    at(1);
    expect([out(pit, 0), latch(pit, 0)]).toEqual([true, 100]);
    at(100);
    expect([out(pit, 0), latch(pit, 0)]).toEqual([false, 1]);
    at(101);
    expect([out(pit, 0), latch(pit, 0)]).toEqual([true, 100]);
    at(401);
    expect(rises.slice(edges)).toEqual([101, 201, 301, 401]);
  });

  test("a count written during a period counts from the next one", () => {
    const { pit, rises, at } = setup();
    load(pit, 0, 2, 100);
    at(150);
    pit.write(0x40, 10);
    pit.write(0x40, 0);
    expect(status(pit, 0) & 0x40).toBe(0x40);
    expect(latch(pit, 0)).toBe(51);
    at(230);
    expect(status(pit, 0) & 0x40).toBe(0);
    expect(rises.slice(-4)).toEqual([101, 201, 211, 221]);
  });

  test("the gate holds OUT high and restarts the period", () => {
    const { pit, at } = setup();
    pit.write(0x61, 1);
    load(pit, 2, 2, 100);
    at(100);
    expect(out(pit, 2)).toBe(false);
    pit.write(0x61, 0);
    expect(out(pit, 2)).toBe(true);
    at(1000);
    pit.write(0x61, 1);
    at(1001);
    expect(latch(pit, 2)).toBe(100);
  });

  test("late by many periods, there is one edge", () => {
    const { pit, rises, clock } = setup();
    load(pit, 0, 2, 100);
    rises.length = 0;
    clock.time = timeOf(100_050);
    pit.advance(clock.time);
    expect(rises).toEqual([100_050]);
    expect(ticksAt(pit.nextDeadline())).toBe(100_101);
  });
});

describe("mode 3", () => {
  test.each([
    [10, [10, 8, 6, 4, 2, 10, 8, 6, 4, 2], 5],
    [7, [6, 4, 2, 0, 6, 4, 2], 4],
  ])("count %d", (count, values, high) => {
    const { pit, rises, at } = setup();
    load(pit, 0, 3, count);
    rises.length = 0;
    const seen: number[] = [];
    for (let tick = 1; tick <= count; tick++) {
      at(tick);
      expect(out(pit, 0), `tick ${tick}`).toBe(tick <= high);
      seen.push(latch(pit, 0));
    }
    expect(seen).toEqual(values);
    at(1 + 3 * count);
    expect(rises).toEqual([1 + count, 1 + 2 * count, 1 + 3 * count]);
  });

  test("a new count is taken at the end of the half period", () => {
    const { pit, rises, at } = setup();
    load(pit, 0, 3, 100);
    rises.length = 0;
    at(20);
    pit.write(0x40, 20);
    pit.write(0x40, 0);
    at(50);
    expect(out(pit, 0)).toBe(true);
    at(51);
    expect([out(pit, 0), latch(pit, 0)]).toEqual([false, 20]);
    at(90);
    expect(rises).toEqual([61, 81]);
  });
});

test("mode 4 strobes once, N + 1 pulses after the write", () => {
  const { pit, rises, at } = setup();
  load(pit, 0, 4, 20);
  rises.length = 0;
  at(20);
  expect(out(pit, 0)).toBe(true);
  at(21);
  expect(out(pit, 0)).toBe(false);
  at(500);
  expect(rises).toEqual([22]);
});

test("mode 5 strobes after a trigger", () => {
  const { pit, at } = setup();
  load(pit, 2, 5, 20);
  at(100);
  expect(out(pit, 2)).toBe(true);
  pit.write(0x61, 1);
  at(121);
  expect(out(pit, 2)).toBe(false);
  at(122);
  expect(out(pit, 2)).toBe(true);
});

describe("reading", () => {
  test("a latched count stays until it is read; a second latch changes nothing", () => {
    const { pit, at } = setup();
    load(pit, 0, 2, 0);
    at(1);
    pit.write(0x43, 0x00);
    at(1000);
    pit.write(0x43, 0x00);
    expect(readCount(pit, 0)).toBe(0);
    expect(readCount(pit, 0)).toBe(0x10000 - 999);
  });

  test("read-back latches status and count of several counters; the status comes first", () => {
    const { pit, at } = setup();
    load(pit, 0, 2, 0x1234);
    load(pit, 1, 3, 0x2000);
    at(5);
    pit.write(0x43, 0xc6);
    at(500);
    expect(pit.read(0x40)).toBe(0xb4);
    expect(readCount(pit, 0)).toBe(0x1234 - 4);
    expect(pit.read(0x41)).toBe(0xb6);
    expect(readCount(pit, 1)).toBe(0x2000 - 8);
    expect(readCount(pit, 0)).toBe(0x1234 - 499);
  });

  test("NULL COUNT is set until the count is in the counting element", () => {
    const { pit, at } = setup();
    pit.write(0x43, 0x30);
    expect(status(pit, 0)).toBe(0x70);
    pit.write(0x40, 5);
    pit.write(0x40, 0);
    expect(status(pit, 0)).toBe(0x70);
    at(1);
    expect(status(pit, 0)).toBe(0x30);
  });

  test("single-byte access and BCD", () => {
    const { pit, at } = setup();
    pit.write(0x43, 0x10);
    pit.write(0x40, 0x80);
    at(1 + 0x30);
    expect([pit.read(0x40), pit.read(0x40)]).toEqual([0x50, 0x50]);
    pit.write(0x43, 0x24);
    pit.write(0x40, 0x12);
    at(2 + 0x30 + 1);
    expect(pit.read(0x40)).toBe(0x11);
    load(pit, 1, 2, 0x2000, 1);
    at(2 + 0x30 + 1 + 2);
    expect(readCount(pit, 1)).toBe(0x1999);
    load(pit, 1, 0, 0, 1);
    at(2 + 0x30 + 1 + 2 + 2);
    expect(readCount(pit, 1), "0 is 10000").toBe(0x9999);
  });
});

test("port 0x61: gate, speaker data, OUT and a refresh bit that toggles", () => {
  const { pit, clock } = setup();
  pit.write(0x61, 0xff);
  expect(pit.read(0x61)).toBe(0x23);
  clock.time = 1 << 14;
  expect(pit.read(0x61)).toBe(0x33);
  clock.time = 2 << 14;
  expect(pit.read(0x61)).toBe(0x23);
  expect(new Pit({ speaker: false, reinject: false }, { clock, output: () => 1 }).owns(0x61)).toBe(false);
});

test("Linux's TSC calibration: counter 2 in mode 0, gated by port 0x61, OUT after 50 ms", () => {
  const { pit, clock } = setup();
  pit.write(0x61, (pit.read(0x61) & ~0x02) | 0x01);
  load(pit, 2, 0, Math.floor(1193182 / 20));
  while (!(pit.read(0x61) & 0x20)) clock.time += 1000;
  expect(clock.time).toBeGreaterThan(49.9e6);
  expect(clock.time).toBeLessThan(50.1e6);
});

test("missed interrupts come again after the acknowledge", () => {
  let busy = false;
  const { pit, rises, clock } = setup({ reinject: true, result: () => (busy ? 0 : 1) });
  load(pit, 0, 2, 100);
  rises.length = 0;
  clock.time = timeOf(310);
  busy = true;
  pit.advance(clock.time);
  expect(pit.missed).toBe(3);
  busy = false;
  for (let count = 0; count < 5; count++) pit.acked();
  expect(rises.length).toBe(4);
  expect(pit.missed).toBe(0);
});

test("save and restore keep the phase", () => {
  const { pit, at, clock } = setup();
  load(pit, 0, 2, 1000);
  pit.write(0x61, 1);
  load(pit, 2, 3, 77);
  at(1234);
  const copy = new Pit({ speaker: true, reinject: false }, { clock, output: () => 1 });
  copy.restore(pit.save());
  expect(copy.save()).toEqual(pit.save());
  expect(copy.nextDeadline()).toBe(pit.nextDeadline());
  expect(latch(copy, 2)).toBe(latch(pit, 2));
});
