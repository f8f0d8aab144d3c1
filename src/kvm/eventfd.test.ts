import { Worker } from "node:worker_threads";
import { describe, expect, test } from "vitest";
import { SharedEventFd } from "./eventfd.ts";

describe("EventFd", () => {
  test("counts signals until they are taken", () => {
    const event = new SharedEventFd();
    event.signal();
    event.signal();
    expect([event.pending, event.take(), event.pending, event.take()]).toEqual([2, 2, 0, 0]);
  });

  test("listeners hear the signals of their own object; the counter is shared", () => {
    const event = new SharedEventFd();
    const elsewhere = new SharedEventFd(event.words);
    let heard = 0;
    const leave = event.listen(() => heard++);
    event.signal();
    elsewhere.signal();
    expect([heard, event.pending]).toEqual([1, 2]);
    leave();
    event.signal();
    expect(heard).toBe(1);
  });

  test("wait takes what is there at once and gives up after its time", () => {
    const event = new SharedEventFd();
    event.signal();
    expect([event.wait(10_000), event.wait(1)]).toEqual([1, 0]);
  });

  test("a signal from another thread ends a wait", async () => {
    const event = new SharedEventFd();
    const source = `const { workerData: words } = require("node:worker_threads");
      Atomics.add(words, 0, 3); Atomics.notify(words, 0);`;
    const worker = new Worker(source, { eval: true, workerData: event.words });
    expect(event.wait(15_000)).toBe(3);
    await worker.terminate();
  });
});
