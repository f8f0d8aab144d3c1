import { describe, expect, test } from "vitest";
import { MemoryBackend } from "../backend/chardev/memory-backend.ts";
import { LatchedLine } from "../bus/interrupt-line.ts";
import { Uart16550 } from "./uart16550.ts";

function create(mcr = 0x0b) {
  const backend = new MemoryBackend();
  const interrupt = new LatchedLine();
  const uart = new Uart16550("com1", { backend, interrupt });
  if (mcr !== 0) uart.write(4, 1, mcr);
  return { backend, interrupt, uart, write: (offset: number, value: number) => uart.write(offset, 1, value) };
}

const [RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR] = [0, 1, 2, 3, 4, 5, 6, 7];

test("reset values [PC16550D table 2]", () => {
  const { uart, interrupt } = create(0);
  expect([IER, IIR, LCR, MCR, LSR, MSR].map((offset) => uart.read(offset))).toEqual([0, 1, 0, 0, 0x60, 0xb0]);
  expect(interrupt.level).toBe(false);
});

test("what is written to THR goes out; the transmitter stays empty", () => {
  const { uart, backend, write } = create();
  for (const byte of [0x00, 0x41, 0xff]) write(RBR, byte);
  expect(backend.output).toEqual([0x00, 0x41, 0xff]);
  expect(uart.read(LSR)).toBe(0x60);
});

test("DLAB shows the divisor latch in place of RBR/THR and IER [8.1 bit 7]", () => {
  const { uart, backend, write } = create();
  write(IER, 0x05);
  write(LCR, 0x83);
  write(RBR, 0x01);
  write(IER, 0xc2);
  expect([uart.read(RBR), uart.read(IER)]).toEqual([0x01, 0xc2]);
  write(LCR, 0x03);
  expect(uart.read(IER)).toBe(0x05);
  expect(backend.output).toEqual([]);
});

test("the bits of IER, MCR and SCR that exist hold", () => {
  const { uart, write } = create();
  write(IER, 0xff);
  write(MCR, 0xff);
  write(SCR, 0xa5);
  expect([uart.read(IER), uart.read(MCR), uart.read(SCR)]).toEqual([0x0f, 0x1f, 0xa5]);
});

