import { describe, expect, test } from "vitest";
import { AT, HelperMachine, SELECTOR } from "../../test/isa/helper-machine.ts";
import { DR6, DR7 } from "../spec/x86/control-register.ts";
import { CPU, EFLAGS, MODE, TRAP, VECTOR } from "./state.ts";

const HANDLER = 0xffff_8000_0012_3456n;
const FLAGS = EFLAGS.fixed | EFLAGS.IF | EFLAGS.CF | EFLAGS.TF | EFLAGS.NT;

function words(machine: HelperMachine, at: number, count: number, width: 2 | 4 | 8 = 8): bigint[] {
  return Array.from({ length: count }, (_, n) => machine.read(at + n * width, width));
}

function longUser(): HelperMachine {
  const machine = new HelperMachine().longMode(3);
  machine.set(CPU.rip, 0x1234);
  machine.setGpr("rsp", 0x7fff8);
  machine.set32(CPU.eflags, FLAGS);
  machine.call("update_mode");
  return machine;
}

describe("64-bit mode", () => {
  test("a page fault in user code enters the kernel on RSP0 with an error code", () => {
    const machine = longUser();
    machine.longGate(VECTOR.PF, HANDLER);
    expect(machine.deliver(VECTOR.PF, 6, 0xdead000n)).toBe(TRAP.none);
    expect(machine.get(CPU.rip)).toBe(HANDLER);
    expect(machine.get(CPU.cr2)).toBe(0xdead000n);
    expect(machine.gpr("rsp")).toBe(BigInt(AT.kernelStack - 48));
    const saved = BigInt(FLAGS | EFLAGS.RF);
    const frame = [6n, 0x1234n, BigInt(SELECTOR.userCode64), saved, 0x7fff8n, BigInt(SELECTOR.userData)];
    expect(words(machine, AT.kernelStack - 48, 6)).toEqual(frame);
    expect(machine.selector("cs")).toBe(SELECTOR.code64);
    expect(machine.selector("ss")).toBe(0);
    expect(machine.get32(CPU.cpl)).toBe(0);
    expect(machine.get32(CPU.mode)).toBe(MODE.code64);
    expect(machine.get32(CPU.eflags)).toBe(EFLAGS.fixed | EFLAGS.CF);
  });

  test("compatibility mode reaches descriptor tables above 4 GiB", () => {
    const machine = new HelperMachine().longMode(3, true);
    machine.longGate(VECTOR.PF, HANDLER);
    machine.write(AT.pageTables + 8, (AT.pageTables + 0x1000) | 7);
    machine.set(CPU.gdtrBase, machine.get(CPU.gdtrBase) + (1n << 39n));
    expect(machine.deliver(VECTOR.PF, 4, 0x1000n)).toBe(TRAP.none);
    expect(machine.get(CPU.rip)).toBe(HANDLER);
    expect(machine.get32(CPU.mode)).toBe(MODE.code64);
  });

  test("a trap gate leaves IF; an interrupt has no error code and saves RF clear", () => {
    const machine = longUser();
    machine.longGate(0x20, HANDLER, 0x8f00);
    machine.call("interrupt", 0x20);
    expect(machine.get32(CPU.eflags)).toBe(EFLAGS.fixed | EFLAGS.CF | EFLAGS.IF);
    expect(machine.read(Number(machine.gpr("rsp")) + 16)).toBe(BigInt(FLAGS));
    expect(machine.gpr("rsp")).toBe(BigInt(AT.kernelStack - 40));
  });

  test("the interrupt stack table counts at level 0 too, and stacks are aligned to 16 bytes", () => {
    const machine = new HelperMachine().longMode(0);
    machine.setGpr("rsp", 0x7fff4);
    machine.write(AT.tss + 0x24 + 8, 0x6_0008);
    machine.longGate(2, HANDLER, 0x8e00, 2);
    machine.longGate(3, HANDLER);
    machine.call("interrupt", 2);
    expect(machine.gpr("rsp")).toBe(0x6_0000n - 40n);
    expect(machine.selector("ss")).toBe(SELECTOR.data);
    machine.setGpr("rsp", 0x7fff4);
    machine.call("interrupt", 3);
    expect(machine.gpr("rsp")).toBe(0x7fff0n - 40n);
    expect(machine.read(0x7fff0 - 16)).toBe(0x7fff4n);
  });

  test("an absent handler becomes a double fault, and that one's a shutdown", () => {
    const machine = longUser();
    machine.longGate(VECTOR.DF, HANDLER);
    expect(machine.deliver(VECTOR.GP, 0)).toBe(TRAP.none);
    expect(machine.get(CPU.rip)).toBe(HANDLER);
    expect(machine.read(AT.kernelStack - 48)).toBe(0n);
    expect(longUser().deliver(VECTOR.GP, 0)).toBe(TRAP.shutdown);
  });

  test("a page fault while a page fault is delivered is a double fault; while #GP is, it is itself", () => {
    for (const [first, delivered] of [
      [VECTOR.PF, VECTOR.DF],
      [VECTOR.GP, VECTOR.PF],
      [VECTOR.UD, VECTOR.PF],
    ] as const) {
      const machine = longUser();
      machine.write(AT.tss + 4, 0x40_0000);
      machine.write(AT.tss + 0x24, AT.kernelStack);
      machine.longGate(first, HANDLER);
      if (delivered !== first) machine.longGate(delivered, HANDLER + 1n, 0x8e00, 1);
      expect(machine.deliver(first)).toBe(TRAP.none);
      expect(machine.get(CPU.rip)).toBe(HANDLER + 1n);
      expect(machine.get(CPU.cr2)).toBe(0x40_0000n - (first === VECTOR.UD ? 40n : 48n));
    }
  });

  test("an external event's delivery faults with EXT", () => {
    const machine = longUser();
    machine.longGate(VECTOR.GP, HANDLER);
    machine.call("interrupt", 0x30);
    expect(machine.get(CPU.rip)).toBe(HANDLER);
    expect(machine.read(AT.kernelStack - 48)).toBe(BigInt(0x30 * 8 + 3));
  });

  test("INT n needs a gate for its level and saves the next rip", () => {
    const machine = longUser();
    machine.longGate(0x80, HANDLER);
    machine.call("software_interrupt", 0x80, 2, 0x1236n, FLAGS);
    expect(machine.fault()).toEqual({ vector: VECTOR.GP, error: 0x80 * 8 + 2 });
    expect(machine.get(CPU.rip)).toBe(0x1234n);
    expect(machine.get32(CPU.cpl)).toBe(3);
    machine.longGate(0x80, HANDLER, 0xee00);
    machine.call("software_interrupt", 0x80, 2, 0x1236n, FLAGS);
    expect(machine.fault()).toBeUndefined();
    expect(machine.read(AT.kernelStack - 40)).toBe(0x1236n);
  });
});

