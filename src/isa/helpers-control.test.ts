import { describe, expect, test } from "vitest";
import { AT, HelperMachine, type Host, SELECTOR } from "../../test/isa/helper-machine.ts";
import { CR0, CR4, DR6, DR7, EFER } from "../spec/x86/control-register.ts";
import { MSR } from "../spec/x86/msr.ts";
import { CPU, EFLAGS, EXIT, FEATURE, MODE, REPLAY_ENTRY, SEGMENT, segmentOffset, TRAP, VECTOR } from "./state.ts";

const GP = { vector: VECTOR.GP, error: 0 };
const UD = { vector: VECTOR.UD, error: 0 };

/** A processor whose CPUID has PAE, PGE, FXSR, SSE, long mode, NX and SYSCALL, and with its host's answers. */
function withCpuid(host: Host = {}): HelperMachine {
  const machine: HelperMachine = new HelperMachine({
    cpuid: (_, leaf) => {
      const edx = leaf === 1 ? 0x0300_20ff : leaf === (0x8000_0001 | 0) ? 0x2010_0800 : 0;
      [leaf === 0 ? 7 : 0, 0, leaf === 1 ? 0x0400_0000 : 0, edx].forEach((value, n) => {
        machine.set32(CPU.scratch + 4 * n, value);
      });
      return 0;
    },
    ...host,
  });
  return machine;
}

function write(machine: HelperMachine, number: number, value: number | bigint) {
  machine.call("write_control", number, BigInt(value));
  return machine.fault();
}

describe("control registers", () => {
  test("switching paging on with EFER.LME enters compatibility mode, switching it off leaves it", () => {
    const machine = withCpuid().protectedMode(0);
    const on = BigInt(CR0.PG) | BigInt(CR0.PE);
    machine.set(CPU.efer, EFER.LME);
    expect(write(machine, 0, on)).toEqual(GP);
    expect(write(machine, 4, CR4.PAE)).toBeUndefined();
    expect(write(machine, 0, on)).toBeUndefined();
    expect(machine.get(CPU.efer)).toBe(BigInt(EFER.LME | EFER.LMA));
    expect(machine.get(CPU.cr0)).toBe(on | BigInt(CR0.ET));
    expect(machine.get32(CPU.mode)).toBe(MODE.code32);
    expect(write(machine, 4, 0)).toEqual(GP);
    expect(write(machine, 0, CR0.PE)).toBeUndefined();
    expect(machine.get(CPU.efer)).toBe(BigInt(EFER.LME));
  });

  test.each([
    ["PG without PE", 0, BigInt(CR0.PG)],
    ["NW without CD", 0, BigInt(CR0.PE | CR0.NW)],
    ["upper half of CR0", 0, 1n << 32n],
    ["a CR4 bit that CPUID does not have", 4, BigInt(CR4.SMAP)],
    ["an unassigned CR4 bit", 4, 1n << 30n],
    ["CR8 above 15", 8, 16n],
  ])("%s is #GP", (_, number, value) => {
    const machine = withCpuid().protectedMode(0);
    expect(write(machine, number, value)).toEqual(GP);
    expect(machine.get(CPU.cr0)).toBe(BigInt(CR0.PE | CR0.ET));
  });

  test("64-bit mode: paging stays on, CR3 is within the physical address width", () => {
    const machine = withCpuid().longMode(0);
    expect(write(machine, 0, CR0.PE)).toEqual(GP);
    expect(write(machine, 3, 1n << 40n)).toEqual(GP);
    expect(write(machine, 3, AT.pageTables)).toBeUndefined();
  });

  test("user level is refused; registers that do not exist are #UD", () => {
    const machine = withCpuid().longMode(3);
    expect(write(machine, 3, 0)).toEqual(GP);
    expect(write(machine, 1, 0)).toEqual(UD);
    machine.call("read_control", 0);
    expect(machine.fault()).toEqual(GP);
  });

  test("PAE paging loads the four directory pointers and refuses reserved bits", () => {
    const machine = withCpuid().protectedMode(0);
    for (let n = 0; n < 4; n++) machine.write(0x6000 + 8 * n, 0x1_0001 + (n << 12));
    expect(write(machine, 3, 0x6000)).toBeUndefined();
    expect(write(machine, 4, CR4.PAE)).toBeUndefined();
    expect(write(machine, 0, BigInt(CR0.PG) | BigInt(CR0.PE))).toBeUndefined();
    expect(machine.get(CPU.pdptr + 24)).toBe(0x1_3001n);
    machine.write(0x6020 + 8, 0x1_0007);
    expect(write(machine, 3, 0x6020)).toEqual(GP);
    expect([machine.get(CPU.cr3), machine.get(CPU.pdptr)]).toEqual([0x6000n, 0x1_0001n]);
  });

  test("CR0.TS, CR0.EM and CR4.OSFXSR decide what x87 and SSE raise", () => {
    const machine = withCpuid().protectedMode(0);
    const traps = () => [machine.get32(CPU.x87Trap), machine.get32(CPU.sseTrap), machine.get32(CPU.avxTrap)];
    expect(traps()).toEqual([0, VECTOR.UD, VECTOR.UD]);
    write(machine, 4, CR4.OSFXSR | CR4.OSXSAVE);
    machine.set(CPU.xcr0, 7);
    write(machine, 0, CR0.PE | CR0.TS);
    expect(traps()).toEqual([VECTOR.NM, VECTOR.NM, VECTOR.NM]);
    machine.call("clts");
    expect(traps()).toEqual([0, 0, 0]);
    machine.call("lmsw", CR0.EM);
    expect(traps()).toEqual([VECTOR.NM, VECTOR.UD, 0]);
    expect(machine.get(CPU.cr0) & 1n).toBe(1n);
  });

  test("real-address mode knows no VEX prefix, whatever is enabled [SDM 2A 2.3.5]", () => {
    const machine = withCpuid().protectedMode(0);
    const traps = () => [machine.get32(CPU.vexTrap), machine.get32(CPU.avxTrap)];
    write(machine, 4, CR4.OSFXSR | CR4.OSXSAVE);
    machine.set(CPU.xcr0, 7);
    machine.call("update_mode");
    expect(traps()).toEqual([0, 0]);
    write(machine, 0, CR0.ET);
    expect(traps()).toEqual([VECTOR.UD, VECTOR.UD]);
  });

  test("debug registers: fixed bits, aliases, and #DB under DR7.GD", () => {
    const machine = withCpuid().protectedMode(0);
    machine.call("write_debug", 4, 0xffff_ffffn);
    machine.call("write_debug", 7, BigInt(DR7.GD));
    expect(machine.fault()).toBeUndefined();
    expect(machine.get(CPU.dr + 48)).toBe(BigInt(DR6.fixed) | BigInt(DR6.writable));
    machine.call("read_debug", 0);
    expect(machine.get(CPU.faultAddress)).toBe(BigInt(DR6.BD));
    expect(machine.fault()?.vector).toBe(VECTOR.DB);
    machine.gate(VECTOR.DB, SELECTOR.code32, 0x1234);
    machine.deliver(VECTOR.DB, 0, DR6.BS);
    expect(machine.get(CPU.dr + 56)).toBe(BigInt(DR7.fixed));
  });
});

