import { describe, expect, test } from "vitest";
import { create, type StructInit } from "../base/struct-layout.ts";
import { EEXIST, EINVAL, ENOENT } from "../spec/kvm/errno.ts";
import {
  KVM_IOEVENTFD_FLAG_DATAMATCH as DATAMATCH,
  KVM_IOEVENTFD_FLAG_DEASSIGN as DEASSIGN,
  kvm_ioeventfd,
  KVM_IOEVENTFD_FLAG_PIO as PIO,
} from "../spec/kvm/vm-struct.ts";
import { SharedEventFd } from "./eventfd.ts";
import { IoeventfdTable } from "./ioeventfd.ts";

type Args = StructInit<typeof kvm_ioeventfd>;

function bind(table: IoeventfdTable, args: Args, event = new SharedEventFd()) {
  expect(table.set(create(kvm_ioeventfd, args), event)).toBe(0);
  return event;
}

describe("matching", () => {
  test("address, bus and length", () => {
    const table = new IoeventfdTable();
    const port = bind(table, { addr: 0x1000, len: 2, flags: PIO });
    const mmio = bind(table, { addr: 0x1000, len: 4 });
    expect([table.writePort(0x1000, 2, 5), table.writePort(0x1000, 1, 5), table.writePort(0x1001, 2, 5)]).toEqual([
      true,
      false,
      false,
    ]);
    expect([table.writeMmio(0x1000, 4, 0, 0), table.writeMmio(0x1000, 8, 0, 0)]).toEqual([true, false]);
    expect([port.take(), mmio.take()]).toEqual([1, 1]);
  });

  test("length 0 takes any", () => {
    const table = new IoeventfdTable();
    const event = bind(table, { addr: 0xf_0000_0000, len: 0 });
    for (const length of [1, 2, 4, 8]) expect(table.writeMmio(0xf_0000_0000, length, 1, 1)).toBe(true);
    expect(event.take()).toBe(4);
  });

  test("data match looks at the bytes of the access only", () => {
    const table = new IoeventfdTable();
    const queues = [0, 1, 2].map((queue) => bind(table, { addr: 8, len: 2, datamatch: queue, flags: DATAMATCH }));
    expect([table.writeMmio(8, 2, 0x5_0001, 9), table.writeMmio(8, 2, 3, 0)]).toEqual([true, false]);
    expect(queues.map((queue) => queue.take())).toEqual([0, 1, 0]);
    const wide = bind(table, { addr: 16, len: 8, datamatch: 0x8000_0001_ffff_ffffn, flags: DATAMATCH });
    expect([table.writeMmio(16, 8, -1, 0x8000_0001 | 0), table.writeMmio(16, 8, -1, 1)]).toEqual([true, false]);
    expect(wide.take()).toBe(1);
  });

  test("a match wider than the access never holds", () => {
    const table = new IoeventfdTable();
    bind(table, { addr: 8, len: 1, datamatch: 0x100, flags: DATAMATCH });
    expect(table.writeMmio(8, 1, 0x100, 0)).toBe(false);
  });
});

describe("KVM_IOEVENTFD's rules", () => {
  test.each<[string, Args]>([
    ["length 3", { len: 3 }],
    ["length 16", { len: 16 }],
    ["unknown flag", { len: 4, flags: 8 }],
    ["data match of no length", { len: 0, flags: DATAMATCH }],
    ["address beyond 2^53", { len: 4, addr: 2n ** 63n }],
  ])("EINVAL: %s", (_name, args) => {
    expect(new IoeventfdTable().set(create(kvm_ioeventfd, args), new SharedEventFd())).toBe(EINVAL);
  });

  test.each<[string, Args, number]>([
    ["the same", { len: 4, datamatch: 1, flags: DATAMATCH }, EEXIST],
    ["any value", { len: 4 }, EEXIST],
    ["any length", { len: 0 }, EEXIST],
    ["another value", { len: 4, datamatch: 2, flags: DATAMATCH }, 0],
    ["another length", { len: 2, datamatch: 1, flags: DATAMATCH }, 0],
    ["another bus", { len: 4, datamatch: 1, flags: DATAMATCH | PIO }, 0],
    ["another address", { addr: 4, len: 4, datamatch: 1, flags: DATAMATCH }, 0],
  ])("beside a match of 4 bytes: %s", (_name, args, expected) => {
    const table = new IoeventfdTable();
    bind(table, { len: 4, datamatch: 1, flags: DATAMATCH });
    expect(table.set(create(kvm_ioeventfd, args), new SharedEventFd())).toBe(expected);
  });

  test("deassign takes away exactly what was assigned", () => {
    const table = new IoeventfdTable();
    const event = bind(table, { addr: 8, len: 4, datamatch: 1, flags: DATAMATCH });
    bind(table, { addr: 8, len: 4, datamatch: 2, flags: DATAMATCH }, event);
    const deassign = (args: Args, of = event) =>
      table.set(create(kvm_ioeventfd, { addr: 8, len: 4, ...args, flags: DEASSIGN | (args.flags ?? 0) }), of);
    expect(deassign({ datamatch: 3, flags: DATAMATCH })).toBe(ENOENT);
    expect(deassign({})).toBe(ENOENT);
    expect(deassign({ datamatch: 1, flags: DATAMATCH }, new SharedEventFd())).toBe(ENOENT);
    expect(deassign({ datamatch: 1, flags: DATAMATCH })).toBe(0);
    expect([table.writeMmio(8, 4, 1, 0), table.writeMmio(8, 4, 2, 0)]).toEqual([false, true]);
    expect(deassign({ datamatch: 2, flags: DATAMATCH })).toBe(0);
    expect(table.writeMmio(8, 4, 2, 0)).toBe(false);
    expect(deassign({ datamatch: 2, flags: DATAMATCH })).toBe(ENOENT);
  });
});