describe("real-address mode", () => {
  test("goes through the interrupt vector table", () => {
    const machine = new HelperMachine().realMode();
    machine.write(0x21 * 4, 0x1234_5678, 4);
    machine.set(CPU.rip, 0x7c00);
    machine.setGpr("rsp", 0xaaaa_0002n);
    machine.call("software_interrupt", 0x21, 2, 0x7c02n, FLAGS);
    expect(machine.fault()).toBeUndefined();
    expect(machine.get(CPU.rip)).toBe(0x5678n);
    expect(machine.base("cs")).toBe(0x12340n);
    expect(machine.gpr("rsp")).toBe(0xaaaa_fffcn);
    expect(machine.read(0xfffc, 2)).toBe(0x7c02n);
    expect(machine.read(0, 2)).toBe(BigInt(FLAGS & 0xffff));
    expect(machine.get32(CPU.eflags)).toBe(EFLAGS.fixed | EFLAGS.CF | EFLAGS.NT);
  });
});

describe("32-bit protected mode", () => {
  function user(): HelperMachine {
    const machine = new HelperMachine().protectedMode(3);
    machine.set(CPU.rip, 0x1234);
    machine.setGpr("rsp", 0x7fffc);
    machine.set32(CPU.eflags, EFLAGS.fixed | EFLAGS.IF);
    return machine;
  }

  test("an exception in user code takes SS0:ESP0 from the TSS", () => {
    const machine = user();
    machine.gate(VECTOR.GP, SELECTOR.code32, 0xc012_3456);
    expect(machine.deliver(VECTOR.GP, 0x18)).toBe(TRAP.none);
    const flags = BigInt(EFLAGS.fixed | EFLAGS.IF | EFLAGS.RF);
    const frame = [0x18n, 0x1234n, BigInt(SELECTOR.userCode32), flags, 0x7fffcn, BigInt(SELECTOR.userData)];
    expect(words(machine, AT.kernelStack - 24, 6, 4)).toEqual(frame);
    expect(machine.gpr("rsp")).toBe(BigInt(AT.kernelStack - 24));
    expect(machine.get(CPU.rip)).toBe(0xc012_3456n);
    expect([machine.selector("cs"), machine.selector("ss")]).toEqual([SELECTOR.code32, SELECTOR.data]);
  });

  test("a 16-bit gate pushes words; a conforming handler stays at its caller's level", () => {
    const machine = user();
    machine.gate(0x40, SELECTOR.code32, 0x1_0000 + 0x5678, 0x8600);
    machine.call("interrupt", 0x40);
    expect(machine.get(CPU.rip)).toBe(0x5678n);
    expect(words(machine, AT.kernelStack - 10, 2, 2)).toEqual([0x1234n, BigInt(SELECTOR.userCode32)]);
    const other = user();
    other.gate(0x41, SELECTOR.conforming, 0x5678);
    other.call("interrupt", 0x41);
    expect(other.selector("cs")).toBe(SELECTOR.conforming | 3);
    expect(other.gpr("rsp")).toBe(0x7fffcn - 12n);
  });

  test.each([
    ["null stack segment", 0, VECTOR.TS, 1],
    ["stack segment of another level", SELECTOR.userData, VECTOR.TS, 0x21],
    ["absent stack segment", SELECTOR.absent, VECTOR.SS, SELECTOR.absent + 1],
  ])("%s in the TSS", (_, selector, vector, error) => {
    const machine = user();
    machine.write(AT.tss + 8, selector, 2);
    machine.gate(0x40, SELECTOR.code32, 0x5678);
    machine.call("interrupt", 0x40);
    expect(machine.get32(CPU.trap)).toBe(TRAP.shutdown);
    machine.gate(vector, SELECTOR.conforming, 0x9999);
    const again = user();
    again.write(AT.tss + 8, selector, 2);
    again.gate(0x40, SELECTOR.code32, 0x5678);
    again.gate(vector, SELECTOR.conforming, 0x9999);
    again.call("interrupt", 0x40);
    expect(again.get(CPU.rip)).toBe(0x9999n);
    expect(again.read(0x7fffc - 16, 4)).toBe(BigInt(error));
  });

  test("a task with the T bit traps before its first instruction; local breakpoints end", () => {
    const machine = user();
    const task = 0xa000;
    machine.writeDescriptor(SELECTOR.free, (BigInt(task) << 16n) | 0x0000890000000067n);
    machine.write(task + 36, EFLAGS.fixed, 4);
    machine.write(task + 76, SELECTOR.code32, 4);
    for (const at of [72, 80, 84]) machine.write(task + at, SELECTOR.data, 4);
    machine.write(task + 100, 1, 2);
    machine.write(AT.idt + 8 * 0x40, (0x8500n << 32n) | BigInt(SELECTOR.free << 16));
    machine.set(CPU.dr + 56, DR7.fixed | 0x303);
    machine.call("interrupt", 0x40);
    expect(machine.fault()).toBeUndefined();
    expect(machine.get(CPU.dr + 56)).toBe(BigInt(DR7.fixed | 0x202));
    expect(machine.get32(CPU.mode) & MODE.single).toBe(MODE.single);
    expect(machine.call("debug_trap")).toBe(1);
    expect(machine.get(CPU.faultAddress)).toBe(BigInt(DR6.BT));
    expect(machine.fault()?.vector).toBe(VECTOR.DB);
  });

  test("a task gate switches tasks and pushes the error code there", () => {
    const machine = user();
    const task = 0xa000;
    machine.writeDescriptor(SELECTOR.free, (BigInt(task) << 16n) | 0x0000890000000067n);
    machine.write(task + 32, 0xbeef, 4);
    machine.write(task + 36, EFLAGS.fixed, 4);
    machine.write(task + 56, 0xb000, 4);
    machine.write(task + 76, SELECTOR.code32, 4);
    for (const at of [72, 80, 84]) machine.write(task + at, SELECTOR.data, 4);
    machine.write(AT.idt + 8 * VECTOR.DF, (0x8500n << 32n) | BigInt(SELECTOR.free << 16));
    expect(machine.deliver(VECTOR.DF)).toBe(TRAP.none);
    expect(machine.get(CPU.rip)).toBe(0xbeefn);
    expect(machine.get32(CPU.cpl)).toBe(0);
    expect(machine.gpr("rsp")).toBe(0xb000n - 4n);
    expect(machine.get32(CPU.eflags) & EFLAGS.NT).toBe(EFLAGS.NT);
    expect(machine.read(task, 2)).toBe(BigInt(SELECTOR.tss));
    expect(machine.read(AT.tss + 32, 4)).toBe(0x1234n);
    expect(machine.read(AT.gdt + SELECTOR.free + 5, 1)).toBe(0x8bn);
    machine.call("iret", 32, 0xbef0n, machine.get32(CPU.eflags));
    expect(machine.fault()).toBeUndefined();
    expect(machine.get(CPU.rip)).toBe(0x1234n);
    expect(machine.get32(CPU.cpl)).toBe(3);
    expect(machine.read(AT.gdt + SELECTOR.free + 5, 1)).toBe(0x89n);
    expect(machine.read(task + 32, 4)).toBe(0xbef0n);
  });
});

