import { describe, expect, test } from "vitest";
import { Code } from "./assembler.ts";
import { AT, BITS, Guest, needProcessor, type Subject } from "./guest.ts";

/** Where a guest tells what it did, and that it is ready for what the test does next. */
const PORT = 0x80;
const READY = 0x81;
const HLT = { exit: "KVM_EXIT_HLT" };
const HANDLERS = AT.code + 0x800;

/** KVM_INTERRUPT: interrupts that user space gives to a processor whose controllers are not in the engine. */
export function injectionSuite(makeSubject: () => Subject): void {
  const interrupted = (vector: number) => ({ out: PORT, size: 1, data: [vector] });

  describe.each(["real", "protected"] as const)("without an irqchip in %s mode", (mode) => {
    const flags = (guest: Guest): boolean[] => [guest.exit.ifFlag, guest.exit.readyForInterruptInjection];
    const injected = (body: (code: Code) => Code): Guest => {
      const guest = new Guest(makeSubject(), mode);
      const handler = new Code(BITS[mode], HANDLERS).bytes(0x88, 0xd8).outAl(PORT).iret();
      guest.place(handler);
      guest.gate(0x40, handler.origin);
      guest.start(body(new Code(BITS[mode], AT.code).outTo(1, READY, 0)));
      expect(guest.next()).toEqual({ out: READY, size: 1, data: [0] });
      return guest;
    };

    test("the interrupt window opens after STI and its shadow", () => {
      needProcessor(makeSubject(), "lets interrupts in late");
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
  });
}