describe("model-specific registers", () => {
  function wrmsr(machine: HelperMachine, index: number, value: bigint) {
    machine.setGpr("rcx", index);
    machine.setGpr("rax", value & 0xffff_ffffn);
    machine.setGpr("rdx", value >> 32n);
    machine.call("wrmsr");
    return machine.fault();
  }

  test("those in the state are checked and read back", () => {
    const machine = withCpuid().longMode(0);
    const address = 0xffff_8000_1234_5678n;
    for (const index of [MSR.LSTAR, MSR.KERNEL_GS_BASE, MSR.GS_BASE, MSR.SYSENTER_EIP]) {
      expect(wrmsr(machine, index, 1n << 47n)).toEqual(GP);
      expect(wrmsr(machine, index, address)).toBeUndefined();
      machine.setGpr("rax", -1n);
      machine.call("rdmsr");
      expect([machine.gpr("rax"), machine.gpr("rdx")]).toEqual([address & 0xffff_ffffn, address >> 32n]);
    }
    expect(machine.get(segmentOffset("gs") + SEGMENT.base)).toBe(address);
    expect(wrmsr(machine, MSR.PAT, 0x0007_0406_0007_0402n)).toEqual(GP);
    expect(wrmsr(machine, MSR.PAT, 0x0007_0406_0007_0406n)).toBeUndefined();
  });

  test("EFER: only what CPUID has, LME not while paging, LMA never", () => {
    const machine = withCpuid().longMode(0);
    expect(wrmsr(machine, MSR.EFER, BigInt(EFER.SCE))).toEqual(GP);
    expect(wrmsr(machine, MSR.EFER, BigInt(EFER.LME) | (1n << 14n))).toEqual(GP);
    expect(wrmsr(machine, MSR.EFER, BigInt(EFER.LME | EFER.NXE))).toBeUndefined();
    expect(machine.get(CPU.efer)).toBe(BigInt(EFER.LME | EFER.LMA | EFER.NXE));
  });

  test("others are the host's: answered, refused, or left to user space and replayed", () => {
    const asked: number[] = [];
    const machine = withCpuid({
      msr_read: (_, index) => {
        asked.push(index!);
        machine.set(CPU.exitData, 0x1_0000_0002n);
        return index! - 0x10;
      },
    }).longMode(0);
    machine.setGpr("rcx", 0x10);
    machine.call("rdmsr");
    expect([machine.gpr("rax"), machine.gpr("rdx")]).toEqual([2n, 1n]);
    machine.setGpr("rcx", 0x11);
    machine.call("rdmsr");
    expect(machine.fault()).toEqual(GP);
    machine.setGpr("rcx", 0x12);
    machine.call("rdmsr");
    expect([machine.get32(CPU.trap), machine.get32(CPU.exitReason), machine.get(CPU.exitAddress)]).toEqual([
      TRAP.exit,
      EXIT.msrRead,
      0x12n,
    ]);
    replay(machine, EXIT.msrRead, 0x12, 8, 0x77n);
    machine.call("rdmsr");
    expect([machine.gpr("rax"), machine.gpr("rdx"), asked]).toEqual([0x77n, 0n, [0x10, 0x11, 0x12]]);
  });

  test("user level is refused", () => {
    const machine = withCpuid().longMode(3);
    expect(wrmsr(machine, MSR.LSTAR, 0n)).toEqual(GP);
    machine.call("rdmsr");
    expect(machine.fault()).toEqual(GP);
  });
});

