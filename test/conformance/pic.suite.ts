import { describe, expect, test } from "vitest";
import { Code } from "./assembler.ts";
import { AT, Guest, type Subject } from "./guest.ts";

const PORT = 0x80;
const READY = 0x81;
const HANDLERS = AT.code + 0x800;

/** The 8259A and the PIT, in real mode. */
export function picSuite(makeSubject: () => Subject): void {
  const interrupted = (vector: number) => ({ out: PORT, size: 1, data: [vector] });

  describe("8259A", () => {
    const initialise = (code: Code, base: number): Code => {
      for (const [port, value] of [
        [0x20, 0x11],
        [0x21, base],
        [0x21, 4],
        [0x21, 1],
        [0x21, 0xf8],
      ] as const)
        code.outTo(1, port, value);
      return code;
    };

    test("an edge in real mode", () => {
      const guest = new Guest(makeSubject(), "real", { irqchip: true });
      const handler = new Code(16, HANDLERS).bytes(0xb0, 0x21).outAl(PORT).outTo(1, 0x20, 0x20).iret();
      guest.place(handler);
      guest.gate(0x21, handler.origin);
      guest.start(initialise(new Code(16, AT.code), 0x20).outTo(1, READY, 0).sti().label("sleep").hlt().jump("sleep"));
      guest.next();
      guest.vm.irqLine(1, 1);
      expect(guest.next()).toEqual(interrupted(0x21));
      guest.subject.kickFromThread(guest.vcpu, 3);
      guest.interrupted();
      guest.vm.irqLine(1, 0);
      guest.vm.irqLine(1, 1);
      expect(guest.next()).toEqual(interrupted(0x21));
    });

    test("the PIT's interrupts", () => {
      const guest = new Guest(makeSubject(), "real", { irqchip: true, pit: true });
      const handler = new Code(16, HANDLERS).bytes(0xb0, 0x20).outAl(PORT).outTo(1, 0x20, 0x20).iret();
      guest.place(handler);
      guest.gate(0x20, handler.origin);
      const code = initialise(new Code(16, AT.code), 0x20)
        .outTo(1, 0x43, 0x34)
        .outTo(1, 0x40, 0xa9)
        .outTo(1, 0x40, 0x04);
      guest.start(code.sti().label("sleep").hlt().jump("sleep"));
      for (let n = 0; n < 3; n++) expect(guest.next()).toEqual(interrupted(0x20));
    });
  });
}
