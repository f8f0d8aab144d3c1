import { describe, expect, test } from "vitest";
import { create } from "../base/struct-layout.ts";
import { EBUSY, EINVAL } from "../spec/kvm/errno.ts";
import { KVM_IRQFD_FLAG_DEASSIGN, KVM_IRQFD_FLAG_RESAMPLE, kvm_irqfd } from "../spec/kvm/vm-struct.ts";
import { SharedEventFd } from "./eventfd.ts";
import { IrqfdTable } from "./irqfd.ts";

function setup() {
  const log: string[] = [];
  const table = new IrqfdTable({
    pulse: (gsi) => log.push(`pulse ${gsi}`),
    setResampled: (gsi, level) => log.push(`${gsi} = ${level}`),
  });
  const set = (gsi: number, flags: number, event: SharedEventFd, resample?: SharedEventFd) =>
    table.set(create(kvm_irqfd, { gsi, flags }), event, resample);
  return { log, table, set };
}

describe("irqfd", () => {
  test("a signal is an edge, and is taken", () => {
    const { log, set } = setup();
    const event = new SharedEventFd();
    expect(set(5, 0, event)).toBe(0);
    event.signal();
    expect([log, event.pending]).toEqual([["pulse 5"], 0]);
  });

  test("a signal from before binding is delivered", () => {
    const { log, set } = setup();
    const event = new SharedEventFd();
    event.signal();
    set(5, 0, event);
    expect(log).toEqual(["pulse 5"]);
  });

  test("signals of another thread are delivered by polling, several as one", () => {
    const { log, table, set } = setup();
    const event = new SharedEventFd();
    set(5, 0, event);
    const elsewhere = new SharedEventFd(event.words);
    elsewhere.signal();
    elsewhere.signal();
    expect(log).toEqual([]);
    table.poll();
    table.poll();
    expect(log).toEqual(["pulse 5"]);
  });

  test("a resampling one holds the line until the guest's EOI, then asks again", () => {
    const { log, table, set } = setup();
    const [event, resample] = [new SharedEventFd(), new SharedEventFd()];
    expect(set(10, KVM_IRQFD_FLAG_RESAMPLE, event, resample)).toBe(0);
    resample.listen(() => event.signal());
    event.signal();
    table.acked(11);
    expect(log).toEqual(["10 = 1"]);
    table.acked(10);
    expect([log, resample.take()]).toEqual([["10 = 1", "10 = 0", "10 = 1"], 1]);
  });

  test("two that share a line are both asked after it was lowered", () => {
    const { log, table, set } = setup();
    for (const again of [true, false]) {
      const [event, resample] = [new SharedEventFd(), new SharedEventFd()];
      set(10, KVM_IRQFD_FLAG_RESAMPLE, event, resample);
      if (again) resample.listen(() => event.signal());
    }
    table.acked(10);
    expect(log).toEqual(["10 = 0", "10 = 1"]);
  });

  test("deassign ends it, and lowers a resampled line", () => {
    const { log, table, set } = setup();
    const [edge, level, resample] = [new SharedEventFd(), new SharedEventFd(), new SharedEventFd()];
    set(5, 0, edge);
    set(6, KVM_IRQFD_FLAG_RESAMPLE, level, resample);
    level.signal();
    expect(set(5, KVM_IRQFD_FLAG_DEASSIGN, edge)).toBe(0);
    expect(set(6, KVM_IRQFD_FLAG_DEASSIGN, level)).toBe(0);
    edge.signal();
    level.signal();
    table.poll();
    table.acked(6);
    expect([log, resample.pending]).toEqual([["6 = 1", "6 = 0"], 0]);
    expect(set(7, KVM_IRQFD_FLAG_DEASSIGN, edge)).toBe(0);
  });

  test("EINVAL and EBUSY", () => {
    const { set, log } = setup();
    const event = new SharedEventFd();
    expect(set(5, 4, event)).toBe(EINVAL);
    expect(set(4096, 0, event)).toBe(EINVAL);
    expect(set(5, KVM_IRQFD_FLAG_RESAMPLE, event)).toBe(EINVAL);
    expect(set(5, 0, event, new SharedEventFd())).toBe(EINVAL);
    expect(set(5, 0, event)).toBe(0);
    expect(set(6, 0, event)).toBe(EBUSY);
    event.signal();
    expect(log).toEqual(["pulse 5"]);
  });
});