/** Enters an access as completed by user space, for the instruction that is entered again. */
function replay(machine: HelperMachine, kind: number, address: number, size: number, data: bigint): void {
  machine.set32(CPU.trap, TRAP.none);
  machine.set(CPU.replay + REPLAY_ENTRY.address, address);
  machine.set(CPU.replay + REPLAY_ENTRY.data, data);
  machine.set32(CPU.replay + REPLAY_ENTRY.size, size);
  machine.set32(CPU.replay + REPLAY_ENTRY.kind, kind);
  machine.set32(CPU.replayCount, 1);
  machine.set32(CPU.replayCursor, 0);
}

test("a hypercall's result is sign-extended to RAX in 64-bit mode; user level may not call", () => {
  const call = (machine: HelperMachine): bigint => {
    machine.call("hypercall");
    return machine.gpr("rax");
  };
  const host: Host = { hypercall: () => -1000 };
  expect(call(new HelperMachine(host).longMode(0))).toBe(BigInt.asUintN(64, -1000n));
  expect(call(new HelperMachine(host).protectedMode(0))).toBe(BigInt.asUintN(32, -1000n));
  expect(call(new HelperMachine(host).longMode(3))).toBe(BigInt.asUintN(64, -1n));
});

describe("ports", () => {
  /** 32-bit user level with an I/O permission map that allows the ports in `allowed`. */
  function user(allowed: readonly number[], host: Host = {}): HelperMachine {
    const machine = new HelperMachine(host).protectedMode(3);
    machine.set32(segmentOffset("tr") + SEGMENT.limit, 0xff);
    machine.write(AT.tss + 102, 0x68, 2);
    for (let n = 0; n < 0x98; n++) machine.write(AT.tss + 0x68 + n, 0xff, 1);
    for (const port of allowed) {
      const at = AT.tss + 0x68 + (port >> 3);
      machine.write(at, machine.read(at, 1) & ~(1n << BigInt(port & 7)), 1);
    }
    return machine;
  }

  test("the permission map: every port of the access, within the limit", () => {
    const machine = user([0x60, 0x67, 0x68], { io_in: () => 0 });
    const allowed = (port: number, size: number): boolean => {
      machine.call("io_in", port, size);
      return machine.fault() === undefined;
    };
    expect([allowed(0x60, 1), allowed(0x60, 2), allowed(0x67, 2), allowed(0x61, 1)]).toEqual([
      true,
      false,
      true,
      false,
    ]);
    expect(allowed(0x4b7, 1)).toBe(false);
    machine.set32(CPU.eflags, EFLAGS.fixed | EFLAGS.IOPL);
    expect(allowed(0x61, 1)).toBe(true);
  });

  test("an access that no chip takes leaves to user space and is completed when entered again", () => {
    const machine = new HelperMachine({ io_in: () => 1, io_out: () => 1 }).realMode();
    machine.call("io_out", 0x3f8, 1, 0x41);
    const exit = [CPU.trap, CPU.exitReason, CPU.exitSize].map((at) => machine.get32(at));
    expect([...exit, machine.get(CPU.exitAddress), machine.get(CPU.exitData)]).toEqual([
      TRAP.exit,
      EXIT.ioOut,
      1,
      0x3f8n,
      0x41n,
    ]);
    replay(machine, EXIT.ioOut, 0x3f8, 1, 0n);
    machine.call("io_out", 0x3f8, 1, 0x41);
    expect(machine.get32(CPU.trap)).toBe(TRAP.none);
    replay(machine, EXIT.ioIn, 0x3fd, 1, 0x1260n);
    expect(machine.call("io_in", 0x3fd, 1)).toBe(0x60);
  });

  test("REP INS commits every element, and stops at a fault before the port is read", () => {
    let reads = 0;
    const machine: HelperMachine = new HelperMachine({
      io_in: () => {
        machine.set(CPU.exitData, 0x1100 + reads++);
        return 0;
      },
    }).longMode(0);
    machine.setGpr("rcx", 4);
    machine.setGpr("rdi", 0x1f_fffa);
    machine.setGpr("rdx", 0x1f0);
    expect(machine.call("ins", 2, -1n, 1)).toBe(0);
    expect(machine.fault()?.vector).toBe(VECTOR.PF);
    expect([reads, machine.gpr("rcx"), machine.gpr("rdi")]).toEqual([3, 1n, 0x20_0000n]);
    expect([machine.read(0x1f_fffa, 2), machine.read(0x1f_fffe, 2)]).toEqual([0x1100n, 0x1102n]);
  });

  test("REP OUTS backwards with a 16-bit address size, each element an exit of its own", () => {
    const machine = new HelperMachine({ io_out: () => 1 }).realMode();
    machine.write(0, 0xaa, 1);
    machine.write(0xffff, 0xbb, 1);
    machine.set32(CPU.eflags, EFLAGS.fixed | EFLAGS.DF);
    machine.setGpr("rcx", 0xffff_0002n);
    machine.setGpr("rsi", 0xffff_0000n);
    const outs = () => machine.call("outs", segmentOffset("ds"), 1, 0xffffn, 1);
    expect(outs()).toBe(0);
    expect([machine.get32(CPU.trap), machine.get(CPU.exitData)]).toEqual([TRAP.exit, 0xaan]);
    replay(machine, EXIT.ioOut, 0, 1, 0n);
    expect(outs()).toBe(0);
    expect([machine.get32(CPU.trap), machine.get(CPU.exitData)]).toEqual([TRAP.exit, 0xbbn]);
    expect([machine.gpr("rcx"), machine.gpr("rsi")]).toEqual([0xffff_0001n, 0xffff_ffffn]);
    replay(machine, EXIT.ioOut, 0, 1, 0n);
    expect(outs()).toBe(1);
    expect(machine.gpr("rcx")).toBe(0xffff_0000n);
  });
});

