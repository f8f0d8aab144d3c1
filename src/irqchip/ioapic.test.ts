import { describe, expect, test } from "vitest";
import { APIC, APIC_BASE, SVR } from "../spec/lapic.ts";
import { ApicBus } from "./apic-bus.ts";
import { APIC_EVENT, APIC_PAGE_WORDS, APIC_WORD, clearVector, setRegister, testVector } from "./apic-page.ts";
import { Ioapic } from "./ioapic.ts";

const LEVEL = 1 << 15;
const MASK = 1 << 16;
const REMOTE_IRR = 1 << 14;

function setup(version = 0x11) {
  const page = new Uint32Array(APIC_PAGE_WORDS);
  page[APIC_WORD.BASE] = APIC_BASE.EN;
  setRegister(page, APIC.SVR, SVR.APIC_ENABLED);
  const acked: number[] = [];
  const ioapic = new Ioapic({ version }, { bus: new ApicBus([page], () => {}), acked: (pin) => acked.push(pin) });
  const write = (register: number, value: number): void => {
    ioapic.writeMmio(0, 4, register);
    ioapic.writeMmio(0x10, 4, value);
  };
  const read = (register: number): number => {
    ioapic.writeMmio(0, 4, register);
    return ioapic.readMmio(0x10, 4) >>> 0;
  };
  /** Takes the vector out of the IRR if it is there. */
  const taken = (vector: number): boolean => {
    const there = testVector(page, APIC.IRR, vector);
    clearVector(page, APIC.IRR, vector);
    return there;
  };
  return { ioapic, page, acked, write, read, taken };
}

describe("registers", () => {
  test("ID, version, arbitration", () => {
    const { write, read } = setup();
    write(0, 0xffffffff);
    write(1, 0);
    expect([read(0), read(1), read(2)]).toEqual([0x0f000000, 0x00170011, 0x0f000000]);
  });

  test("an entry keeps what is writable; it begins masked", () => {
    const { write, read } = setup();
    expect([read(0x10), read(0x11), read(0x3f), read(0x40)]).toEqual([0x10000, 0, 0, 0xffffffff]);
    write(0x10 + 46, 0xffffffff);
    write(0x10 + 47, 0xffffffff);
    expect([read(0x10 + 46), read(0x10 + 47)]).toEqual([0x1afff, 0xffffffff]);
  });
});

describe("edge", () => {
  test("one interrupt for each rise, without remote IRR", () => {
    const { ioapic, write, read, taken } = setup();
    write(0x14, 0x31);
    expect(ioapic.setLine(2, true)).toBe(1);
    expect(taken(0x31)).toBe(true);
    expect(ioapic.setLine(2, true)).toBe(0);
    expect(taken(0x31)).toBe(false);
    ioapic.setLine(2, false);
    ioapic.setLine(2, true);
    expect(taken(0x31)).toBe(true);
    expect(read(0x14)).toBe(0x31);
  });

  test("one that comes while masked is lost", () => {
    const { ioapic, write, taken } = setup();
    expect(ioapic.setLine(2, true)).toBe(-1);
    write(0x14, 0x31);
    expect(taken(0x31)).toBe(false);
  });

  test("one that finds the last still pending reports it", () => {
    const { ioapic, write } = setup();
    write(0x14, 0x31);
    ioapic.setLine(2, true);
    ioapic.setLine(2, false);
    expect(ioapic.setLine(2, true)).toBe(0);
  });
});

describe("level", () => {
  test("remote IRR holds the next one back until the EOI, which sends it if the line is still high", () => {
    const { ioapic, page, acked, write, read, taken } = setup();
    write(0x10 + 20, 0x51 | LEVEL);
    ioapic.setLine(10, true);
    expect(taken(0x51)).toBe(true);
    expect(testVector(page, APIC.TMR, 0x51)).toBe(true);
    expect(read(0x10 + 20) & REMOTE_IRR).toBe(REMOTE_IRR);
    ioapic.setLine(10, true);
    expect(taken(0x51)).toBe(false);
    ioapic.eoi(0x52);
    expect(taken(0x51)).toBe(false);
    ioapic.eoi(0x51);
    expect(acked).toEqual([10]);
    expect(taken(0x51)).toBe(true);
    ioapic.setLine(10, false);
    ioapic.eoi(0x51);
    expect(taken(0x51)).toBe(false);
    expect(read(0x10 + 20) & REMOTE_IRR).toBe(0);
  });

  test("one that waits behind the mask comes when it is unmasked", () => {
    const { ioapic, write, taken } = setup();
    write(0x10 + 20, 0x51 | LEVEL | MASK);
    ioapic.setLine(10, true);
    expect(taken(0x51)).toBe(false);
    write(0x10 + 20, 0x51 | LEVEL);
    expect(taken(0x51)).toBe(true);
  });

  test("remote IRR survives masking, and goes when the entry is made edge triggered", () => {
    const { ioapic, write, read, taken } = setup();
    write(0x10 + 20, 0x51 | LEVEL);
    ioapic.setLine(10, true);
    write(0x10 + 20, 0x51 | LEVEL | MASK);
    expect(read(0x10 + 20) & REMOTE_IRR).toBe(REMOTE_IRR);
    write(0x10 + 20, 0x51 | MASK);
    expect(read(0x10 + 20) & REMOTE_IRR).toBe(0);
    taken(0x51);
    write(0x10 + 20, 0x51 | LEVEL);
    expect(taken(0x51)).toBe(true);
  });

  test("an EOI ends every pin of the vector", () => {
    const { ioapic, acked, write } = setup();
    for (const pin of [10, 11]) {
      write(0x10 + pin * 2, 0x51 | LEVEL);
      ioapic.setLine(pin, true);
      ioapic.setLine(pin, false);
    }
    ioapic.eoi(0x51);
    expect(acked).toEqual([10, 11]);
  });

  test("the EOI register is there from version 0x20 on", () => {
    for (const version of [0x11, 0x20]) {
      const { ioapic, write, read } = setup(version);
      write(0x10 + 20, 0x51 | LEVEL);
      ioapic.setLine(10, true);
      ioapic.setLine(10, false);
      ioapic.writeMmio(0x40, 4, 0x51);
      expect(read(0x10 + 20) & REMOTE_IRR).toBe(version === 0x20 ? 0 : REMOTE_IRR);
    }
  });
});

test.each([
  [0b010, APIC_EVENT.SMI],
  [0b100, APIC_EVENT.NMI],
  [0b101, APIC_EVENT.INIT],
  [0b111, APIC_EVENT.EXTINT],
])("delivery mode %d", (mode, event) => {
  const { ioapic, page, write } = setup();
  write(0x14, 0x31 | (mode << 8));
  ioapic.setLine(2, true);
  expect(page[APIC_WORD.EVENTS]).toBe(event);
});

test("save and restore", () => {
  const { ioapic, write } = setup();
  write(0x10 + 20, 0x51 | LEVEL);
  ioapic.setLine(10, true);
  const copy = setup().ioapic;
  copy.restore(ioapic.save());
  expect(copy.save()).toEqual(ioapic.save());
});
