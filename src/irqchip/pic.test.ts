import { describe, expect, test } from "vitest";
import { Pic } from "./pic.ts";

function setup(icw4 = 0x01) {
  const acked: number[] = [];
  const levels: boolean[] = [];
  const pic = new Pic({ output: (level) => levels.push(level), acked: (pin) => acked.push(pin) });
  for (const [port, base, wiring] of [
    [0x20, 0x30, 0x04],
    [0xa0, 0x38, 0x02],
  ] as const) {
    pic.write(port, 0x11);
    pic.write(port + 1, base);
    pic.write(port + 1, wiring);
    pic.write(port + 1, icw4);
  }
  return { pic, acked, levels };
}

function edge(pic: Pic, pin: number): void {
  pic.setLine(pin, true);
  pic.setLine(pin, false);
}

function readIsr(pic: Pic, port = 0x20): number {
  pic.write(port, 0x0b);
  return pic.read(port);
}

function readIrr(pic: Pic, port = 0x20): number {
  pic.write(port, 0x0a);
  return pic.read(port);
}

describe("initialization", () => {
  test("ICW1 clears mask, in-service and edges; ICW2 keeps the vector's high five bits", () => {
    const { pic } = setup();
    pic.write(0x21, 0xff);
    edge(pic, 3);
    pic.write(0x20, 0x11);
    pic.write(0x21, 0x47);
    pic.write(0x21, 0x04);
    pic.write(0x21, 0x01);
    expect(pic.read(0x21)).toBe(0);
    expect(readIrr(pic)).toBe(0);
    edge(pic, 1);
    expect(pic.acknowledge()).toBe(0x41);
  });

  test("without ICW4 and in single mode the sequence is shorter", () => {
    const { pic } = setup(0x03);
    pic.write(0x20, 0x12);
    pic.write(0x21, 0x50);
    pic.write(0x21, 0xfe);
    expect(pic.read(0x21)).toBe(0xfe);
    edge(pic, 0);
    expect(pic.acknowledge()).toBe(0x50);
    expect(readIsr(pic), "ICW4's automatic EOI is off").toBe(1);
  });

  test("a line that stays high needs a low-to-high transition after ICW1", () => {
    const { pic } = setup();
    pic.setLine(4, true);
    pic.write(0x20, 0x11);
    pic.write(0x21, 0x30);
    pic.write(0x21, 0x04);
    pic.write(0x21, 0x01);
    pic.setLine(4, true);
    expect(pic.output).toBe(false);
    pic.setLine(4, false);
    pic.setLine(4, true);
    expect(pic.output).toBe(true);
  });
});

describe("priority and end of interrupt", () => {
  test("the lowest pin comes first, and lower ones wait for the EOI", () => {
    const { pic, acked } = setup();
    edge(pic, 5);
    edge(pic, 3);
    expect(pic.acknowledge()).toBe(0x33);
    expect(pic.output).toBe(false);
    edge(pic, 1);
    expect(pic.acknowledge(), "a higher one nests").toBe(0x31);
    expect(readIsr(pic)).toBe(0b1010);
    pic.write(0x20, 0x20);
    expect(readIsr(pic)).toBe(0b1000);
    expect(pic.output).toBe(false);
    pic.write(0x20, 0x20);
    expect(acked).toEqual([1, 3]);
    expect(pic.acknowledge()).toBe(0x35);
  });

  test("a specific EOI ends its pin only", () => {
    const { pic } = setup();
    edge(pic, 4);
    pic.acknowledge();
    edge(pic, 2 - 1);
    pic.acknowledge();
    pic.write(0x20, 0x64);
    expect(readIsr(pic)).toBe(0b10);
  });

  test("rotation on non-specific EOI gives the served pin the lowest priority", () => {
    const { pic } = setup();
    edge(pic, 4);
    pic.acknowledge();
    pic.write(0x20, 0xa0);
    edge(pic, 4);
    edge(pic, 0);
    edge(pic, 5);
    const order = [];
    for (let count = 0; count < 3; count++) {
      order.push(pic.acknowledge());
      pic.write(0x20, 0x20);
    }
    expect(order).toEqual([0x35, 0x30, 0x34]);
  });

  test("set priority and rotation on specific EOI", () => {
    const { pic } = setup();
    pic.write(0x20, 0xc3);
    edge(pic, 3);
    edge(pic, 4);
    expect(pic.acknowledge()).toBe(0x34);
    pic.write(0x20, 0xe6);
    expect(readIsr(pic), "pin 6 was not in service").toBe(0x10);
    edge(pic, 7);
    expect(pic.acknowledge(), "pin 7 is now the highest").toBe(0x37);
  });

  test("automatic EOI leaves nothing in service and can rotate", () => {
    const { pic, acked } = setup(0x03);
    pic.write(0x20, 0x80);
    edge(pic, 0);
    expect(pic.acknowledge()).toBe(0x30);
    expect(readIsr(pic)).toBe(0);
    expect(acked).toEqual([0]);
    edge(pic, 0);
    edge(pic, 1);
    expect(pic.acknowledge(), "pin 0 became the lowest").toBe(0x31);
    pic.write(0x20, 0x00);
    expect(pic.acknowledge()).toBe(0x30);
    edge(pic, 2 + 1);
    edge(pic, 1);
    expect(pic.acknowledge(), "pin 1 is still the lowest, and does not move any more").toBe(0x33);
  });
});