describe("the receiver", () => {
  test("takes one character at a time in 16450 mode, the rest waits outside", () => {
    const { uart, backend, write } = create();
    write(IER, 0x01);
    backend.feed("abc");
    uart.poll();
    expect(backend.waiting).toBe(2);
    expect(uart.read(LSR) & 1).toBe(1);
    expect([uart.read(RBR), uart.read(RBR), uart.read(RBR)]).toEqual([0x61, 0x62, 0x63]);
    expect(uart.read(LSR) & 1).toBe(0);
  });

  test("takes 16 into the FIFO and more as the guest reads; nothing is lost", () => {
    const { uart, backend, write } = create();
    write(IIR, 0x01);
    write(IER, 0x01);
    const input = Array.from({ length: 100 }, (_, index) => index);
    backend.feed(input);
    uart.poll();
    expect(backend.waiting).toBe(84);
    const seen: number[] = [];
    while ((uart.read(LSR) & 1) !== 0) seen.push(uart.read(RBR));
    expect(seen).toEqual(input);
  });

  test.each([
    [0x01, 1],
    [0x41, 4],
    [0x81, 8],
    [0xc1, 14],
  ])("FCR %i: data available at %i characters, timeout below [8.5, table 4]", (fcr, trigger) => {
    const { uart, backend, interrupt, write } = create();
    write(IIR, fcr);
    write(IER, 0x01);
    for (let count = 1; count <= 16; count++) {
      backend.feed([count]);
      uart.poll();
      expect(interrupt.level).toBe(true);
      expect(uart.read(IIR)).toBe(count < trigger ? 0xcc : 0xc4);
    }
    for (let count = 16; count > 0; count--) uart.read(RBR);
    expect([uart.read(IIR), interrupt.level]).toEqual([0xc1, false]);
  });

  test("takes nothing before the guest takes receive interrupts or polls for a character", () => {
    const { uart, backend, write } = create(0);
    backend.feed("abc");
    uart.poll();
    write(IIR, 0x07);
    expect([uart.read(LSR) & 1, uart.read(RBR), backend.waiting]).toEqual([0, 0, 3]);
    write(IER, 0x0f);
    expect(backend.waiting).toBe(3);
    write(MCR, 0x08);
    expect(uart.read(RBR)).toBe(0x61);
  });

  test("a driver that listens first and turns the FIFOs on then loses nothing", () => {
    const { uart, backend, write } = create(0x08);
    backend.feed("abc");
    write(IER, 0x05);
    write(IIR, 0x01);
    expect([uart.read(RBR), uart.read(RBR), uart.read(RBR)]).toEqual([0x61, 0x62, 0x63]);
  });

  test("a guest that polls LSR gets every character", () => {
    const { uart, backend } = create(0);
    backend.feed("ab");
    const seen: number[] = [];
    for (let n = 0; n < 32; n++) if ((uart.read(LSR) & 1) !== 0) seen.push(uart.read(RBR));
    expect(seen).toEqual([0x61, 0x62]);
  });

  test("FCR1 empties it; turning the FIFOs on or off does too [8.5]", () => {
    const { uart, backend, write } = create();
    write(IIR, 0x01);
    write(IER, 0x01);
    backend.feed("x");
    uart.poll();
    write(IIR, 0x03);
    expect(uart.read(LSR) & 1).toBe(0);
    backend.feed("y");
    uart.poll();
    write(IIR, 0x00);
    expect(uart.read(LSR) & 1).toBe(0);
    expect(uart.read(IIR)).toBe(0x01);
  });
});

describe("the THR-empty interrupt [table 4]", () => {
  test("is raised when ETBEI is set and reading IIR clears it", () => {
    const { uart, interrupt, write } = create();
    write(IER, 0x02);
    expect(interrupt.level).toBe(true);
    expect(uart.read(IIR)).toBe(0x02);
    expect(interrupt.level).toBe(false);
    expect(uart.read(IIR)).toBe(0x01);
    write(IER, 0x02);
    expect(interrupt.level).toBe(false);
    write(IER, 0x00);
    write(IER, 0x02);
    expect(interrupt.level).toBe(true);
  });

  test("comes after every character sent", () => {
    const { uart, interrupt, write } = create();
    write(IER, 0x02);
    for (let round = 0; round < 3; round++) {
      expect(uart.read(IIR)).toBe(0x02);
      write(RBR, 0x2e);
      expect(interrupt.level).toBe(true);
    }
  });

  test("waits behind received data, which reading IIR does not clear", () => {
    const { uart, backend, write } = create();
    write(IER, 0x03);
    backend.feed("a");
    uart.poll();
    expect([uart.read(IIR), uart.read(IIR)]).toEqual([0x04, 0x04]);
    uart.read(RBR);
    expect([uart.read(IIR), uart.read(IIR)]).toEqual([0x02, 0x01]);
  });
});

