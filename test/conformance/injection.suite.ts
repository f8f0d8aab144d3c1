import { describe, expect, test } from "vitest";
import { Code, R } from "./assembler.ts";
import { AT, Guest, type Subject } from "./guest.ts";

/** Where a guest tells what it did, and that it is ready for what the test does next. */
const PORT = 0x80;
const READY = 0x81;
const HLT = { exit: "KVM_EXIT_HLT" };
const HANDLERS = AT.code + 0x800;

/** KVM_INTERRUPT: interrupts that user space gives to a processor whose controllers are not in the engine. */
export function injectionSuite(makeSubject: () => Subject): void {
  const interrupted = (vector: number) => ({ out: PORT, size: 1, data: [vector] });

  describe("without an irqchip", () => {
    const flags = (guest: Guest): boolean[] => [guest.exit.ifFlag, guest.exit.readyForInterruptInjection];
    const injected = (body: (code: Code) => Code): Guest => {
      const guest = new Guest(makeSubject(), "protected");
      const handler = new Code(32, HANDLERS).bytes(0x88, 0xd8).outAl(PORT).iret();
      guest.place(handler);
      guest.gate(0x40, handler.origin);
      guest.start(body(new Code(32, AT.code).outTo(1, READY, 0)));
      expect(guest.next()).toEqual({ out: READY, size: 1, data: [0] });
      return guest;
    };

    test("the interrupt window opens after STI and its shadow", () => {
      const guest = injected((code) => code.nop().sti().bytes(0x43, 0x43, 0x43).hlt());
      expect(flags(guest)).toEqual([false, false]);
      guest.exit.requestInterruptWindow = true;
      expect(guest.next()).toEqual({ exit: "KVM_EXIT_IRQ_WINDOW_OPEN" });
      expect(flags(guest)).toEqual([true, true]);
      expect(guest.regs().rbx_num).toBe(1);
      guest.exit.requestInterruptWindow = false;
      guest.vcpu.interrupt(0x40);
      expect(guest.next()).toEqual(interrupted(1));
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rbx_num).toBe(3);
    });

    test("an interrupt wakes HLT", () => {
      const guest = injected((code) => code.sti().hlt().outTo(1, PORT, 9));
      expect(guest.next()).toEqual(HLT);
      expect(flags(guest)).toEqual([true, true]);
      guest.vcpu.interrupt(0x40);
      expect(guest.next()).toEqual(interrupted(0));
      expect(guest.next()).toEqual(interrupted(9));
    });

    test("the task priority goes in and out by kvm_run", () => {
      const guest = new Guest(makeSubject(), "long");
      guest.start(
        new Code(64, AT.code)
          .bytes(0x44, 0x0f, 0x20, 0xc0)
          .outAl(PORT)
          .mov(R.ax, 3)
          .bytes(0x44, 0x0f, 0x22, 0xc0)
          .hlt(),
      );
      guest.exit.cr8 = 6;
      expect(guest.next()).toEqual(interrupted(6));
      expect(guest.next()).toEqual(HLT);
      expect(guest.exit.cr8).toBe(3);
    });
  });
}
