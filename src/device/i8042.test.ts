import { describe, expect, test } from "vitest";
import { LatchedLine } from "../bus/interrupt-line.ts";
import { A20Gate } from "./a20-gate.ts";
import { I8042 } from "./i8042.ts";
import { ResetControl, SystemControlPortA } from "./system-control.ts";

function create() {
  const keyboardInterrupt = new LatchedLine();
  const auxInterrupt = new LatchedLine();
  const a20 = new A20Gate();
  let resets = 0;
  const chip = new I8042({ keyboardInterrupt, auxInterrupt, a20, onReset: () => resets++ });
  return {
    chip,
    keyboardInterrupt,
    auxInterrupt,
    a20,
    resets: () => resets,
    command: (value: number) => chip.control.write(0, 1, value),
    data: (value: number) => chip.data.write(0, 1, value),
    status: () => chip.control.read(0, 1),
    take: () => chip.data.read(0, 1),
  };
}

test.each([
  ["self-test", 0xaa, 0x55],
  ["keyboard interface test", 0xab, 0x00],
  ["aux interface test", 0xa9, 0x00],
  ["command byte", 0x20, 0x34],
  ["output port", 0xd0, 0x03],
])("%s answers at once", (_name, command, answer) => {
  const chip = create();
  expect(chip.status()).toBe(0x14);
  chip.command(command);
  expect(chip.status()).toBe(0x1d);
  expect(chip.take()).toBe(answer);
  expect(chip.status() & 0x01).toBe(0);
});

test("the command byte holds, and the interface commands change it", () => {
  const chip = create();
  chip.command(0x60);
  chip.data(0x47);
  for (const [command, want] of [
    [0xad, 0x57],
    [0xa7, 0x77],
    [0xae, 0x67],
    [0xa8, 0x47],
  ] as const) {
    chip.command(command);
    chip.command(0x20);
    expect(chip.take()).toBe(want);
  }
});

test("a byte to a device that is not there is answered with a timeout at once", () => {
  const chip = create();
  chip.command(0x60);
  chip.data(0x03);
  chip.data(0xf2);
  expect([chip.status() & 0x61, chip.keyboardInterrupt.level]).toEqual([0x41, true]);
  expect([chip.take(), chip.keyboardInterrupt.level]).toEqual([0xfe, false]);
  chip.command(0xd4);
  chip.data(0xf2);
  expect([chip.status() & 0x61, chip.auxInterrupt.level]).toEqual([0x61, true]);
  expect([chip.take(), chip.auxInterrupt.level]).toEqual([0xfe, false]);
});

test("the aux loop returns the byte as the mouse's, with its interrupt", () => {
  const chip = create();
  chip.command(0x60);
  chip.data(0x02);
  chip.command(0xd3);
  chip.data(0xa5);
  expect([chip.status() & 0x21, chip.auxInterrupt.level, chip.take()]).toEqual([0x21, true, 0xa5]);
});

test("answers queue, each with an interrupt of its own", () => {
  const chip = create();
  chip.command(0x60);
  chip.data(0x01);
  chip.data(0xff);
  chip.data(0xff);
  expect(chip.take()).toBe(0xfe);
  expect([chip.keyboardInterrupt.edges, chip.keyboardInterrupt.level]).toEqual([2, true]);
});

describe("reset and A20", () => {
  test("pulsing line 0 resets; pulsing nothing does not", () => {
    const chip = create();
    chip.command(0xff);
    expect(chip.resets()).toBe(0);
    chip.command(0xfe);
    expect(chip.resets()).toBe(1);
  });

  test("the output port drives both", () => {
    const chip = create();
    chip.command(0xd1);
    chip.data(0x01);
    expect([chip.a20.enabled, chip.resets()]).toEqual([false, 0]);
    chip.command(0xd0);
    expect(chip.take()).toBe(0x01);
    chip.command(0xdf);
    expect(chip.a20.enabled).toBe(true);
    chip.command(0xd1);
    chip.data(0x02);
    expect(chip.resets()).toBe(1);
  });

  test("port 0x92 switches the same gate and resets", () => {
    const a20 = new A20Gate();
    let resets = 0;
    const port = new SystemControlPortA({ a20, onReset: () => resets++ });
    port.write(0, 1, 0x00);
    expect([port.read(), a20.enabled]).toEqual([0, false]);
    port.write(0, 1, 0x02);
    expect([port.read(), a20.enabled, resets]).toEqual([2, true, 0]);
    port.write(0, 1, 0x03);
    expect(resets).toBe(1);
  });

  test("0xcf9 resets when RST_CPU rises [ICH9 13.7.5]", () => {
    let resets = 0;
    const control = new ResetControl({ onReset: () => resets++ });
    control.write(0, 1, 0x02);
    expect([resets, control.read()]).toEqual([0, 0x02]);
    control.write(0, 1, 0xff);
    control.write(0, 1, 0x06);
    expect([resets, control.read()]).toEqual([1, 0x06]);
    control.write(0, 1, 0x00);
    control.write(0, 1, 0x06);
    expect(resets).toBe(2);
  });
});

test("a snapshot carries RAM, a command half given and the queue", () => {
  const chip = create();
  chip.command(0x60);
  chip.data(0x03);
  chip.data(0xed);
  chip.command(0xd3);
  const other = create();
  other.chip.restore(JSON.parse(JSON.stringify(chip.chip.snapshot())));
  other.data(0x5a);
  expect([other.keyboardInterrupt.level, other.take(), other.take()]).toEqual([true, 0xfe, 0x5a]);
});