describe("XCR0 and the time-stamp counter", () => {
  test("XSETBV checks the components", () => {
    const machine = new HelperMachine({
      cpuid: () => {
        [7, 0, 0, 0].forEach((value, n) => {
          machine.set32(CPU.scratch + 4 * n, value);
        });
        return 0;
      },
    }).longMode(0);
    const xsetbv = (value: number) => {
      machine.setGpr("rax", value);
      machine.call("xsetbv");
      return machine.fault();
    };
    expect(xsetbv(1)).toEqual(UD);
    machine.set(CPU.cr4, CR4.PAE | CR4.OSXSAVE);
    expect([xsetbv(0), xsetbv(5), xsetbv(0xf)]).toEqual([GP, GP, GP]);
    expect(xsetbv(7)).toBeUndefined();
    expect(machine.get(CPU.xcr0)).toBe(7n);
  });

  test("RDTSC is for level 0 under CR4.TSD", () => {
    const machine: HelperMachine = new HelperMachine({
      tsc: () => {
        machine.set(CPU.exitData, 0x5_0000_0006n);
        return 0;
      },
    }).longMode(3);
    machine.set(CPU.tscAux, 9);
    machine.call("rdtsc", 1);
    expect(machine.fault()).toEqual({ vector: VECTOR.UD, error: 0 });
    machine.set32(CPU.features, FEATURE.rdtscp);
    machine.call("rdtsc", 1);
    expect([machine.gpr("rax"), machine.gpr("rdx"), machine.gpr("rcx")]).toEqual([6n, 5n, 9n]);
    machine.set(CPU.cr4, CR4.PAE | CR4.TSD);
    machine.call("rdtsc", 0);
    expect(machine.fault()).toEqual(GP);
  });
});
