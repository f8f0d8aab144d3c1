import { describe, expect, test } from "vitest";
import { ManualClock } from "../base/clock.ts";
import { Fifo } from "./fifo.ts";
import { MmioSpace } from "./mmio.ts";
import { PortSpace } from "./pio.ts";
import { type AccessSize, allOnes, type RegisterBlock } from "./register-block.ts";
import { TimerQueue } from "./timer.ts";

/** Memory-like registers that remember how they were accessed. */
class Scratch implements RegisterBlock {
  readonly width: AccessSize;
  readonly bytes = new Uint8Array(64);
  readonly log: string[] = [];

  constructor(width: AccessSize) {
    this.width = width;
  }

  read(offset: number, size: AccessSize): number {
    this.log.push(`r${size}@${offset}`);
    let value = 0;
    for (let i = size - 1; i >= 0; i--) value = (value << 8) | this.bytes[offset + i]!;
    return value;
  }

  write(offset: number, size: AccessSize, value: number): void {
    this.log.push(`w${size}@${offset}`);
    for (let i = 0; i < size; i++) this.bytes[offset + i] = value >>> (8 * i);
  }
}

const spaces = [
  ["ports", () => new PortSpace()],
  ["mmio", () => new MmioSpace()],
] as const;

describe.each(spaces)("%s", (_name, create) => {
  test("an unclaimed address reads as ones and ignores writes", () => {
    const space = create();
    for (const size of [1, 2, 4] as const) {
      expect(space.read(0x1234, size)).toBe(allOnes(size));
      space.write(0x1234, size, 0);
      expect(space.read(0x1234, size)).toBe(allOnes(size));
    }
  });

  test("the chip sees offsets from its place, and values of the access's size", () => {
    const space = create();
    const chip = new Scratch(4);
    space.claim("chip", 0x100, 16, chip);
    space.write(0x104, 4, 0xffff_ffff);
    space.write(0x105, 1, 0x1_42);
    expect(space.read(0x104, 4)).toBe(0xffff_42ff);
    expect(space.read(0x105, 1)).toBe(0x42);
    expect(chip.log).toEqual(["w4@4", "w1@5", "r4@4", "r1@5"]);
  });

  test("an access wider than the chip's bus is split, low part first", () => {
    const space = create();
    const chip = new Scratch(1);
    space.claim("chip", 0x100, 16, chip);
    space.write(0x102, 4, 0x4433_2211);
    expect(space.read(0x102, 4)).toBe(0x4433_2211);
    expect(chip.log.slice(0, 4)).toEqual(["w1@2", "w1@3", "w1@4", "w1@5"]);
  });

  test("an access over the edge of a range reaches both sides", () => {
    const space = create();
    space.claim("low", 0x100, 2, new Scratch(4));
    const high = new Scratch(4);
    space.claim("high", 0x104, 4, high);
    space.write(0x100, 4, 0x1122_3344);
    expect(space.read(0x100, 4)).toBe(0xffff_3344);
    space.write(0x102, 4, 0x5566_7788);
    expect(high.bytes[0]).toBe(0x66);
    expect(space.ownerOf(0x101)).toBe("low");
    expect(space.ownerOf(0x102)).toBeUndefined();
  });

  test("overlapping claims are a defect of the board", () => {
    const space = create();
    space.claim("one", 0x100, 8, new Scratch(1));
    expect(() => space.claim("two", 0x107, 1, new Scratch(1))).toThrow("two");
  });
});

test("ports wrap at 64 Ki", () => {
  const ports = new PortSpace();
  const chip = new Scratch(1);
  ports.claim("zero", 0, 1, chip);
  ports.write(0xffff, 2, 0x9900);
  expect(chip.bytes[0]).toBe(0x99);
  expect(ports.read(0xffff, 2)).toBe(0x99ff);
});

test("mmio finds ranges beyond 4 GiB among many", () => {
  const mmio = new MmioSpace();
  const chips = Array.from({ length: 9 }, () => new Scratch(4));
  const base = (index: number) => (index % 2 === 0 ? 0x1_0000_0000 : 0x8000_0000) + index * 0x1000;
  chips.forEach((chip, index) => {
    mmio.claim(`chip${index}`, base(index), 32, chip);
  });
  chips.forEach((_, index) => {
    mmio.write(base(index) + 8, 1, index + 1);
  });
  expect(chips.map((chip) => chip.bytes[8])).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("a fifo keeps order, refuses what does not fit and wraps", () => {
  const fifo = new Fifo(3);
  expect([1, 2, 3, 4].map((value) => fifo.push(value))).toEqual([true, true, true, false]);
  expect(fifo.shift()).toBe(1);
  fifo.push(5);
  expect(fifo.toArray()).toEqual([2, 3, 5]);
  expect([fifo.shift(), fifo.shift(), fifo.shift(), fifo.shift()]).toEqual([2, 3, 5, 0]);
  fifo.fill([1, 2, 3, 4]);
  expect(fifo.toArray()).toEqual([1, 2, 3]);
});

test("timers fire once, when due, and may arm themselves again", () => {
  const clock = new ManualClock();
  const timers = new TimerQueue(clock);
  const fired: string[] = [];
  const once = timers.createTimer(() => fired.push(`once@${clock.time}`));
  const again = timers.createTimer(() => {
    fired.push(`again@${clock.time}`);
    again.arm(clock.time + 10);
  });
  once.arm(15);
  again.arm(10);
  expect(timers.nextDeadline()).toBe(10);
  for (clock.time = 0; clock.time <= 30; clock.time += 5) timers.runExpired();
  expect(fired).toEqual(["again@10", "once@15", "again@20", "again@30"]);
  again.disarm();
  expect(timers.nextDeadline()).toBe(Number.POSITIVE_INFINITY);
});

test("the next deadline is announced when it changes, and again when a wake-up came too early", () => {
  const clock = new ManualClock();
  const announced: number[] = [];
  const timers = new TimerQueue(clock, (deadline) => announced.push(deadline));
  const [one, two] = [timers.createTimer(() => {}), timers.createTimer(() => {})];
  one.arm(20);
  two.arm(30);
  two.arm(10);
  one.arm(25);
  expect(announced).toEqual([20, 10]);
  clock.time = 9;
  timers.runExpired();
  expect(announced).toEqual([20, 10, 10]);
  clock.time = 10;
  timers.runExpired();
  one.disarm();
  expect(announced).toEqual([20, 10, 10, 25, Number.POSITIVE_INFINITY]);
});
