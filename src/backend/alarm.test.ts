import { Worker } from "node:worker_threads";
import { expect, test } from "vitest";
import { SharedAlarm } from "./alarm.ts";

test("a blocked thread's alarm rings in the thread that serves it; a later request replaces an earlier one", async () => {
  const alarm = new SharedAlarm();
  let rings = 0;
  let ringed: () => void = () => {};
  const first = new Promise<void>((resolve) => {
    ringed = resolve;
  });
  const served = alarm.serve(() => {
    rings++;
    ringed();
  });
  alarm.set(60000);
  alarm.set(5);
  await first;
  alarm.set(5);
  alarm.set(Number.POSITIVE_INFINITY);
  await new Promise((resolve) => setTimeout(resolve, 20));
  alarm.close();
  await served;
  expect(rings).toBe(1);
});

test("it is set from another thread", async () => {
  const alarm = new SharedAlarm();
  const source = `
    const { workerData } = require("node:worker_threads");
    Atomics.store(workerData, 1, 1);
    Atomics.add(workerData, 0, 1);
    Atomics.notify(workerData, 0);`;
  const worker = new Worker(source, { eval: true, workerData: alarm.words });
  await new Promise<void>((resolve) => {
    void alarm.serve(resolve);
  });
  alarm.close();
  await worker.terminate();
});