/** The arithmetic flags that the unevaluated words mean: see lower.ts. */
function arithmeticFlags(machine: HelperMachine): number {
  const result = machine.get(CPU.flagResult);
  const aux = machine.get32(CPU.flagAux);
  const parity = [...(Number(result & 0xffn) ^ ((aux >> 8) & 0xff)).toString(2)].filter((bit) => bit === "1").length;
  const flags: [number, boolean][] = [
    [EFLAGS.CF, aux >>> 31 === 1],
    [EFLAGS.PF, parity % 2 === 0],
    [EFLAGS.AF, (aux & 8) !== 0],
    [EFLAGS.ZF, result === 0n],
    [EFLAGS.SF, Number(result >> 63n) !== (aux & 1)],
    [EFLAGS.OF, aux >>> 31 !== ((aux >>> 30) & 1)],
  ];
  return flags.reduce((image, [bit, set]) => image | (set ? bit : 0), 0);
}

test("a task switch loads every combination of the arithmetic flags", () => {
  const bits = [EFLAGS.CF, EFLAGS.PF, EFLAGS.AF, EFLAGS.ZF, EFLAGS.SF, EFLAGS.OF];
  for (let n = 0; n < 64; n++) {
    const image = bits.reduce((all, bit, i) => all | ((n >> i) & 1 ? bit : 0), 0);
    const machine = new HelperMachine().protectedMode(0);
    machine.writeDescriptor(SELECTOR.free, 0x0000_8900_a000_0067n);
    machine.write(0xa000 + 36, image, 4);
    machine.write(0xa000 + 76, SELECTOR.code32, 4);
    machine.write(0xa000 + 80, SELECTOR.data, 4);
    machine.call("far_jump", SELECTOR.free, 0n, 32, 0n, EFLAGS.fixed);
    expect(machine.fault()).toBeUndefined();
    expect(machine.get32(CPU.eflags)).toBe(image | EFLAGS.fixed);
    expect(arithmeticFlags(machine)).toBe(image);
  }
});

