import { describe, expect, test } from "vitest";
import { Code, IF, R } from "./assembler.ts";
import { AT, BITS, Guest, MODES, type Subject } from "./guest.ts";

const PAGE = 0x1000;
const PORT = 0x80;

/** Code that changes under the processor. */
export function codeSuite(makeSubject: () => Subject): void {
  describe.each(MODES)("changing code in %s mode", (mode) => {
    const at = (origin: number): Code => new Code(BITS[mode], origin);
    const guestOf = (code: Code): Guest => new Guest(makeSubject(), mode).start(code);

    test("an instruction changes the next one of its block", () => {
      const program = at(AT.code).nop();
      program
        .label("patch")
        .memory(1, [0xc6], 0, AT.code + 0x40)
        .bytes(9);
      const guest = guestOf(
        program
          .pad(AT.code + 0x3f)
          .bytes(0xb0, 1)
          .outAl(PORT)
          .hlt(),
      );
      expect(guest.outputs()).toEqual([9]);
    });

    test("a loop changes itself every time around", () => {
      const program = at(AT.code).mov(R.cx, 4).label("loop").bytes(0xb0, 0);
      const immediate = program.here - 1;
      program
        .outAl(PORT)
        .incByte(immediate)
        .bytes(...(mode === "long" ? [0xff, 0xc9] : [0x49]));
      const guest = guestOf(program.jumpIf(IF.notZero, "loop").hlt());
      expect(guest.outputs()).toEqual([0, 1, 2, 3]);
    });

    test("a function is changed between two calls", () => {
      const program = at(AT.code)
        .call("function")
        .memory(1, [0xc6], 0, AT.code + 0x81)
        .bytes(7)
        .call("function")
        .hlt();
      const guest = guestOf(
        program
          .pad(AT.code + 0x80)
          .label("function")
          .bytes(0xb0, 1)
          .outAl(PORT)
          .ret(),
      );
      expect(guest.outputs()).toEqual([1, 7]);
    });

    test("REP MOVS copies code over code that ran", () => {
      const program = at(AT.code)
        .call("function")
        .mov(R.si, AT.code + 0x100)
        .mov(R.di, AT.code + 0x80);
      program.mov(R.cx, 3).string("movs", 1, true).call("function").hlt();
      program
        .pad(AT.code + 0x80)
        .label("function")
        .bytes(0xb0, 1)
        .nop()
        .outAl(PORT)
        .ret();
      const guest = guestOf(program.pad(AT.code + 0x100).bytes(0xb0, 5, 0x90));
      expect(guest.outputs()).toEqual([1, 5]);
    });

    test("the host changes code", () => {
      const guest = guestOf(at(AT.code).label("again").bytes(0xb0, 1).outAl(PORT).jump("again"));
      expect(guest.next()).toMatchObject({ data: [1] });
      guest.vm.memory.writeU8(AT.code + 1, 2);
      expect(guest.next()).toMatchObject({ data: [2] });
      guest.vm.memory.view(AT.code, 2)![1] = 3;
      guest.vm.memory.written(AT.code + 1, 1);
      expect(guest.next()).toMatchObject({ data: [3] });
    });

    test("an instruction lies across two pages, and each half changes", () => {
      const end = AT.code + PAGE;
      // mov ax, imm16 or mov eax, imm32: opcode and first byte on the first page
      const crossing = at(end - 2)
        .bytes(0xb8, 1, 0, ...(mode === "real" ? [] : [0, 0]))
        .out(2)
        .hlt();
      const guest = guestOf(crossing);
      const result = (): number[] => {
        guest.setRegs({ rip: end - 2, rdx: PORT });
        return guest.outputs();
      };
      expect(result()).toEqual([1]);
      guest.vm.memory.writeU8(end - 1, 0x22);
      expect(result()).toEqual([0x22]);
      guest.start(at(AT.code).memory(1, [0xc6], 0, end).bytes(0x33).hlt());
      expect(guest.outputs()).toEqual([]);
      expect(result()).toEqual([0x3322]);
    });

    test("code is deleted with its slot and replaced by another's", () => {
      const guest = guestOf(at(AT.afterHole).bytes(0xb0, 1).outAl(PORT).hlt());
      expect(guest.outputs()).toEqual([1]);
      guest.setSlot(1, AT.afterHole, 0, 0);
      guest.addMemory(7, AT.afterHole, PAGE);
      guest.start(at(AT.afterHole).bytes(0xb0, 2).outAl(PORT).hlt());
      expect(guest.outputs()).toEqual([2]);
    });
  });

  describe("remapping code in long mode", () => {
    const linear = 0x4000_0000 - 0x20_0000;
    const table = AT.data;
    const cr3Reload = [0x0f, 0x20, 0xd8, 0x0f, 0x22, 0xd8];
    /** Two pages at `linear` through a table of small pages in AT.data, on AT.afterHole on. */
    const mapped = (guest: Guest): void => {
      guest.vm.memory.writeU64(AT.pageTables + 2 * PAGE + 8 * 511, table | 7);
      for (const n of [0, 1]) guest.vm.memory.writeU64(table + 8 * n, (AT.afterHole + n * PAGE) | 7);
    };
    const function_ = (origin: number, value: number): Code => new Code(64, origin).mov(R.ax, value).outAl(PORT).ret();

    test.each(["invlpg", "mov cr3"])("another page after %s", (how) => {
      const guest = new Guest(makeSubject(), "long");
      mapped(guest);
      guest.place(function_(AT.afterHole, 1));
      guest.place(function_(AT.afterHole + 2 * PAGE, 2));
      const flush = how === "mov cr3" ? cr3Reload : [0x0f, 0x01, 0x3b];
      const program = new Code(64, AT.code).mov(R.bx, linear).bytes(0xff, 0xd3);
      program
        .storeImmediate(table, (AT.afterHole + 2 * PAGE) | 7)
        .bytes(...flush)
        .bytes(0xff, 0xd3)
        .hlt();
      guest.start(program);
      expect(guest.outputs()).toEqual([1, 2]);
    });

    test("the second page of an instruction across pages", () => {
      const guest = new Guest(makeSubject(), "long");
      mapped(guest);
      const tail = (page: number, value: number): void =>
        guest.place(new Code(64, page).bytes(value, 0, 0, 0).outAl(PORT).ret());
      guest.place(new Code(64, AT.afterHole + PAGE - 1).bytes(0xb8));
      tail(AT.afterHole + PAGE, 1);
      tail(AT.afterHole + 2 * PAGE, 2);
      const program = new Code(64, AT.code).mov(R.bx, linear + PAGE - 1).bytes(0xff, 0xd3);
      program
        .storeImmediate(table + 8, (AT.afterHole + 2 * PAGE) | 7)
        .bytes(...cr3Reload)
        .bytes(0xff, 0xd3)
        .hlt();
      guest.start(program);
      expect(guest.outputs()).toEqual([1, 2]);
    });

    test("code is written through another mapping of its page", () => {
      const guest = new Guest(makeSubject(), "long");
      mapped(guest);
      guest.place(function_(AT.afterHole, 1));
      const program = new Code(64, AT.code).mov(R.bx, linear).bytes(0xff, 0xd3);
      program
        .memory(1, [0xc6], 0, AT.afterHole + 1)
        .bytes(6)
        .bytes(0xff, 0xd3)
        .hlt();
      guest.start(program);
      expect(guest.outputs()).toEqual([1, 6]);
    });

    test("a page that may not be executed", () => {
      const guest = new Guest(makeSubject(), "long");
      mapped(guest);
      guest.vm.memory.writeU64(table, AT.afterHole | 7);
      guest.vm.memory.writeU32(table + 4, 0x8000_0000);
      const sregs = guest.vcpu.getSregs();
      sregs.efer_num |= 0x800;
      guest.vcpu.setSregs(sregs);
      const handler = new Code(64, AT.code + 0x200).bytes(0x58).outAl(PORT).hlt();
      guest.place(handler);
      guest.gate(14, handler.origin);
      guest.start(new Code(64, AT.code).load(4, R.cx, linear).mov(R.bx, linear).bytes(0xff, 0xd3));
      expect(guest.outputs()).toEqual([0x11]);
    });
  });

  describe("the end of the code segment", () => {
    /** Where #GP(0) is raised when CS ends `length` bytes after the start; undefined if the guest reaches its HLT. */
    const faultOf = (code: Code, length: number, guest = new Guest(makeSubject(), "protected")): number | undefined => {
      const handler = new Code(32, AT.code + 0x800).bytes(0x58, 0x58, 0xba, PORT, 0, 0, 0, 0xef).hlt(); // pop eax twice; out dx, eax
      guest.place(handler);
      guest.gate(13, handler.origin);
      const sregs = guest.vcpu.getSregs();
      sregs.cs.limit = code.origin + length - 1;
      sregs.cs.g = 0;
      guest.vcpu.setSregs(sregs);
      guest.start(code);
      const seen = guest.next();
      return "out" in seen ? seen.data[0]! - code.origin : undefined;
    };

    test("instructions run up to it", () => {
      const code = (): Code => new Code(32, AT.code).nop().nop().nop().hlt();
      expect([1, 2, 3, 4].map((length) => faultOf(code(), length))).toEqual([1, 2, 3, undefined]);
    });

    test("an instruction that begins within it and ends beyond it faults", () => {
      const code = (): Code => new Code(32, AT.code).nop().mov(R.ax, 1).hlt();
      expect([2, 5, 6, 7].map((length) => faultOf(code(), length))).toEqual([1, 1, 6, undefined]);
    });

    test("a jump beyond it faults", () => {
      const code = new Code(32, AT.code)
        .nop()
        .jump("far")
        .pad(AT.code + 0x100)
        .label("far")
        .hlt();
      expect(faultOf(code, 0x100)).toBeDefined();
      expect(faultOf(code, 0x101)).toBeUndefined();
    });

    test("it may be another one for code that ran before", () => {
      const code = new Code(32, AT.code).mov(R.cx, 2).label("loop").bytes(0xff, 0xc9).jumpIf(IF.notZero, "loop").hlt();
      const guest = new Guest(makeSubject(), "protected").start(code);
      expect(guest.outputs()).toEqual([]);
      expect(faultOf(code, code.here - AT.code - 1, guest)).toBe(code.here - AT.code - 1);
    });
  });
}
