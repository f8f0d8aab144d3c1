import { describe, expect, test } from "vitest";
import { ManualClock } from "../base/clock.ts";
import { create } from "../base/struct-layout.ts";
import { EINVAL } from "../spec/kvm/errno.ts";
import { KVM_CLOCK_REALTIME, kvm_clock_data } from "../spec/kvm/vm-struct.ts";
import { VmClock } from "./clock.ts";

function setup() {
  const host = new ManualClock();
  host.time = 5_000_000;
  host.epoch = 1_700_000_000_000;
  return { host, clock: new VmClock(host) };
}

describe("VmClock", () => {
  test("counts from the VM's creation", () => {
    const { host, clock } = setup();
    expect(clock.now()).toBe(0);
    host.time += 1234;
    expect(clock.getData()).toMatchObject({ clock: 1234n, flags: KVM_CLOCK_REALTIME });
    expect(clock.getData().realtime_num / 1e6).toBeCloseTo(1_700_000_000_005, 1);
  });

  test("goes on from what was set", () => {
    const { host, clock } = setup();
    expect(clock.setData(create(kvm_clock_data, { clock: 1_000_000 }))).toBe(0);
    host.time += 10;
    expect(clock.now()).toBe(1_000_010);
  });

  test("with REALTIME the time since the record counts, but never backwards", () => {
    const { host, clock } = setup();
    const saved = clock.getData();
    host.time += 3_000_000_000;
    expect(clock.setData(saved)).toBe(0);
    expect(clock.now() / 1e9).toBeCloseTo(3, 3);
    const future = create(kvm_clock_data, { clock: 42, realtime: 2n ** 62n, flags: KVM_CLOCK_REALTIME });
    expect(clock.setData(future)).toBe(0);
    expect(clock.now()).toBe(42);
  });

  test("refuses unknown flags and clocks beyond 2^53", () => {
    const { clock } = setup();
    expect(clock.setData(create(kvm_clock_data, { flags: 1 }))).toBe(EINVAL);
    expect(clock.setData(create(kvm_clock_data, { clock: 2n ** 60n }))).toBe(EINVAL);
    expect(clock.now()).toBe(0);
  });
});
