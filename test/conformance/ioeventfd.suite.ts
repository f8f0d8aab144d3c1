import { describe, expect, test } from "vitest";
import { create } from "../../src/base/struct-layout.ts";
import type { EventFd } from "../../src/kvm/eventfd.ts";
import {
  KVM_IOEVENTFD_FLAG_DATAMATCH,
  KVM_IOEVENTFD_FLAG_DEASSIGN,
  KVM_IOEVENTFD_FLAG_PIO,
  kvm_ioeventfd,
} from "../../src/spec/kvm/vm-struct.ts";
import { Code, R } from "./assembler.ts";
import { AT, errnoOf, Guest, type Subject } from "./guest.ts";

const HLT = { exit: "KVM_EXIT_HLT" };

/** Doorbells: guest writes that signal an event instead of leaving. */
export function ioeventfdSuite(makeSubject: () => Subject): void {
  const protectedGuest = (): Guest => new Guest(makeSubject(), "protected");
  const program = (): Code => new Code(32, AT.code);

  describe("ioeventfd", () => {
    const PIO = KVM_IOEVENTFD_FLAG_PIO;
    const bind = (guest: Guest, init: Parameters<typeof create<typeof kvm_ioeventfd>>[1]): EventFd => {
      const event = guest.subject.engine.createEventFd();
      guest.vm.ioeventfd(create(kvm_ioeventfd, init), event);
      return event;
    };

    test("a port: no exit, whatever the value; another size leaves", () => {
      const guest = protectedGuest().start(program().outTo(2, 0x600, 7).outTo(2, 0x600, 8).outTo(1, 0x600, 9).hlt());
      const event = bind(guest, { addr: 0x600, len: 2, flags: PIO });
      expect(guest.next()).toEqual({ out: 0x600, size: 1, data: [9] });
      expect(event.take()).toBe(2);
    });

    test("memory-mapped, with one value or any length", () => {
      const code = program()
        .storeImmediate(AT.hole, 5)
        .storeImmediate(AT.hole, 6)
        .storeImmediate(AT.hole + 8, 7);
      const guest = protectedGuest().start(code.store(1, AT.hole + 8, R.ax).hlt());
      const five = bind(guest, { addr: AT.hole, len: 4, datamatch: 5, flags: KVM_IOEVENTFD_FLAG_DATAMATCH });
      const any = bind(guest, { addr: AT.hole + 8, len: 0 });
      expect(guest.next()).toEqual({ write: AT.hole, length: 4, data: 6n });
      expect(guest.next()).toEqual(HLT);
      expect([five.take(), any.take()]).toEqual([1, 2]);
    });

    test("reads still leave, and so do writes after it is gone", () => {
      const guest = protectedGuest().start(program().load(4, R.cx, AT.hole).storeImmediate(AT.hole, 5).hlt());
      const event = bind(guest, { addr: AT.hole, len: 4 });
      expect(guest.next()).toEqual({ read: AT.hole, length: 4 });
      guest.vm.ioeventfd(create(kvm_ioeventfd, { addr: AT.hole, len: 4, flags: KVM_IOEVENTFD_FLAG_DEASSIGN }), event);
      expect(guest.next()).toEqual({ write: AT.hole, length: 4, data: 5n });
      expect(event.take()).toBe(0);
    });

    test("an instruction that also needs an exit signals once", () => {
      const guest = protectedGuest().start(
        program()
          .mov(R.si, AT.hole + 16)
          .mov(R.di, AT.hole)
          .string("movs", 4, false)
          .hlt(),
      );
      const event = bind(guest, { addr: AT.hole, len: 4 });
      expect(guest.next()).toEqual({ read: AT.hole + 16, length: 4 });
      expect(guest.next()).toEqual(HLT);
      expect(event.take()).toBe(1);
    });

    test("wrong arguments", () => {
      const guest = protectedGuest();
      bind(guest, { addr: 0x600, len: 2, flags: PIO });
      const code = (init: Parameters<typeof create<typeof kvm_ioeventfd>>[1]) => errnoOf(() => bind(guest, init));
      expect(code({ addr: 0x600, len: 2, flags: PIO })).toBe("EEXIST");
      expect(code({ addr: 0x600, len: 3, flags: PIO })).toBe("EINVAL");
      expect(code({ addr: 0x600, len: 2, flags: 0x80 })).toBe("EINVAL");
      expect(code({ addr: 0x700, len: 2, flags: PIO | KVM_IOEVENTFD_FLAG_DEASSIGN })).toBe("ENOENT");
    });
  });
}
