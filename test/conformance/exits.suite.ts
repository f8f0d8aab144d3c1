import { describe, expect, test } from "vitest";
import { EINTR } from "../../src/spec/kvm/errno.ts";
import { KVM_INTERNAL_ERROR_EMULATION } from "../../src/spec/kvm/exit.ts";
import { Code, R } from "./assembler.ts";
import { AT, BITS, Guest, MODES, type Mode, needProcessor, type Subject } from "./guest.ts";

const PORT = 0x1230;
const HLT = { exit: "KVM_EXIT_HLT" };
const SIZES = [1, 2, 4] as const;

/** Every kind of exit, and that the instruction behind it completes when run is entered again. */
export function exitsSuite(makeSubject: () => Subject): void {
  const code = (mode: Mode): Code => new Code(BITS[mode], AT.code);
  const guestIn = (mode: Mode): Guest => new Guest(makeSubject(), mode);

  describe.each(MODES)("exits in %s mode", (mode) => {
    test.each(SIZES)("OUT of %i bytes", (size) => {
      const guest = guestIn(mode).start(code(mode).outTo(size, PORT, 0x87654321).hlt());
      const data = { 1: 0x21, 2: 0x4321, 4: 0x87654321 }[size];
      expect(guest.next()).toEqual({ out: PORT, size, data: [data] });
      expect(guest.next()).toEqual(HLT);
    });

    test.each(SIZES)("IN of %i bytes leaves the rest of the register as it was", (size) => {
      const guest = guestIn(mode).start(code(mode).mov32(R.ax, 0x55555555).mov(R.dx, PORT).in(size).hlt());
      expect(guest.next()).toEqual({ in: PORT, size });
      guest.exit.io.setValue(0, 0x12345678);
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rax).toBe({ 1: 0x55555578n, 2: 0x55555678n, 4: 0x12345678n }[size]);
    });

    test("IN and OUT with the port in the instruction", () => {
      const guest = guestIn(mode).start(code(mode).bytes(0xe4, 0x71, 0xe6, 0x72).hlt());
      expect(guest.next()).toEqual({ in: 0x71, size: 1 });
      guest.exit.io.setValue(0, 0x99);
      expect(guest.next()).toEqual({ out: 0x72, size: 1, data: [0x99] });
    });

    test.each(SIZES)("REP OUTS of %i bytes", (size) => {
      const program = code(mode).mov(R.dx, PORT).mov(R.si, AT.data).mov(R.cx, 5).string("outs", size, true).hlt();
      const guest = guestIn(mode).start(program);
      const bytes = Uint8Array.from({ length: 5 * size }, (_, n) => n + 1);
      guest.vm.memory.write(AT.data, bytes);
      const seen: number[] = [];
      for (let exit = guest.next(); "out" in exit; exit = guest.next()) {
        expect(exit).toMatchObject({ out: PORT, size });
        seen.push(...exit.data);
      }
      expect(seen).toEqual(
        Array.from({ length: 5 }, (_, n) => littleEndian(bytes.subarray(n * size, n * size + size))),
      );
      expect(guest.regs()).toMatchObject({ rcx_num: 0, rsi_num: AT.data + 5 * size });
      expect(guest.seen()).toEqual(HLT);
    });

    test.each(SIZES)("REP INS of %i bytes, downwards", (size) => {
      const program = code(mode)
        .bytes(0xfd)
        .mov(R.dx, PORT)
        .mov(R.di, AT.data + 64)
        .mov(R.cx, 4);
      const guest = guestIn(mode).start(program.string("ins", size, true).hlt());
      let given = 0;
      for (let exit = guest.next(); "in" in exit; exit = guest.next()) {
        expect(exit).toEqual({ in: PORT, size });
        for (let n = 0; n < guest.exit.io.count; n++) guest.exit.io.setValue(n, ++given);
      }
      expect(given).toBe(4);
      const read = { 1: "readU8", 2: "readU16", 4: "readU32" } as const;
      const values = [0, 1, 2, 3, 4].map((n) => guest.vm.memory[read[size]](AT.data + 64 - n * size));
      expect(values).toEqual([1, 2, 3, 4, 0]);
      expect(guest.regs()).toMatchObject({ rcx_num: 0, rdi_num: AT.data + 64 - 4 * size });
    });

    test("REP with a count of 0 does nothing", () => {
      const guest = guestIn(mode).start(code(mode).mov(R.dx, PORT).mov(R.cx, 0).string("outs", 1, true).hlt());
      expect(guest.next()).toEqual(HLT);
    });

    test.each(SIZES)("MMIO read of %i bytes", (size) => {
      const guest = guestIn(mode).start(
        code(mode)
          .load(size, R.cx, AT.hole + 8)
          .hlt(),
        { rcx: 0x55555555 },
      );
      expect(guest.next()).toEqual({ read: AT.hole + 8, length: size });
      guest.exit.mmio.setValue(0x12345678, 0x9abcdef0);
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rcx).toBe({ 1: 0x55555578n, 2: 0x55555678n, 4: 0x12345678n }[size]);
    });

    test.each(SIZES)("MMIO write of %i bytes", (size) => {
      const guest = guestIn(mode).start(
        code(mode)
          .store(size, AT.hole + 8, R.cx)
          .hlt(),
        { rcx: 0x12345678 },
      );
      const data = { 1: 0x78n, 2: 0x5678n, 4: 0x12345678n }[size];
      expect(guest.next()).toEqual({ write: AT.hole + 8, length: size, data });
      expect(guest.next()).toEqual(HLT);
    });

    test("an instruction that reads and writes MMIO leaves twice", () => {
      const guest = guestIn(mode).start(code(mode).addTo(4, AT.hole, R.cx).hlt(), { rcx: 5 });
      expect(guest.next()).toEqual({ read: AT.hole, length: 4 });
      guest.exit.mmio.setValue(0xffff_fffe, 0);
      expect(guest.next()).toEqual({ write: AT.hole, length: 4, data: 3n });
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rflags_lo & 1).toBe(1);
    });

    test("a locked instruction on MMIO reads once and writes once", () => {
      const guest = guestIn(mode).start(code(mode).bytes(0xf0).addTo(4, AT.hole, R.cx).hlt(), { rcx: 5 });
      expect(guest.next()).toEqual({ read: AT.hole, length: 4 });
      guest.exit.mmio.setValue(1, 0);
      expect(guest.next()).toEqual({ write: AT.hole, length: 4, data: 6n });
      guest.exit.mmio.setValue(77, 0);
      expect(guest.next()).toEqual(HLT);
    });

    test("REP MOVS from MMIO to MMIO", () => {
      const program = code(mode)
        .mov(R.si, AT.hole)
        .mov(R.di, AT.hole + 0x100)
        .mov(R.cx, 3);
      const guest = guestIn(mode).start(program.string("movs", 2, true).hlt());
      for (let n = 0; n < 3; n++) {
        expect(guest.next()).toEqual({ read: AT.hole + 2 * n, length: 2 });
        guest.exit.mmio.setValue(0x1111 * n, 0);
        expect(guest.next()).toEqual({ write: AT.hole + 0x100 + 2 * n, length: 2, data: BigInt(0x1111 * n) });
      }
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs()).toMatchObject({ rcx_num: 0, rsi_num: AT.hole + 6, rdi_num: AT.hole + 0x106 });
    });

    test("a push to MMIO", () => {
      const guest = guestIn(mode).start(code(mode).bytes(0x50).hlt(), { rsp: AT.hole + 0x80, rax: 0x1234 });
      const width = BITS[mode] / 8;
      expect(guest.next()).toEqual({ write: AT.hole + 0x80 - width, length: width, data: 0x1234n });
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rsp_num).toBe(AT.hole + 0x80 - width);
    });

    test("a write from memory into MMIO is split where the page ends", () => {
      const guest = guestIn(mode).start(
        code(mode)
          .store(4, AT.hole - 1, R.cx)
          .hlt(),
        { rcx: 0x44332211 },
      );
      expect(guest.next()).toEqual({ write: AT.hole, length: 3, data: 0x443322n });
      expect(guest.next()).toEqual(HLT);
      expect(guest.vm.memory.readU8(AT.hole - 1)).toBe(0x11);
    });

    test("a write from MMIO into memory", () => {
      const guest = guestIn(mode).start(
        code(mode)
          .store(4, AT.afterHole - 3, R.cx)
          .hlt(),
        { rcx: 0x44332211 },
      );
      expect(guest.next()).toEqual({ write: AT.afterHole - 3, length: 3, data: 0x332211n });
      expect(guest.next()).toEqual(HLT);
      expect(guest.vm.memory.readU8(AT.afterHole)).toBe(0x44);
    });

    test("a read across the end of memory", () => {
      const guest = guestIn(mode).start(
        code(mode)
          .load(4, R.cx, AT.hole - 2)
          .hlt(),
      );
      guest.vm.memory.writeU16(AT.hole - 2, 0x2211);
      expect(guest.next()).toEqual({ read: AT.hole, length: 2 });
      guest.exit.mmio.setValue(0x4433, 0);
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rcx_num).toBe(0x44332211);
    });

    test("a read-modify-write across the start of memory", () => {
      const guest = guestIn(mode).start(
        code(mode)
          .addTo(4, AT.afterHole - 2, R.cx)
          .hlt(),
        { rcx: 0x0001_0001 },
      );
      guest.vm.memory.writeU16(AT.afterHole, 0x7fff);
      expect(guest.next()).toEqual({ read: AT.afterHole - 2, length: 2 });
      guest.exit.mmio.setValue(0xffff, 0);
      expect(guest.next()).toEqual({ write: AT.afterHole - 2, length: 2, data: 0n });
      expect(guest.next()).toEqual(HLT);
      expect(guest.vm.memory.readU16(AT.afterHole)).toBe(0x8001);
    });

    test("a read-modify-write across the end of memory changes it once", () => {
      const guest = guestIn(mode).start(
        code(mode)
          .addTo(4, AT.hole - 2, R.cx)
          .hlt(),
        { rcx: 0x0001_0001 },
      );
      guest.vm.memory.writeU16(AT.hole - 2, 0x7fff);
      expect(guest.next()).toEqual({ read: AT.hole, length: 2 });
      guest.exit.mmio.setValue(5, 0);
      expect(guest.next()).toEqual({ write: AT.hole, length: 2, data: 6n });
      expect(guest.next()).toEqual(HLT);
      expect(guest.vm.memory.readU16(AT.hole - 2)).toBe(0x8000);
    });

    test("HLT without an irqchip, and what comes after it", () => {
      const guest = guestIn(mode).start(code(mode).hlt().outTo(1, PORT, 7).hlt());
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rip_num).toBe(AT.code + 1);
      expect(guest.next()).toEqual({ out: PORT, size: 1, data: [7] });
    });

    test("a triple fault shuts down", () => {
      if (mode === "real") needProcessor(makeSubject(), "does not look at the IDT's limit in real mode");
      const guest = guestIn(mode);
      const sregs = guest.vcpu.getSregs();
      sregs.idt.limit = 0;
      guest.vcpu.setSregs(sregs);
      guest.start(code(mode).bytes(0x0f, 0x0b));
      expect(guest.next()).toEqual({ exit: "KVM_EXIT_SHUTDOWN" });
    });

    test("code outside memory cannot be emulated", () => {
      const guest = guestIn(mode);
      guest.start(code(mode).nop());
      guest.setRegs({ rip: AT.hole + 0x10 });
      expect(guest.next()).toEqual({ exit: "KVM_EXIT_INTERNAL_ERROR" });
      expect(guest.exit.internalSuberror).toBe(KVM_INTERNAL_ERROR_EMULATION);
      expect(guest.regs().rip_num).toBe(AT.hole + 0x10);
    });
  });

  describe("8 and 16 bytes in long mode", () => {
    test("MMIO read of 8 bytes", () => {
      const guest = guestIn("long").start(
        code("long")
          .load(8, R.cx, AT.hole + 8)
          .hlt(),
      );
      expect(guest.next()).toEqual({ read: AT.hole + 8, length: 8 });
      guest.exit.mmio.setValue(0x12345678, 0x9abcdef0);
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rcx).toBe(0x9abcdef012345678n);
    });

    test("MMIO write of 8 bytes", () => {
      const guest = guestIn("long").start(
        code("long")
          .store(8, AT.hole + 8, R.cx)
          .hlt(),
        { rcx: 0x1122334455667788n },
      );
      expect(guest.next()).toEqual({ write: AT.hole + 8, length: 8, data: 0x1122334455667788n });
    });

    test("16 bytes are two accesses of 8", () => {
      const movups = new Code(64, AT.code).bytes(0x0f, 0x10).bytes(0x04, 0x25, 0x00, 0xd0, 0x00, 0x00);
      movups.bytes(0x0f, 0x11).bytes(0x04, 0x25, 0x20, 0xd0, 0x00, 0x00).hlt();
      const guest = guestIn("long").start(movups);
      for (const [n, at] of [AT.hole, AT.hole + 8].entries()) {
        expect(guest.next()).toEqual({ read: at, length: 8 });
        guest.exit.mmio.setValue(n + 1, n + 2);
      }
      expect(guest.next()).toEqual({ write: AT.hole + 0x20, length: 8, data: 0x2_0000_0001n });
      expect(guest.next()).toEqual({ write: AT.hole + 0x28, length: 8, data: 0x3_0000_0002n });
      expect(guest.next()).toEqual(HLT);
    });
  });

  describe("the pending half of an exit", () => {
    test("immediate_exit completes IN and nothing more", () => {
      const program = code("long").mov(R.dx, PORT).in(1).label("after").mov(R.cx, 1).hlt();
      const guest = guestIn("long").start(program);
      guest.next();
      guest.exit.io.setValue(0, 0x42);
      guest.complete();
      expect(guest.regs()).toMatchObject({ rax_num: 0x42, rcx_num: 0, rip_num: program.at("after") });
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rcx_num).toBe(1);
    });

    test("immediate_exit completes OUT, MMIO reads and MMIO writes", () => {
      const program = code("long").outTo(1, PORT, 1).label("out").load(4, R.cx, AT.hole).label("read");
      program.store(4, AT.hole, R.cx).label("written").mov(R.cx, 0).hlt();
      const guest = guestIn("long").start(program);
      for (const [label, rcx] of [
        ["out", 0],
        ["read", 9],
        ["written", 9],
      ] as const) {
        guest.next();
        guest.exit.mmio.setValue(9, 0);
        guest.complete();
        expect(guest.regs()).toMatchObject({ rcx_num: rcx, rip_num: program.at(label) });
      }
    });

    test("a state saved after completion goes on in another VM", () => {
      const program = code("long").mov(R.dx, PORT).in(1).outAl(0x80).hlt();
      const first = guestIn("long").start(program);
      first.next();
      first.exit.io.setValue(0, 0x42);
      first.complete();
      const second = guestIn("long");
      second.place(program);
      second.vcpu.setSregs(first.vcpu.getSregs());
      second.vcpu.setRegs(first.vcpu.getRegs());
      expect(second.next()).toEqual({ out: 0x80, size: 1, data: [0x42] });
    });

    test("completion can need another exit, even under immediate_exit", () => {
      const guest = guestIn("long").start(code("long").addTo(4, AT.hole, R.cx).hlt(), { rcx: 1 });
      guest.next();
      guest.exit.mmio.setValue(1, 0);
      guest.exit.immediateExit = true;
      expect(guest.next()).toEqual({ write: AT.hole, length: 4, data: 2n });
      guest.complete();
      expect(guest.next()).toEqual(HLT);
    });

    test("a reset in between drops it", () => {
      const guest = guestIn("long").start(code("long").outTo(1, PORT, 1).hlt());
      guest.next();
      const other = new Code(64, AT.code + 0x100).mov(R.cx, 3).label("end").hlt();
      guest.start(other);
      guest.complete();
      expect(guest.regs()).toMatchObject({ rcx_num: 0, rip_num: other.origin });
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs()).toMatchObject({ rcx_num: 3, rip_num: other.at("end") + 1 });
    });
  });

  describe("INTR", () => {
    test("immediate_exit before any instruction", () => {
      const guest = guestIn("long").start(code("long").mov(R.cx, 1).hlt());
      guest.complete();
      expect(guest.regs()).toMatchObject({ rcx_num: 0, rip_num: AT.code });
    });

    test("a kick before run", () => {
      const guest = guestIn("long").start(code("long").mov(R.cx, 1).hlt());
      guest.vcpu.kick();
      expect(guest.vcpu.run()).toBe(EINTR);
      expect(guest.seen()).toEqual({ exit: "KVM_EXIT_INTR" });
      expect(guest.next()).toEqual(HLT);
    });

    test("a kick from another thread ends an endless loop", () => {
      const subject = makeSubject();
      const guest = new Guest(subject, "long").start(code("long").label("loop").jump("loop"));
      subject.kickFromThread(guest.vcpu, 5);
      expect(guest.vcpu.run()).toBe(EINTR);
      expect(guest.seen()).toEqual({ exit: "KVM_EXIT_INTR" });
    });

    test("a kick from another thread ends the sleep of HLT, which stays halted", () => {
      const subject = makeSubject();
      const guest = new Guest(subject, "long", { irqchip: true }).start(code("long").hlt().outTo(1, PORT, 1));
      const asleep = AT.code + 1;
      const runUntilKick = (): number => {
        subject.kickFromThread(guest.vcpu, 5);
        expect(guest.vcpu.run()).toBe(EINTR);
        return guest.regs().rip_num;
      };
      // on a busy host a kick may come before the guest has executed HLT
      for (let n = 0; n < 100 && runUntilKick() !== asleep; n++);
      expect([runUntilKick(), runUntilKick()]).toEqual([asleep, asleep]);
    });

    test("a kick while an exit is pending: it is completed first", () => {
      const program = code("long").mov(R.dx, PORT).in(1).label("after").mov(R.cx, 1).hlt();
      const guest = guestIn("long").start(program);
      guest.next();
      guest.exit.io.setValue(0, 0x42);
      guest.vcpu.kick();
      expect(guest.vcpu.run()).toBe(EINTR);
      expect(guest.regs()).toMatchObject({ rax_num: 0x42, rcx_num: 0, rip_num: program.at("after") });
    });
  });
}

function littleEndian(bytes: Uint8Array): number {
  return bytes.reduceRight((value, byte) => value * 256 + byte, 0);
}
