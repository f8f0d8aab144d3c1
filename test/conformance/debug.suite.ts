import { describe, expect, test } from "vitest";
import { create, view } from "../../src/base/struct-layout.ts";
import { EINTR } from "../../src/spec/kvm/errno.ts";
import { kvm_run } from "../../src/spec/kvm/run-struct.ts";
import {
  KVM_GUESTDBG_ENABLE,
  KVM_GUESTDBG_INJECT_BP,
  KVM_GUESTDBG_SINGLESTEP,
  KVM_GUESTDBG_USE_HW_BP,
  KVM_GUESTDBG_USE_SW_BP,
  kvm_debugregs,
  kvm_guest_debug,
} from "../../src/spec/kvm/vcpu-struct.ts";
import { DR6 } from "../../src/spec/x86/control-register.ts";
import { Code, IF, R } from "./assembler.ts";
import { AT, Guest, need, needProcessor, type Subject } from "./guest.ts";

const HLT = { exit: "KVM_EXIT_HLT" };
const DEBUG = { exit: "KVM_EXIT_DEBUG" };
const FLAGS = { none: 2, tf: 0x102 } as const;
/** Where the handlers of #DB and #BP tell rip and DR6, a record of 16 bytes for each call. */
const LOG = AT.data + 0x100;
const HANDLER = AT.code + 0x800;
const RF = 0x1_0000;
/** "Auth", of CPUID leaf 0. */
const AMD = 0x6874_7541;
const NO_DATA = "knows no breakpoints for data and ports";

/** DR7 with breakpoint 0 enabled: R/W and LEN fields. [SDM 3B 18.2.4] */
const dr7 = (kind: number, length: number): number => 0x401 | (kind << 16) | (length << 18);
const EXECUTE = dr7(0, 0);