describe("virtual-8086 mode", () => {
  test("interrupts leave it with its segments on the stack, IRET goes back", () => {
    const machine = new HelperMachine().protectedMode(0);
    const frame = [0x100, 0x2000, EFLAGS.VM | EFLAGS.fixed | EFLAGS.IF, 0xfff0, 0x3000, 0x4000, 0x5000, 0x6000, 0x7000];
    frame.forEach((value, n) => {
      machine.write(0x7_0000 + 4 * n, value, 4);
    });
    machine.setGpr("rsp", 0x7_0000);
    machine.call("iret", 32, 0n, EFLAGS.fixed);
    expect(machine.fault()).toBeUndefined();
    expect(machine.get32(CPU.mode)).toBe(MODE.code16 | MODE.user);
    expect([machine.base("cs"), machine.base("gs")]).toEqual([0x20000n, 0x70000n]);
    expect(machine.gpr("rsp")).toBe(0xfff0n);
    machine.call("software_interrupt", 0x21, 2, 0x102n, machine.get32(CPU.eflags));
    expect(machine.fault()).toEqual({ vector: VECTOR.GP, error: 0 });
    machine.gate(VECTOR.GP, SELECTOR.code32, 0x5678);
    expect(machine.deliver(VECTOR.GP)).toBe(TRAP.none);
    expect(machine.get32(CPU.mode)).toBe(MODE.code32);
    const saved = words(machine, AT.kernelStack - 40, 10, 4).map(Number);
    expect(saved).toEqual([0, 0x100, 0x2000, frame[2]! | EFLAGS.RF, ...frame.slice(3)]);
    expect([machine.selector("ds"), machine.attributes("gs")]).toEqual([0, 0]);
  });
});