describe("loop mode [8.8 bit 4]", () => {
  test("MCR's outputs come back as MSR's inputs", () => {
    const { uart, write } = create();
    const back = [0, 1, 2, 3].map((bit) => {
      write(MCR, 0x10 | (1 << bit));
      return uart.read(MSR) & 0xf0;
    });
    expect(back).toEqual([0x20, 0x10, 0x40, 0x80]);
    write(MCR, 0x00);
    expect(uart.read(MSR) & 0xf0).toBe(0xb0);
  });

  test("changes are remembered until MSR is read; RI only when it ends [8.9]", () => {
    const { uart, interrupt, write } = create();
    write(MCR, 0x10);
    uart.read(MSR);
    write(IER, 0x08);
    write(MCR, 0x14);
    expect([interrupt.level, uart.read(MSR)]).toEqual([false, 0x40]);
    write(MCR, 0x10);
    expect([uart.read(IIR), uart.read(MSR), uart.read(MSR)]).toEqual([0x00, 0x04, 0x00]);
    expect(interrupt.level).toBe(false);
  });

  test("characters come back and do not go out; input waits outside", () => {
    const { uart, backend, write } = create();
    write(MCR, 0x10);
    backend.feed("input");
    uart.poll();
    write(RBR, 0x5a);
    expect([uart.read(LSR), uart.read(RBR), backend.output, backend.waiting]).toEqual([0x61, 0x5a, [], 5]);
    write(MCR, 0x02);
    while ((uart.read(LSR) & 1) === 0);
    expect(uart.read(RBR)).toBe(0x69);
  });

  test("overrun: RBR is overwritten in 16450 mode, the new character is lost in FIFO mode [8.4 bit 1]", () => {
    const { uart, write } = create();
    write(MCR, 0x10);
    write(RBR, 1);
    write(RBR, 2);
    expect([uart.read(LSR), uart.read(LSR), uart.read(RBR)]).toEqual([0x63, 0x61, 2]);
    write(IIR, 0x01);
    write(IER, 0x04);
    for (let byte = 1; byte <= 17; byte++) write(RBR, byte);
    expect([uart.read(IIR), uart.read(LSR), uart.read(IIR)]).toEqual([0xc6, 0x63, 0xc1]);
    expect(Array.from({ length: 17 }, () => uart.read(RBR))).toEqual([
      ...Array.from({ length: 16 }, (_, i) => i + 1),
      0,
    ]);
  });

  test("a break comes back as a zero with BI and FE, shown when it is at the top [8.4]", () => {
    const { uart, write } = create();
    write(MCR, 0x10);
    write(IIR, 0x01);
    write(RBR, 0x31);
    write(LCR, 0x43);
    expect(uart.read(LSR)).toBe(0xe1);
    expect(uart.read(RBR)).toBe(0x31);
    expect([uart.read(LSR), uart.read(LSR), uart.read(RBR), uart.read(LSR)]).toEqual([0xf9, 0x61, 0, 0x60]);
  });
});

test("the probes of an 8250 driver find a 16550A without the quirks of others", () => {
  const { uart, write } = create();
  write(IER, 0x00);
  expect(uart.read(IER) & 0x0f).toBe(0);
  write(IER, 0x0f);
  expect(uart.read(IER) & 0x0f).toBe(0x0f);
  write(IER, 0x00);
  write(MCR, 0x1a);
  expect(uart.read(MSR) & 0xf0).toBe(0x90);
  write(MCR, 0x08);
  write(LCR, 0xbf);
  write(IIR, 0x01);
  expect(uart.read(IIR) >> 6).toBe(3);
  expect(uart.read(2)).not.toBe(0);
  write(LCR, 0x00);
  write(IIR, 0x21);
  expect(uart.read(IIR) & 0x20).toBe(0);
  write(IER, 0x40);
  expect(uart.read(IER)).toBe(0);
});

test("a snapshot carries the FIFO and the interrupt", () => {
  const { uart, backend, write } = create();
  write(IIR, 0x81);
  write(IER, 0x03);
  write(SCR, 0x77);
  backend.feed("hello");
  uart.poll();
  const state = JSON.parse(JSON.stringify(uart.snapshot()));
  const other = create();
  other.uart.restore(state);
  expect(other.interrupt.level).toBe(true);
  expect([other.uart.read(IIR), other.uart.read(SCR)]).toEqual([0xcc, 0x77]);
  expect(Array.from({ length: 5 }, () => String.fromCharCode(other.uart.read(RBR))).join("")).toBe("hello");
  expect(() => other.uart.restore({ ...state, version: 99 })).toThrow("version 99");
});
