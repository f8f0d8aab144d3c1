import { expect, test } from "vitest";
import { MemoryDisk } from "../backend/block/memory-disk.ts";
import { MemoryBackend } from "../backend/chardev/memory-backend.ts";
import { ManualClock } from "../base/clock.ts";
import { SeededRandom } from "../base/random.ts";
import { unconnected } from "../bus/interrupt-line.ts";
import { createFlatMemory } from "../memory/slot-memory.ts";
import { Board } from "./board.ts";
import { PCI_WINDOW } from "./board-map.ts";
import { cmosContents } from "./cmos-contents.ts";

const MIB = 1024 * 1024;

function create() {
  const clock = new ManualClock();
  const serial = new MemoryBackend();
  const debugConsole = new MemoryBackend();
  const config = { memorySize: 64 * MIB, debugExit: true, testDevice: true };
  const memory = createFlatMemory(MIB);
  const disks = [{ disk: new MemoryDisk(MIB), serial: "test" }];
  const random = new SeededRandom(7);
  const signals = { interruptLine: () => unconnected, signalMsi() {} };
  const board = new Board(config, { clock, serial, debugConsole, memory, disks, random, ...signals });
  return { board, clock, serial, debugConsole };
}

test("CMOS tells the memory size below 64 MiB, above 16 MiB and above 4 GiB", () => {
  const words = (memorySize: number) => {
    const bytes = cmosContents(memorySize);
    const at = (...addresses: number[]) =>
      addresses.reduceRight((value, address) => value * 256 + bytes.get(address)!, 0);
    return [at(0x15, 0x16), at(0x17, 0x18), at(0x30, 0x31), at(0x34, 0x35), at(0x5b, 0x5c, 0x5d)];
  };
  expect(words(32 * MIB)).toEqual([640, 31 * 1024, 31 * 1024, 256, 0]);
  expect(words(3072 * MIB)).toEqual([640, 0xffff, 0xffff, (3072 - 16) * 16, 0]);
  expect(words(5120 * MIB)).toEqual([640, 0xffff, 0xffff, (3072 - 16) * 16, 2048 * 16]);
});

test("the first end that a device asks for counts", () => {
  const { board, debugConsole } = create();
  board.ports.write(0xf4, 4, 0x10);
  board.ports.write(0x64, 1, 0xfe);
  board.ports.write(0xe9, 1, 0x21);
  expect([board.end, debugConsole.text()]).toEqual([{ kind: "debug-exit", status: 0x21 }, "!"]);
});

test("a snapshot without a device's state is refused", () => {
  const { board } = create();
  const { rtc, ...rest } = board.snapshot();
  expect(rtc?.version).toBe(1);
  expect(() => board.restore(rest)).toThrow("rtc");
});

test("registers survive random accesses, and their state what JSON keeps", () => {
  const seed = Number(process.env.SEED ?? 20261122);
  let random = seed;
  const next = (limit: number) => {
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    return Math.floor((random / 2 ** 32) * limit);
  };
  const { board, clock, serial } = create();
  const ports = [
    0x60, 0x64, 0x70, 0x71, 0x80, 0x92, 0xe0, 0xf4, 0x3f8, 0x3ff, 0x600, 0x608, 0xcf8, 0xcff, 0x2000, 0x2017,
  ];
  for (let step = 0; step < 100_000; step++) {
    const port = (ports[next(ports.length)]! + next(8)) & 0xffff;
    const size = ([1, 2, 4] as const)[next(3)]!;
    const value = next(2) === 0 ? next(256) : next(2 ** 32);
    if (next(2) === 0) board.ports.write(port, size, value);
    const answer = board.ports.read(port, size);
    if (!(Number.isInteger(answer) && answer >= 0 && answer < 2 ** (8 * size)))
      throw new Error(`seed ${seed} step ${step}: port ${port.toString(16)} size ${size} reads ${answer}`);
    const address = PCI_WINDOW.address + (next(3) << 16) + (next(6) << 12) + next(64);
    if (next(2) === 0) board.mmio.write(address, size, value);
    board.mmio.read(address, size);
    if (next(100) === 0) {
      clock.time += next(2e9);
      serial.feed([value & 0xff]);
      board.poll();
      board.end = undefined;
    }
    if (next(1000) === 0) {
      const state = board.snapshot();
      const again = JSON.parse(JSON.stringify(state));
      expect(again, `seed ${seed} step ${step}`).toEqual(state);
      board.restore(again);
    }
  }
});
