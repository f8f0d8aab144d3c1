import { describe, expect, test } from "vitest";
import { APIC, LAPIC_DEFAULT_BASE } from "../../src/spec/lapic.ts";
import { Code, R } from "./assembler.ts";
import { AT, Guest, needProcessor, type Subject } from "./guest.ts";

const LAPIC = LAPIC_DEFAULT_BASE;
const PORT = 0x80;
const READY = 0x81;
const HLT = { exit: "KVM_EXIT_HLT" };
const READY_SEEN = { out: READY, size: 1, data: [0] };
const HANDLERS = AT.code + 0x800;

/** CR8 in long mode, with and without a local APIC in the engine. */
export function taskPrioritySuite(makeSubject: () => Subject): void {
  const interrupted = (vector: number) => ({ out: PORT, size: 1, data: [vector] });

  describe("task priority", () => {
    test("CR8 is the task priority", () => {
      needProcessor(makeSubject(), "lets interrupts in late");
      const guest = new Guest(makeSubject(), "long", { irqchip: true });
      const handler = new Code(64, HANDLERS).bytes(0xb0, 0x50).outAl(PORT).iret();
      guest.place(handler);
      guest.gate(0x50, handler.origin);
      const lapic = (code: Code, offset: number, value: number): Code =>
        code.mov(R.bx, LAPIC + offset).bytes(0xc7, 0x03, value & 0xff, value >> 8, 0, 0);
      const code = lapic(new Code(64, AT.code), APIC.SVR, 0x1ff);
      lapic(code, APIC.TPR, 0x70).bytes(0x44, 0x0f, 0x20, 0xc0).outAl(PORT);
      code
        .mov(R.ax, 9)
        .bytes(0x44, 0x0f, 0x22, 0xc0)
        .mov(R.bx, LAPIC + APIC.TPR)
        .bytes(0x8b, 0x03)
        .outAl(PORT);
      code.sti().nop().outTo(1, READY, 0).mov(R.ax, 2).bytes(0x44, 0x0f, 0x22, 0xc0).nop().outTo(1, PORT, 1);
      guest.start(code);
      expect(guest.next()).toMatchObject({ data: [7] });
      expect(guest.next()).toMatchObject({ data: [0x90] });
      expect(guest.next()).toEqual(READY_SEEN);
      expect(guest.vcpu.getSregs().cr8_num).toBe(9);
      expect(guest.exit.cr8).toBe(9);
      guest.vm.signalMsi(LAPIC, 0, 0x50);
      expect(guest.next()).toEqual(interrupted(0x50));
      expect(guest.next()).toMatchObject({ data: [1] });
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