describe("masks", () => {
  test("a masked request is kept and delivered when unmasked", () => {
    const { pic, levels } = setup();
    pic.write(0x21, 0x02);
    edge(pic, 1);
    expect(levels).toEqual([]);
    pic.write(0x21, 0);
    expect(levels).toEqual([true]);
  });

  test("special mask mode lets lower pins through while a masked one is in service", () => {
    const { pic } = setup();
    edge(pic, 1);
    pic.acknowledge();
    edge(pic, 6);
    pic.write(0x21, 0x02);
    expect(pic.output).toBe(false);
    pic.write(0x20, 0x68);
    expect(pic.acknowledge()).toBe(0x36);
    pic.write(0x20, 0x20);
    expect(readIsr(pic), "the non-specific EOI passes over the masked pin").toBe(0x02);
    pic.write(0x20, 0x48);
    edge(pic, 6);
    expect(pic.output).toBe(false);
  });
});

describe("cascade", () => {
  test("a slave pin gives the slave's vector and puts pin 2 into service", () => {
    const { pic, acked } = setup();
    edge(pic, 12);
    expect(pic.acknowledge()).toBe(0x3c);
    expect(readIsr(pic)).toBe(0x04);
    expect(readIsr(pic, 0xa0)).toBe(0x10);
    pic.write(0xa0, 0x20);
    pic.write(0x20, 0x20);
    expect(acked).toEqual([12, 2]);
  });

  test("a higher slave pin nests only in special fully nested mode", () => {
    const plain = setup().pic;
    edge(plain, 12);
    plain.acknowledge();
    edge(plain, 9);
    expect(plain.output).toBe(false);
    const nested = setup(0x11).pic;
    edge(nested, 12);
    nested.acknowledge();
    edge(nested, 3);
    expect(nested.output, "lower pins of the master still wait").toBe(false);
    edge(nested, 9);
    expect(nested.acknowledge()).toBe(0x39);
  });
});

describe("triggering", () => {
  test("an edge is latched once", () => {
    const { pic } = setup();
    expect(pic.setLine(3, true)).toBe(1);
    expect(pic.setLine(3, true)).toBe(0);
    pic.acknowledge();
    pic.write(0x20, 0x20);
    expect(pic.output).toBe(false);
  });

  test("a level comes again after EOI while the line is high", () => {
    const { pic } = setup();
    pic.write(0x4d0, 0xff);
    pic.write(0x4d1, 0xff);
    expect([pic.read(0x4d0), pic.read(0x4d1)]).toEqual([0xf8, 0xde]);
    pic.setLine(11, true);
    expect(pic.acknowledge()).toBe(0x3b);
    pic.write(0xa0, 0x20);
    pic.write(0x20, 0x20);
    expect(pic.acknowledge()).toBe(0x3b);
    pic.setLine(11, false);
    pic.write(0xa0, 0x20);
    pic.write(0x20, 0x20);
    expect(pic.output).toBe(false);
  });

  test("an acknowledge without a request is IRQ 7 and leaves no in-service bit", () => {
    const { pic } = setup();
    expect(pic.acknowledge()).toBe(0x37);
    expect(readIsr(pic)).toBe(0);
  });

  test("a slave's level that falls before the acknowledge is IRQ 15, with pin 2 in service", () => {
    const { pic } = setup();
    pic.write(0x4d1, 0x08);
    pic.setLine(11, true);
    pic.setLine(11, false);
    expect(pic.acknowledge()).toBe(0x3f);
    expect(readIsr(pic, 0xa0)).toBe(0);
    expect(readIsr(pic)).toBe(0x04);
  });
});

test("poll acknowledges and names the pin", () => {
  const { pic } = setup();
  edge(pic, 5);
  pic.write(0x20, 0x0c);
  expect(pic.read(0x20)).toBe(0x85);
  expect(readIsr(pic)).toBe(0x20);
  pic.write(0x20, 0x0c);
  expect(pic.read(0x21)).toBe(0);
  expect(pic.read(0x21), "a poll is one read").toBe(0);
});

test("save and restore keep everything", () => {
  const { pic } = setup();
  edge(pic, 5);
  edge(pic, 9);
  pic.acknowledge();
  const copy = setup().pic;
  copy.restore(pic.save());
  expect(copy.save()).toEqual(pic.save());
  copy.write(0xa0, 0x20);
  copy.write(0x20, 0x20);
  expect(copy.acknowledge()).toBe(0x35);
});
