import { describe, expect, test } from "vitest";
import { CR4 } from "../../src/spec/x86/control-register.ts";
import { Code } from "./assembler.ts";
import { AT, Guest, type Subject } from "./guest.ts";

const HLT = { exit: "KVM_EXIT_HLT" };
const CARRY = 1;

/** Instructions whose outcome is the machine's: they are compared with no processor. */
export function instructionsSuite(makeSubject: () => Subject): void {
  const guestOf = (code: Code): Guest => new Guest(makeSubject(), "long").start(code);
  const has = (guest: Guest, leaf: number, register: "ebx" | "ecx", bit: number): boolean => {
    const { entries, nent } = guest.vcpu.getCpuid2();
    const entry = Array.from({ length: nent }, (_, n) => entries[n]!).find((e) => e.function === leaf);
    return (((entry?.[register] ?? 0) >>> bit) & 1) === 1;
  };

  describe("instructions of the machine", () => {
    test("RDRAND and RDSEED give values of their size, and CF alone", (context) => {
      const code = new Code(64, AT.code);
      // or rcx, -1; or rbx, -1; rdrand rax; rdseed ecx; rdrand bx; pushfq; pop rsi
      code.bytes(0x48, 0x83, 0xc9, 0xff, 0x48, 0x83, 0xcb, 0xff, 0x48, 0x0f, 0xc7, 0xf0, 0x0f, 0xc7, 0xf9);
      code.bytes(0x66, 0x0f, 0xc7, 0xf3, 0x9c, 0x5e).hlt();
      const guest = guestOf(code);
      context.skip(!has(guest, 1, "ecx", 30) || !has(guest, 7, "ebx", 18), "the engine has not both");
      expect(guest.next()).toEqual(HLT);
      const { rax, rcx, rbx, rsi } = guest.regs();
      expect(rax >> 32n).not.toBe(0n);
      expect(rcx >> 32n).toBe(0n);
      expect(rcx).not.toBe(0xffff_ffffn);
      expect(rbx >> 16n).toBe(0xffff_ffff_ffffn);
      expect(Number(rsi) & 0x8d5).toBe(CARRY);
    });

    test("RDPID gives IA32_TSC_AUX", (context) => {
      const guest = guestOf(new Code(64, AT.code).wrmsr(0xc000_0103, 0x1234).bytes(0xf3, 0x0f, 0xc7, 0xfb).hlt());
      context.skip(!has(guest, 7, "ecx", 22), "the engine does not have it");
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rbx).toBe(0x1234n);
    });

    /** MONITOR of some data, then what comes between, MWAIT, and a port write behind it. */
    const waiting = (...between: number[]): Code => {
      const code = new Code(64, AT.code).mov(0, AT.data).mov(1, 0).mov(2, 0).bytes(0x0f, 0x01, 0xc8);
      return code
        .bytes(...between, 0x0f, 0x01, 0xc9)
        .outAl(0x80)
        .hlt();
    };

    test("MWAIT does not sleep after an event since MONITOR", (context) => {
      const guest = guestOf(waiting(0xcd, 0x45));
      context.skip(!has(guest, 1, "ecx", 3), "the engine does not show it");
      const handler = new Code(64, AT.code + 0x800).iret();
      guest.place(handler);
      guest.gate(0x45, handler.origin);
      expect(guest.next()).toMatchObject({ out: 0x80 });
    });

    test("MWAIT takes no extensions and no hints", (context) => {
      const guest = guestOf(waiting(0xff, 0xc1));
      context.skip(!has(guest, 1, "ecx", 3), "the engine does not show it");
      const handler = new Code(64, AT.code + 0x800).outAl(0x81).hlt();
      guest.place(handler);
      guest.gate(13, handler.origin);
      expect(guest.next()).toMatchObject({ out: 0x81 });
    });

    test("MWAIT sleeps until an interrupt", (context) => {
      const guest = guestOf(waiting());
      context.skip(!has(guest, 1, "ecx", 3), "the engine does not show it");
      const handler = new Code(64, AT.code + 0x800).incByte(AT.data).iret();
      guest.place(handler);
      guest.gate(0x45, handler.origin);
      expect(guest.next()).toEqual(HLT);
      guest.setRegs({ rflags: 0x202, rip: guest.regs().rip });
      guest.vcpu.interrupt(0x45);
      expect(guest.next()).toMatchObject({ out: 0x80 });
      expect(guest.vm.memory.readU8(AT.data)).toBe(1);
    });

    test("CR4.UMIP keeps SIDT and its like for level 0 [SDM 3A 2.5]", (context) => {
      const guest = guestOf(new Code(64, AT.code).bytes(0x0f, 0x01, 0x0c, 0x25, 0x00, 0xc0, 0x00, 0x00).hlt());
      context.skip(!has(guest, 7, "ecx", 2), "the engine does not have it");
      const sregs = guest.vcpu.getSregs();
      sregs.cr4_num += CR4.UMIP;
      guest.vcpu.setSregs(sregs);
      expect(guest.next()).toEqual(HLT);
      expect(guest.vm.memory.readU16(AT.data)).toBe(sregs.idt.limit);
    });
  });
}