/** Debug exceptions in the guest, and debugging from outside. */
export function debugSuite(makeSubject: () => Subject): void {
  const program = (): Code => new Code(64, AT.code);

  /** A guest whose #DB handler logs rip and DR6, clears DR6, sets RF and returns. */
  const logging = (code: Code): Guest => {
    const guest = new Guest(makeSubject(), "long");
    const handler = new Code(64, HANDLER)
      .bytes(0x50, 0x57) // push rax; push rdi
      .load(8, R.di, LOG - 8)
      .bytes(0x48, 0x8b, 0x44, 0x24, 0x10, 0x48, 0xab) // mov rax, [rsp+16]; stosq
      .bytes(0x0f, 0x21, 0xf0, 0x48, 0xab) // mov rax, dr6; stosq
      .store(8, LOG - 8, R.di)
      .mov(R.ax, 0)
      .bytes(0x0f, 0x23, 0xf0) // mov dr6, rax
      .bytes(0x81, 0x4c, 0x24, 0x20, 0, 0, 1, 0) // or dword [rsp+32], RF
      .bytes(0x5f, 0x58)
      .iret();
    guest.place(handler);
    guest.gate(1, HANDLER);
    guest.vm.memory.writeU64(LOG - 8, LOG);
    return guest.start(code);
  };
  /** What the handler logged: label or address of rip, and the bits of DR6 that are not fixed. */
  const log = (guest: Guest): [number, number][] => {
    const { memory } = guest.vm;
    const count = (Number(memory.readU64(LOG - 8)) - LOG) / 16;
    return Array.from({ length: count }, (_, n) => [
      Number(memory.readU64(LOG + 16 * n)),
      Number(memory.readU64(LOG + 16 * n + 8)) - DR6.fixed,
    ]);
  };
  /** pushfq; or dword [rsp], TF; popfq */
  const setTrapFlag = (code: Code): Code => code.bytes(0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d);
  /** pushfq; and dword [rsp], ~TF; popfq */
  const clearTrapFlag = (code: Code): Code => code.bytes(0x9c, 0x81, 0x24, 0x24, 0xff, 0xfe, 0xff, 0xff).bytes(0x9d);
  const stepsOf = (code: Code, from: string): number[] => {
    const guest = logging(code.label("end").hlt());
    expect(guest.next()).toEqual(HLT);
    const entries = log(guest);
    expect(entries.map(([, dr6]) => dr6)).toEqual(entries.map(() => DR6.BS));
    return entries.map(([rip]) => rip - code.at(from));
  };
  /** The traps before, in and after clearTrapFlag at an offset. */
  const tailFrom = (at: number): number[] => [at, at + 1, at + 8, at + 9];

  describe("single-stepping by TF", () => {
    test("POPF traps from the instruction after it on, and when it clears TF", () => {
      const code = clearTrapFlag(setTrapFlag(program()).label("from").nop().nop());
      expect(stepsOf(code, "from")).toEqual([1, ...tailFrom(2)]);
    });

    test("a jump and a loop", () => {
      const code = setTrapFlag(program().mov(R.cx, 2)).label("from").bytes(0xff, 0xc9).jumpIf(IF.notZero, "from");
      expect(stepsOf(clearTrapFlag(code), "from")).toEqual([2, 0, 2, ...tailFrom(4)]);
    });

    test("MOV SS is passed over", () => {
      needProcessor(makeSubject(), "single-steps after MOV SS");
      const code = setTrapFlag(program().bytes(0x8c, 0xd0)).label("from").bytes(0x8e, 0xd0).nop().nop();
      expect(stepsOf(clearTrapFlag(code), "from")).toEqual([3, ...tailFrom(4)]);
    });

    test("REP traps after every iteration", () => {
      needProcessor(makeSubject(), "single-steps a repeated instruction as one");
      const code = setTrapFlag(program().mov(R.di, AT.data).mov(R.cx, 3)).label("from").string("stos", 1, true);
      expect(stepsOf(clearTrapFlag(code), "from")).toEqual([0, 0, ...tailFrom(2)]);
    });

    test("an instruction that leaves to user space traps once it is completed", () => {
      needProcessor(makeSubject(), "does not single-step what leaves to user space");
      const code = setTrapFlag(program()).label("from").outAl(0x80).nop();
      const guest = logging(clearTrapFlag(code).hlt());
      expect(guest.next()).toMatchObject({ out: 0x80 });
      expect(log(guest)).toHaveLength(1);
      expect(guest.next()).toEqual(HLT);
      expect(log(guest).map(([rip]) => rip - code.at("from"))).toEqual([5, 6, ...tailFrom(7)]);
    });

    test("INT n and faults do not trap themselves", () => {
      const code = setTrapFlag(program()).label("from").bytes(0xcd, 0x40, 0x0f, 0x0b).nop();
      const guest = logging(clearTrapFlag(code).hlt());
      guest.place(new Code(64, HANDLER + 0x100).nop().iret());
      guest.place(new Code(64, HANDLER + 0x200).bytes(0x48, 0x83, 0x04, 0x24, 2).iret()); // add qword [rsp], 2
      guest.gate(0x40, HANDLER + 0x100);
      guest.gate(6, HANDLER + 0x200);
      expect(guest.next()).toEqual(HLT);
      expect(log(guest).map(([rip]) => rip - code.at("from"))).toEqual(tailFrom(5));
    });

    test("HLT wakes up", () => {
      const code = setTrapFlag(program()).label("from").hlt().nop();
      const guest = logging(clearTrapFlag(code).hlt());
      expect(guest.next()).toEqual(HLT);
      expect(guest.next()).toEqual(HLT);
      expect(log(guest).map(([rip]) => rip - code.at("from"))).toEqual([1, ...tailFrom(2)]);
    });

    test("DEBUGCTL.BTF: taken branches only, until the first trap", () => {
      needProcessor(makeSubject(), "knows no DEBUGCTL.BTF");
      const code = setTrapFlag(program().wrmsr(0x1d9, 2))
        .label("from")
        .nop()
        .jump("target")
        .nop()
        .label("target")
        .nop();
      clearTrapFlag(code);
      const target = code.at("target") - code.at("from");
      expect(stepsOf(code, "from")).toEqual([target, ...tailFrom(target + 1)]);
    });

    test("a trap that waits is in the saved state", () => {
      needProcessor(makeSubject(), "does not single-step what leaves to user space");
      const code = setTrapFlag(program()).label("from").outAl(0x80).label("after").nop().hlt();
      const guest = logging(code);
      expect(guest.next()).toMatchObject({ out: 0x80 });
      view(kvm_run, guest.vcpu.kvmRun).immediate_exit = 1;
      expect(guest.vcpu.run()).toBe(EINTR);
      view(kvm_run, guest.vcpu.kvmRun).immediate_exit = 0;
      const { exception } = guest.vcpu.getVcpuEvents();
      expect([exception.injected, exception.nr, exception.has_error_code]).toEqual([1, 1, 0]);
      expect(Number(guest.vcpu.getDebugregs().dr6) - DR6.fixed).toBe(DR6.BS);
      expect(guest.next()).toEqual(HLT);
      expect(log(guest)[1]).toEqual([code.at("after"), DR6.BS]);
    });

    test("SYSCALL steps by the TF that it leaves", () => {
      const entry = new Code(64, AT.code + 0x400).nop().hlt();
      const code = program()
        .wrmsr(0xc000_0080, 0x501)
        .wrmsr(0xc000_0081, 0, 0x0018_0018)
        .wrmsr(0xc000_0082, entry.origin)
        .wrmsr(0xc000_0084, 0x100);
      const guest = logging(setTrapFlag(code).bytes(0x0f, 0x05));
      guest.place(entry);
      expect(guest.next()).toEqual(HLT);
      expect(log(guest)).toEqual([]);
    });
  });

  describe("breakpoints by DR7", () => {
    const watching = (code: Code, address: number, control: number, dr: { readonly cr4?: number } = {}): Guest => {
      if ((control & (3 << 16)) !== 0) needProcessor(makeSubject(), NO_DATA);
      const guest = logging(code);
      if (dr.cr4 !== undefined) {
        const sregs = guest.vcpu.getSregs();
        sregs.cr4_num |= dr.cr4;
        guest.vcpu.setSregs(sregs);
      }
      guest.vcpu.setDebugregs(create(kvm_debugregs, { db: [BigInt(address)], dr6: DR6.fixed, dr7: control }));
      return guest;
    };
    const hitsOf = (code: Code, address: number, control: number): [number, number][] => {
      const guest = watching(code.hlt(), address, control);
      expect(guest.next()).toEqual(HLT);
      return log(guest);
    };

    test("an instruction: before it, each time, and RF lets it pass", () => {
      const code = program().mov(R.cx, 3).label("here").bytes(0xff, 0xc9).jumpIf(IF.notZero, "here");
      const here = code.at("here");
      expect(hitsOf(code, here, EXECUTE)).toEqual([
        [here, 1],
        [here, 1],
        [here, 1],
      ]);
    });

    test("nothing while DR7 enables nothing", () => {
      const code = program().nop().label("here").nop();
      expect(hitsOf(code, code.at("here"), EXECUTE & ~1)).toEqual([]);
    });

    test("data that is written: after the instruction", () => {
      const code = program()
        .mov(R.ax, 1)
        .load(4, R.cx, AT.data)
        .store(4, AT.data - 4, R.ax)
        .store(4, AT.data, R.ax);
      const after = code.here;
      expect(hitsOf(code.nop(), AT.data, dr7(1, 3))).toEqual([[after, 1]]);
    });

    test("data that is read or written, in part", () => {
      const code = program()
        .load(8, R.ax, AT.data - 4)
        .label("read")
        .store(1, AT.data + 3, R.ax)
        .label("written");
      code.load(1, R.ax, AT.data + 4);
      expect(hitsOf(code, AT.data, dr7(3, 3))).toEqual([
        [code.at("read"), 1],
        [code.at("written"), 1],
      ]);
    });

    test("data of a page that was in use before, written by REP STOS", () => {
      needProcessor(makeSubject(), NO_DATA);
      const code = program()
        .store(4, AT.data, R.ax)
        .mov(R.ax, AT.data + 2)
        .bytes(0x0f, 0x23, 0xc0); // mov dr0, rax
      code.mov(R.ax, dr7(1, 0)).bytes(0x0f, 0x23, 0xf8).mov(R.di, AT.data).mov(R.cx, 4).label("rep");
      const guest = logging(code.string("stos", 1, true).hlt());
      expect(guest.next()).toEqual(HLT);
      expect(log(guest)).toEqual([[code.at("rep"), 1]]);
    });

    test("a push onto a watched stack", () => {
      const code = program().bytes(0x50).label("after").bytes(0x59);
      expect(hitsOf(code, AT.stack - 8, dr7(1, 2))).toEqual([[code.at("after"), 1]]);
    });

    test("a port, with CR4.DE", () => {
      const code = program().outAl(0x80).label("after").outAl(0x81).hlt();
      const guest = watching(code, 0x80, dr7(2, 0), { cr4: 8 });
      expect(guest.next()).toMatchObject({ out: 0x80 });
      expect(guest.next()).toMatchObject({ out: 0x81 });
      expect(log(guest)).toEqual([[code.at("after"), 1]]);
    });

    test("MOV SS hides the breakpoint of the next instruction, but on AMD's processors", () => {
      needProcessor(makeSubject(), "knows no shadow of MOV SS for breakpoints");
      const code = program().bytes(0x8c, 0xd0, 0x8e, 0xd0).label("hidden").nop().label("after");
      const vendor = makeSubject().engine.getSupportedCpuid().entries[0]!.ebx;
      expect(hitsOf(code, code.at("hidden"), EXECUTE)).toHaveLength(vendor === AMD ? 1 : 0);
    });

    test("MOV SS holds a hit back for an instruction", () => {
      const code = program()
        .bytes(0x8c, 0xd0)
        .store(2, AT.data, R.ax)
        .memory(4, [0x8e], 2, AT.data)
        .nop()
        .label("after");
      expect(hitsOf(code.nop(), AT.data, dr7(3, 1)).slice(-1)).toEqual([[code.at("after"), 1]]);
    });

    test.each([
      ["INT n", [0xcd, 0x40]],
      ["INT3", [0xcc]],
    ])("a hit that MOV SS holds back comes in the handler of %s", (_, bytes) => {
      const code = program()
        .bytes(0x8c, 0xd0)
        .store(2, AT.data, R.ax)
        .memory(4, [0x8e], 2, AT.data)
        .bytes(...bytes)
        .hlt();
      const guest = watching(code, AT.data, dr7(3, 1));
      guest.place(new Code(64, HANDLER + 0x100).nop().iret());
      for (const vector of [0x40, 3]) guest.gate(vector, HANDLER + 0x100);
      expect(guest.next()).toEqual(HLT);
      expect(log(guest).slice(-1)).toEqual([[HANDLER + 0x100, 1]]);
    });

    test("an instruction that is repeated: once", () => {
      const code = program().mov(R.di, AT.data).mov(R.cx, 3).label("rep").string("stos", 1, true);
      expect(hitsOf(code, code.at("rep"), EXECUTE)).toEqual([[code.at("rep"), 1]]);
    });

    test("DR7.GD: before an access to a debug register", () => {
      const code = program().nop().label("move").bytes(0x0f, 0x21, 0xc0);
      expect(hitsOf(code, 0, 0x2400)[0]).toEqual([code.at("move"), DR6.BD]);
    });
  });

  test("INT1 is an exception without a trace in DR6", () => {
    const code = program().bytes(0xf1).label("after").hlt();
    const guest = logging(code);
    expect(guest.next()).toEqual(HLT);
    expect(log(guest)).toEqual([[code.at("after"), 0]]);
  });

  describe("KVM_SET_GUEST_DEBUG", () => {
    const debugged = (code: Code, control: number, registers: readonly bigint[] = []): Guest => {
      const guest = logging(code);
      setDebug(guest, control, registers);
      return guest;
    };
    const setDebug = (guest: Guest, control: number, registers: readonly bigint[] = []): void =>
      guest.vcpu.setGuestDebug(create(kvm_guest_debug, { control, arch: { debugreg: [...registers] } }));
    const debugExit = (guest: Guest): { exception: number; pc: number; dr6: number } => {
      expect(guest.next()).toEqual(DEBUG);
      const { exception, pc, dr6 } = view(kvm_run, guest.vcpu.kvmRun).debug.arch;
      return { exception, pc: Number(pc), dr6: Number(dr6) };
    };

    test("single steps", (context) => {
      need(context, makeSubject(), "KVM_CAP_SET_GUEST_DEBUG");
      const code = program()
        .nop()
        .label("one")
        .mov(R.ax, 1)
        .label("two")
        .jump("three")
        .pad(AT.code + 0x40)
        .label("three");
      const guest = debugged(code.hlt(), KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP);
      for (const label of ["one", "two", "three"])
        expect(debugExit(guest)).toMatchObject({ exception: 1, pc: code.at(label) });
      setDebug(guest, 0);
      expect(guest.next()).toEqual(HLT);
      expect(guest.regs().rflags & 0x100n).toBe(0n);
      expect(log(guest)).toEqual([]);
    });

    test("a software breakpoint stops at INT3, and is the guest's when it is given back", (context) => {
      need(context, makeSubject(), "KVM_CAP_SET_GUEST_DEBUG");
      const code = program().nop().label("int3").bytes(0xcc).hlt();
      const guest = debugged(code, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP);
      guest.place(new Code(64, HANDLER + 0x100).outTo(1, 0x83, 3).hlt());
      guest.gate(3, HANDLER + 0x100);
      expect(debugExit(guest)).toMatchObject({ exception: 3, pc: code.at("int3") });
      expect(Number(guest.regs().rip)).toBe(code.at("int3"));
      setDebug(guest, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_INJECT_BP);
      expect(guest.next()).toEqual({ out: 0x83, size: 1, data: [3] });
    });

    test("hardware breakpoints for instructions and data", (context) => {
      needProcessor(makeSubject(), NO_DATA);
      need(context, makeSubject(), "KVM_CAP_SET_GUEST_DEBUG");
      const code = program().nop().label("here").nop().store(4, AT.data, R.ax).label("after").hlt();
      const control = BigInt((EXECUTE | 4 | ((dr7(1, 3) & 0xf_0000) * 16)) >>> 0);
      const registers = [BigInt(code.at("here")), BigInt(AT.data), 0n, 0n, 0n, 0n, 0n, control];
      const guest = debugged(code, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP, registers);
      expect(debugExit(guest)).toEqual({ exception: 1, pc: code.at("here"), dr6: DR6.fixed + 1 });
      guest.setRegs({ rflags: FLAGS.none | RF });
      expect(debugExit(guest)).toEqual({ exception: 1, pc: code.at("after"), dr6: DR6.fixed + 2 });
      expect(guest.next()).toEqual(HLT);
      expect(log(guest)).toEqual([]);
    });

    test("INT1 stops at itself, without a trace in DR6", (context) => {
      need(context, makeSubject(), "KVM_CAP_SET_GUEST_DEBUG");
      const code = program().nop().label("int1").bytes(0xf1).hlt();
      const guest = debugged(code, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP);
      expect(debugExit(guest)).toEqual({ exception: 1, pc: code.at("int1"), dr6: DR6.fixed });
    });
  });
}
