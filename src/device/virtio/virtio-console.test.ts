import { describe, expect, test, vi } from "vitest";
import { BufferList } from "../../../test/device/buffer-list.ts";
import { Random } from "../../../test/isa/random.ts";
import {
  CONSOLE_NOTE,
  CONSOLE_REQUEST,
  type ConsoleMessage,
  createConsole,
  GuestConsole,
  HostConsole,
} from "../../backend/console/console-link.ts";
import { CONSOLE_CONTROL, CONSOLE_EVENT } from "../../spec/virtio/virtio-console.ts";
import { QueueError } from "./descriptor-chain.ts";
import { VirtioConsole } from "./virtio-console.ts";

const { DEVICE_READY, DEVICE_ADD, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN } = CONSOLE_EVENT;
const WAIT = 20_000;
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();

function create(ports = 3) {
  const shared = createConsole(ports);
  const device = new VirtioConsole(new GuestConsole(shared));
  const host = new HostConsole(shared, () => device.poll());
  const queues = device.queueSizes.map(() => new BufferList());
  device.wake = (queue) => device.process(queue, queues[queue]!);
  const notes: ConsoleMessage[] = [];
  void host.serveNotes((note) => notes.push(note));
  const say = (id: number, event: number, value = 1) => {
    const bytes = new Uint8Array(CONSOLE_CONTROL.BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, id, true);
    view.setUint16(4, event, true);
    view.setUint16(6, value, true);
    queues[3]!.offer(bytes);
    device.wake(3);
  };
  /** Control messages that the driver has been sent: port, event, value, and what follows. */
  const heard = () =>
    queues[2]!.takeGiven().map((bytes) => {
      const view = new DataView(bytes.buffer);
      return [view.getUint32(0, true), view.getUint16(4, true), view.getUint16(6, true), ...bytes.subarray(8)];
    });
  for (let n = 0; n < 16; n++) queues[2]!.offer(64);
  return { device, host, queues, notes, say, heard };
}

describe("a console", () => {
  test("has two queues for each port and two for control messages", () => {
    const { device } = create(3);
    expect(device.queueSizes).toEqual([16, 16, 64, 64, 16, 16, 16, 16]);
    expect([...device.config]).toEqual([0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]);
  });

  test("shows the driver the ports that were asked for, before it was ready or after", async () => {
    const { host, say, heard, notes } = create();
    host.request(CONSOLE_REQUEST.ADD, 0);
    expect(heard()).toEqual([]);
    say(0xffff_ffff, DEVICE_READY);
    expect(heard()).toEqual([[0, DEVICE_ADD, 0]]);
    host.request(CONSOLE_REQUEST.ADD, 2, 1);
    host.request(CONSOLE_REQUEST.RESIZE, 2, 40, 300);
    expect(heard()).toEqual([[2, DEVICE_ADD, 0]]);
    say(2, PORT_READY);
    expect(heard()).toEqual([
      [2, CONSOLE_PORT, 1],
      [2, PORT_OPEN, 1],
      [2, RESIZE, 0, 300 & 0xff, 1, 40, 0],
    ]);
    say(2, PORT_OPEN);
    say(2, PORT_OPEN, 0);
    say(1, PORT_OPEN);
    await vi.waitFor(() => expect(notes).toHaveLength(3), WAIT);
    const { READY, OPENED, CLOSED } = CONSOLE_NOTE;
    expect(notes.map(({ op, port }) => [op, port])).toEqual([
      [READY, 2],
      [OPENED, 2],
      [CLOSED, 2],
    ]);
  });

  test("carries bytes both ways, input as there are buffers for it", async () => {
    const { host, say, queues, device } = create();
    host.request(CONSOLE_REQUEST.ADD, 1);
    say(0, DEVICE_READY);
    await host.send(1, Buffer.from("early"));
    queues[4]!.offer(3);
    expect(queues[4]!.takeGiven()).toEqual([]);
    say(1, PORT_READY);
    expect(queues[4]!.takeGiven()).toEqual([]);
    say(1, PORT_OPEN);
    expect(queues[4]!.takeGiven().map(text)).toEqual(["ear"]);
    queues[4]!.offer(100);
    device.wake(4);
    expect(queues[4]!.takeGiven().map(text)).toEqual(["ly"]);
    queues[5]!.offer(Buffer.from("out"));
    device.wake(5);
    expect(text(host.takeOutput(1))).toBe("out");
    await host.send(1, Buffer.from("dropped"));
    host.request(CONSOLE_REQUEST.DISCARD, 1);
    queues[4]!.offer(100);
    device.wake(4);
    expect(queues[4]!.takeGiven()).toEqual([]);
  });

  test("output that nobody takes waits in the guest and goes on when there is room", async () => {
    const { host, queues, device } = create();
    for (let n = 0; n < 5; n++) queues[1]!.offer(new Uint8Array(32_768).fill(n));
    device.wake(1);
    expect(queues[1]!.waiting).toBe(1);
    const first = host.takeOutput(0);
    expect([first.length, queues[1]!.waiting]).toEqual([131_072, 0]);
    expect(host.takeOutput(0)[0]).toBe(4);
  });

  test("begins anew with its driver, and shows it the same ports", async () => {
    const { host, device, say, heard, notes } = create();
    host.request(CONSOLE_REQUEST.ADD, 1);
    say(0, DEVICE_READY);
    say(1, PORT_READY);
    heard();
    device.reset();
    await vi.waitFor(() => expect(notes.at(-1)!.op).toBe(CONSOLE_NOTE.RESET), WAIT);
    say(0, DEVICE_READY);
    expect(heard()).toEqual([[1, DEVICE_ADD, 0]]);
  });
});

const SEED = Number(process.env.SEED ?? 53);

test(`a hostile driver breaks its own device at most, seed ${SEED}`, { timeout: 60_000 }, () => {
  console.log(`seed ${SEED} (SEED=n takes another)`);
  const random = new Random(SEED);
  for (let round = 0; round < 50; round++) {
    const { device, host, queues, say } = create();
    for (let step = 0; step < 50; step++) {
      const queue = random.below(queues.length);
      queues[queue]!.offer(random.chance(50) ? new Uint8Array(random.below(200)) : random.below(200));
      if (random.chance(5)) host.request(1 + random.below(4), random.below(5), random.below(2), 9);
      try {
        if (random.chance(50)) device.process(queue, queues[queue]!);
        else say(random.pick([0, 1, 2, 3, 0xffff_ffff]), random.below(9), random.below(3));
      } catch (error) {
        if (!(error instanceof QueueError)) throw error;
      }
    }
  }
});
