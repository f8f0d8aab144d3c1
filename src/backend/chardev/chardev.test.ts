import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { ByteRing } from "./byte-ring.ts";
import { nullBackend } from "./chardev.ts";
import { EscapeKeys } from "./escape-keys.ts";
import { MemoryBackend } from "./memory-backend.ts";
import { ChannelPort, createChannel, RingBackend } from "./ring-backend.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (data: Iterable<number>) => new TextDecoder().decode(Uint8Array.from(data));

test("the memory backend keeps output and hands out input; the null backend does neither", () => {
  const backend = new MemoryBackend();
  backend.feed("é");
  backend.feed([0, 255]);
  expect([1, 2, 3, 4, 5].map(() => backend.read())).toEqual([0xc3, 0xa9, 0, 255, -1]);
  backend.write(0x68);
  backend.write(0x69);
  expect([backend.text(), nullBackend.read()]).toEqual(["hi", -1]);
});

describe("the byte ring", () => {
  test("keeps order over its end and refuses what does not fit", () => {
    const ring = ByteRing.create(8);
    expect(ring.write(bytes("abcdef"))).toBe(6);
    expect([ring.shift(), ring.shift(), ring.shift()].map((byte) => String.fromCharCode(byte)).join("")).toBe("abc");
    expect(ring.write(bytes("ghijklm"))).toBe(5);
    expect([ring.push(0x7a), ring.available, ring.space]).toEqual([false, 8, 0]);
    expect(text(ring.readAll())).toBe("defghijk");
    expect([ring.shift(), ring.available]).toEqual([-1, 0]);
  });

  test("counts right when its positions wrap at 2^32", () => {
    const ring = ByteRing.create(8);
    new Int32Array(ring.shared).fill(-3, 0, 2);
    expect(ring.write(bytes("0123456789"))).toBe(8);
    expect(text(ring.readAll())).toBe("01234567");
  });

  test("wakes a waiting reader and writer, and both when it is closed", async () => {
    const ring = ByteRing.create(2);
    const data = ring.dataReady();
    ring.write(bytes("xy"));
    await data;
    const space = ring.spaceReady();
    ring.shift();
    await space;
    ring.readAll();
    const end = ring.dataReady();
    ring.close();
    await end;
    expect(ring.closed).toBe(true);
  });

  test("its size must be a power of two", () => {
    expect(() => ByteRing.create(12)).toThrow("power of two");
  });
});

describe("the channel", () => {
  test("carries output and input, and kicks after input", async () => {
    const channel = createChannel();
    const device = new RingBackend(channel);
    let kicks = 0;
    const port = new ChannelPort(channel, () => kicks++);
    await port.send(bytes("in"));
    expect([device.read(), device.read(), device.read(), kicks]).toEqual([0x69, 0x6e, -1, 1]);
    const output: number[] = [];
    const drained = port.drain((piece) => {
      output.push(...piece);
    });
    for (const byte of bytes("out")) device.write(byte);
    device.close();
    await drained;
    expect(text(output)).toBe("out");
  });

  test("input that does not fit waits until the device takes it", async () => {
    const channel = createChannel();
    const device = new RingBackend(channel);
    const port = new ChannelPort(channel, () => {});
    const input = Uint8Array.from({ length: 10000 }, (_, index) => index);
    let sent = false;
    const sending = port.send(input).then(() => {
      sent = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(sent).toBe(false);
    const seen: number[] = [];
    while (seen.length < input.length) {
      const byte = device.read();
      if (byte < 0) await new Promise((resolve) => setTimeout(resolve, 1));
      else seen.push(byte);
    }
    await sending;
    expect(seen).toEqual([...input]);
  });

  test("after close a device that writes is neither blocked nor stopped", () => {
    const channel = createChannel();
    const device = new RingBackend(channel);
    new ChannelPort(channel, () => {}).close();
    for (let count = 0; count < 100_000; count++) device.write(0x2e);
    expect(device.read()).toBe(-1);
  });

  test("a full output ring blocks the device's thread until another thread has read", async () => {
    const channel = createChannel();
    const device = new RingBackend(channel);
    const worker = new Worker(READER, { eval: true, workerData: channel.output });
    await new Promise((resolve) => worker.once("message", resolve));
    const capacity = channel.output.byteLength - 64;
    for (let count = 0; count < capacity + 1; count++) device.write(count);
    expect(new ByteRing(channel.output).available).toBe(1);
    await worker.terminate();
  });
});

/** Reads all when the writer waits, with the ring's cells: head, tail, the writer's flag and its count of wake-ups. */
const READER = `
  const { parentPort, workerData } = require("node:worker_threads");
  const cells = new Int32Array(workerData, 0, 16);
  parentPort.postMessage("ready");
  while (Atomics.load(cells, 6) === 0) Atomics.wait(cells, 15, 0, 1);
  Atomics.store(cells, 1, Atomics.load(cells, 0));
  Atomics.store(cells, 6, 0);
  Atomics.add(cells, 7, 1);
  Atomics.notify(cells, 7);`;

test("escape keys: Ctrl-A x leaves, h helps, Ctrl-A twice is one, split input too, others vanish", () => {
  const log: string[] = [];
  const keys = new EscapeKeys({ leave: () => log.push("leave"), help: () => log.push("help") });
  expect(text(keys.filter(bytes("a\x01\x01b\x01hc\x01qd\x01")))).toBe("a\x01bcd");
  expect(text(keys.filter(bytes("xe")))).toBe("e");
  expect(log).toEqual(["help", "leave"]);
});
