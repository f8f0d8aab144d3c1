import { describe, expect, test } from "vitest";
import { MemoryBackend } from "../backend/chardev/memory-backend.ts";
import { ManualClock } from "../base/clock.ts";
import { create } from "../base/struct-layout.ts";
import type { Engine } from "../kvm/engine.ts";
import { ExitView } from "../kvm/exit.ts";
import { HostHeap } from "../kvm/host-heap.ts";
import type { IrqchipModel } from "../kvm/irq-lines.ts";
import type { Vcpu } from "../kvm/vcpu.ts";
import { type PitModel, VmCore } from "../kvm/vm-core.ts";
import * as EXIT from "../spec/kvm/exit.ts";
import {
  type KvmMsrs,
  type KvmRegs,
  type KvmSregs,
  kvm_cpuid2,
  kvm_fpu,
  kvm_lapic_state,
  kvm_regs,
  kvm_sregs,
} from "../spec/kvm/vcpu-struct.ts";
import { REQUEST } from "./control.ts";
import { formatCpuDump } from "./cpu-dump.ts";
import { parseCpu } from "./cpu-model.ts";
import { vcpuCpuid } from "./cpuid.ts";
import { Machine, type MachineConfig } from "./machine.ts";

const MIB = 1024 * 1024;
const EINTR = 4;
const IN = EXIT.KVM_EXIT_IO_IN;
const OUT = EXIT.KVM_EXIT_IO_OUT;

/** One `run`: fills the page as an engine does and returns the errno. */
type Step = (exit: ExitView, vcpu: FakeVcpu) => number;

/** A vCPU that executes a script of exits instead of a guest. */
class FakeVcpu implements Partial<Vcpu> {
  readonly id: number;
  readonly kvmRun = new Uint8Array(3 * 4096);
  readonly exit = new ExitView(this.kvmRun);
  readonly regs = create(kvm_regs);
  readonly sregs = create(kvm_sregs);
  readonly script: Step[] = [];
  readonly lapic = create(kvm_lapic_state);
  /** Entries of `run` with immediate_exit set. */
  completions = 0;
  kicks = 0;
  cpuid = create(kvm_cpuid2);

  constructor(id: number) {
    this.id = id;
  }

  run(): number {
    if (this.exit.immediateExit) {
      this.completions++;
      return EINTR;
    }
    const step = this.script.shift();
    if (!step) throw new Error("the script has ended");
    return step(this.exit, this);
  }

  kick(): void {
    this.kicks++;
  }
  getRegs = (): KvmRegs =>
    create(kvm_regs, Object.fromEntries(Object.keys(kvm_regs.fields).map((f) => [f, this.regs[f as "rax"]])));
  setRegs(regs: KvmRegs): void {
    this.regs.bytes.set(regs.bytes);
  }
  getSregs = (): KvmSregs => {
    const copy = create(kvm_sregs);
    copy.bytes.set(this.sregs.bytes);
    return copy;
  };
  setSregs(sregs: KvmSregs): void {
    this.sregs.bytes.set(sregs.bytes);
  }
  getFpu = () => create(kvm_fpu);
  setFpu(): void {}
  getMsrs = (_msrs: KvmMsrs): number => 0;
  readonly msrs = new Map<number, number>();
  setMsrs(msrs: KvmMsrs): number {
    for (let i = 0; i < msrs.nmsrs; i++) this.msrs.set(msrs.entries[i]!.index, msrs.entries[i]!.data_num);
    return msrs.nmsrs;
  }
  getLapic = () => this.lapic;
  setLapic(): void {}
  setCpuid2(cpuid: FakeVcpu["cpuid"]): void {
    this.cpuid = cpuid;
  }
  translate(translation: Parameters<Vcpu["translate"]>[0]) {
    translation.valid = translation.linear_address_num < 32 * MIB ? 1 : 0;
    translation.physical_address_num = translation.linear_address_num;
    return translation;
  }
  close(): void {}
}

class FakeVm extends VmCore {
  readonly pins: string[] = [];
  readonly fakes: FakeVcpu[] = [];

  checkExtension(): number {
    return 1;
  }
  protected newVcpu(id: number): Vcpu {
    const vcpu = new FakeVcpu(id);
    this.fakes.push(vcpu);
    return vcpu as unknown as Vcpu;
  }
  protected newIrqchip(): IrqchipModel {
    return {
      setPicLine: (pin, level) => this.pins.push(`pic ${pin} ${level}`),
      setIoapicLine: (pin, level) => this.pins.push(`ioapic ${pin} ${level}`),
      deliverMsi: () => false,
      getState() {},
      setState() {},
    };
  }
  protected newPit(): PitModel {
    return { getState() {}, setState() {} };
  }
}

/** KVM_CAP_IRQCHIP, _IRQ_ROUTING, _PIT2. */
const CAPABILITIES = [0, 25, 33];

/** A multiboot kernel with its addresses in its header: `cli; hlt` at 1 MiB + 0x20. */
function tinyKernel(): Uint8Array {
  const file = new Uint8Array(0x40);
  const flags = 0x10000;
  const words = [0x1badb002, flags, -(0x1badb002 + flags), 0x100000, 0x100000, 0x100040, 0x100040, 0x100020];
  words.forEach((word, index) => {
    new DataView(file.buffer).setUint32(index * 4, word, true);
  });
  file.set([0xfa, 0xf4], 0x20);
  return file;
}

function build(config: Partial<MachineConfig> = {}, script: Step[] = []) {
  const clock = new ManualClock();
  const serial = new MemoryBackend();
  const alarms: number[] = [];
  let vm: FakeVm | undefined;
  const engine: Partial<Engine> = {
    name: "fake",
    checkExtension: (cap) => (CAPABILITIES.includes(cap) ? 1 : 0),
    getMsrIndexList: () => new Uint32Array([0x10]),
    getSupportedCpuid: () =>
      create(kvm_cpuid2, {
        nent: 3,
        entries: [
          { function: 1, ebx: 0xff00_0800, edx: 1 << 12 },
          { function: 0xb, index: 1, ecx: 0x201 },
          { function: 0x8000_0001, edx: 1 << 29 },
        ],
      }),
    createVm: (options) => {
      const memory = new WebAssembly.Memory({ initial: 0, maximum: 1024 });
      const heap = new HostHeap(memory, 0, options?.maxMemory ?? 0);
      vm = new FakeVm({ heap, clock, maxVcpuId: 8 });
      return vm;
    },
  };
  const boot = { kernel: tinyKernel(), kernelName: "tiny", commandLine: "a=b" };
  const machine = new Machine(
    { memorySize: 32 * MIB, cpu: parseCpu("host"), boot, debugExit: true, ...config },
    { engine: engine as Engine, clock, serial, alarm: { set: (delay) => alarms.push(delay) } },
  );
  const vcpu = vm!.fakes[0]!;
  vcpu.script.push(...script);
  return { machine, vcpu, vm: vm!, clock, serial, alarms };
}

/** A port exit: one item or several. */
function io(direction: number, size: number, port: number, ...values: number[]): Step {
  return (exit) => {
    exit.reason = EXIT.KVM_EXIT_IO;
    exit.io.fill(direction, size, port, values.length);
    values.forEach((value, index) => {
      exit.io.setValue(index, value);
    });
    return 0;
  };
}

const simple =
  (reason: number): Step =>
  (exit) => {
    exit.reason = reason;
    return 0;
  };
const interrupted: Step = (exit) => {
  exit.reason = EXIT.KVM_EXIT_INTR;
  return EINTR;
};
const powerOff = io(OUT, 2, 0x604, (5 << 10) | (1 << 13));

/** Sees what the guest would see in `run` after the IN of the step before. */
function seen(into: number[]): Step {
  return (exit, vcpu) => {
    for (let index = 0; index < exit.io.count; index++) into.push(exit.io.value(index));
    return vcpu.script.shift()!(exit, vcpu);
  };
}

describe("construction", () => {
  test("the kernel is in memory and the vCPU at its entry, with ACPI tables in the BIOS area", () => {
    const { vcpu, vm } = build();
    expect([vcpu.regs.rip_num, vcpu.regs.rax_num]).toEqual([0x100020, 0x2badb002]);
    expect([vcpu.sregs.cs.db, vcpu.sregs.cs.limit, Number(vcpu.sregs.cr0)]).toEqual([1, 0xffff_ffff, 0x11]);
    expect(vcpu.msrs.get(0x2ff)).toBe(0x806);
    expect([vm.memory.readU8(0x100020), vm.memory.readU8(0x100021)]).toEqual([0xfa, 0xf4]);
    const signature = new Uint8Array(8);
    vm.memory.read(0xe0000, signature);
    expect(new TextDecoder().decode(signature)).toBe("RSD PTR ");
  });

  test("the timer's interrupt goes to pin 2 of the I/O APIC, the others to their own", () => {
    const { vm } = build();
    for (const gsi of [0, 4, 9, 23]) vm.irqLine(gsi, 1);
    expect(vm.pins).toEqual([
      "pic 0 true",
      "ioapic 2 true",
      "pic 4 true",
      "ioapic 4 true",
      "pic 9 true",
      "ioapic 9 true",
      "ioapic 23 true",
    ]);
  });

  test("CPUID places every vCPU", () => {
    const supported = build().vcpu.cpuid;
    const { entries, nent } = vcpuCpuid(supported, 3, 4);
    const all = Array.from({ length: nent }, (_, n) => entries[n]!);
    const leaf = (number: number) => all.filter((entry) => entry.function === number);
    expect(leaf(1).map(({ ebx, edx }) => [ebx, edx])).toEqual([[0x0304_0800, (1 << 28) | (1 << 12)]]);
    expect(leaf(0xb).map(({ index, eax, ebx, ecx, edx }) => [index, eax, ebx, ecx, edx])).toEqual([
      [0, 0, 1, 0x100, 3],
      [1, 2, 4, 0x201, 3],
      [2, 0, 0, 2, 3],
    ]);
  });

  test("more processors than it runs are refused", () => {
    expect(() => build({ vcpus: 2 })).toThrow("2 processors");
  });

  test.each([31 * MIB, 3073 * MIB, 32 * MIB + 4096])("memory of %i bytes is refused with a remedy", (memorySize) => {
    expect(() => build({ memorySize })).toThrow("memory");
  });
});

describe("the exit loop", () => {
  test("answers port accesses of every size, in and out", () => {
    const values: number[] = [];
    const { machine, serial } = build({}, [
      io(OUT, 1, 0x3f8, 0x48),
      io(OUT, 2, 0x3ff, 0xaa55),
      io(IN, 1, 0x3ff, 0),
      seen(values),
      io(IN, 4, 0x1234, 0),
      seen(values),
      io(OUT, 4, 0xcf8, 0x8000_0000),
      io(IN, 2, 0xcfe, 0),
      seen(values),
      powerOff,
    ]);
    expect(machine.run()).toEqual({ kind: "poweroff" });
    expect(serial.text()).toBe("H");
    expect(values).toEqual([0x55, 0xffff_ffff, 0x0008]);
  });

  test("a string instruction is count items at one port", () => {
    const values: number[] = [];
    const { machine, serial } = build({}, [
      io(OUT, 1, 0x3f8, ...Buffer.from("hello")),
      io(OUT, 1, 0x3fa, 0x01),
      io(OUT, 1, 0x3f9, 0x01),
      io(OUT, 1, 0x3fc, 0x0b),
      interrupted,
      io(IN, 1, 0x3f8, 0, 0, 0, 0),
      seen(values),
      powerOff,
    ]);
    serial.feed("xyz");
    expect(machine.run().kind).toBe("poweroff");
    expect(serial.text()).toBe("hello");
    expect(values).toEqual([0x78, 0x79, 0x7a, 0]);
  });

  test("memory accesses of 1 to 8 bytes reach registers in pieces; none reads as ones", () => {
    const log: string[] = [];
    const read =
      (length: number): Step =>
      (exit) => {
        exit.reason = EXIT.KVM_EXIT_MMIO;
        exit.mmio.fill(0xd000_0000, length, false);
        return 0;
      };
    const write =
      (length: number): Step =>
      (exit) => {
        exit.reason = EXIT.KVM_EXIT_MMIO;
        exit.mmio.fill(0xd000_0000, length, true, 0x4433_2211, 0x8877_6655);
        return 0;
      };
    const { machine } = build({}, [
      write(8),
      write(7),
      write(1),
      read(8),
      (exit) => {
        log.push(`${exit.mmio.lo.toString(16)} ${exit.mmio.hi.toString(16)}`);
        exit.mmio.fill(0xd800_0000, 8, false);
        return 0;
      },
      (exit, vcpu) => {
        log.push(`${exit.mmio.lo.toString(16)} ${exit.mmio.hi.toString(16)}`);
        return powerOff(exit, vcpu);
      },
    ]);
    machine.board.mmio.claim("test", 0xd000_0000, 16, {
      width: 4,
      read(offset, size) {
        log.push(`r${size}@${offset}`);
        return 0x0101_0101 * (offset + 1);
      },
      write: (offset, size, value) => void log.push(`w${size}@${offset} ${value.toString(16)}`),
    });
    expect(machine.run().kind).toBe("poweroff");
    expect(log).toEqual([
      ...["w4@0 44332211", "w4@4 88776655", "w4@0 44332211", "w2@4 6655", "w1@6 77", "w1@0 11"],
      ...["r4@0", "r4@4", "1010101 5050505", "ffffffff ffffffff"],
    ]);
  });

  test("the debug-exit port ends it with (V << 1) | 1; without the port nothing happens", () => {
    expect(build({}, [io(OUT, 1, 0xf4, 3)]).machine.run()).toEqual({ kind: "debug-exit", status: 7 });
    expect(build({ debugExit: false }, [io(OUT, 1, 0xf4, 3), powerOff]).machine.run()).toEqual({ kind: "poweroff" });
  });

  test("a triple fault comes with registers and instruction bytes", () => {
    const { machine } = build({}, [
      (exit, vcpu) => {
        vcpu.regs.rbx_num = 0xdead_beef;
        exit.reason = EXIT.KVM_EXIT_SHUTDOWN;
        return 0;
      },
    ]);
    const outcome = machine.run();
    if (outcome.kind !== "triple-fault") throw new Error(outcome.kind);
    expect(structuredClone(outcome)).toEqual(outcome);
    const text = formatCpuDump(outcome.dump).join("\n");
    expect(text).toContain("rip 0000000000100020");
    expect(text).toContain("rbx 00000000deadbeef");
    expect(text).toContain("code fa f4 00");
  });

  test.each([
    [EXIT.KVM_EXIT_HLT, "halted"],
    [EXIT.KVM_EXIT_FAIL_ENTRY, "refused"],
    [EXIT.KVM_EXIT_INTERNAL_ERROR, "internal error"],
    [EXIT.KVM_EXIT_HYPERV, "KVM_EXIT_HYPERV"],
  ])("exit reason %i is an error in words", (reason, words) => {
    const outcome = build({}, [simple(reason)]).machine.run();
    expect(outcome.kind === "error" && outcome.message).toContain(words);
  });

  test("a vCPU that was never started is an error, not a wait", () => {
    expect(build({}, [() => 11]).machine.run().kind).toBe("error");
  });

  test("a kick lets input in and raises its interrupt", () => {
    const { machine, serial, vm } = build({}, [
      io(OUT, 1, 0x3fc, 0x08),
      io(OUT, 1, 0x3f9, 0x01),
      interrupted,
      powerOff,
    ]);
    serial.feed("k");
    machine.run();
    expect(vm.pins).toEqual(["pic 4 true", "ioapic 4 true"]);
  });

  test("a device's timer sets the alarm and is served at the next kick", () => {
    const setAlarm = [io(OUT, 1, 0x70, 0x0b), io(OUT, 1, 0x71, 0x12)];
    const { machine, vm, clock, alarms } = build({}, [
      ...setAlarm,
      (exit, vcpu) => {
        expect(alarms).toEqual([1000]);
        clock.time = 1e9;
        return interrupted(exit, vcpu);
      },
      powerOff,
    ]);
    machine.run();
    expect(vm.pins).toEqual(["pic 0 true", "ioapic 8 true"].map((pin) => pin.replace("pic 0", "pic 8")));
  });
});

describe("reset", () => {
  const resets: [string, Step[]][] = [
    ["port 0xcf9", [io(OUT, 1, 0xcf9, 0x06)]],
    ["the keyboard controller", [io(OUT, 1, 0x64, 0xfe)]],
    ["port 0x92", [io(OUT, 1, 0x92, 0x01)]],
  ];

  test.each(resets)("by %s starts the kernel anew", (_name, steps) => {
    const { machine, vcpu, vm, serial } = build({}, [
      io(OUT, 1, 0x3f9, 0x02),
      (exit, fake) => {
        fake.regs.rip_num = 0x1234;
        vm.memory.fill(0x100000, 64, 0xcc);
        return steps[0]!(exit, fake);
      },
      (exit, fake) => {
        expect([fake.regs.rip_num, vm.memory.readU8(0x100020), fake.completions]).toEqual([0x100020, 0xfa, 1]);
        return io(OUT, 1, 0x3f8, 0x52)(exit, fake);
      },
      powerOff,
    ]);
    expect(machine.run().kind).toBe("poweroff");
    expect(serial.text()).toBe("R");
    expect(vm.pins.slice(0, 4)).toEqual(["pic 4 true", "ioapic 4 true", "pic 4 false", "ioapic 4 false"]);
    expect(vcpu.script).toEqual([]);
  });

  test("ends the run if the machine is set so", () => {
    expect(build({ onReset: "end" }, resets[0]![1]).machine.run()).toEqual({ kind: "reset" });
  });
});

describe("requests from outside", () => {
  test("pause leaves whole state, and run goes on", () => {
    const { machine, vcpu } = build({}, [
      (exit, fake) => {
        machine.control.request(REQUEST.PAUSE);
        machine.kick();
        return interrupted(exit, fake);
      },
      powerOff,
    ]);
    expect(machine.run()).toEqual({ kind: "paused" });
    expect([vcpu.kicks, vcpu.completions]).toEqual([1, 1]);
    expect(Object.keys(machine.snapshotDevices()).sort()).toEqual(
      ["a20", "acpi-pm", "com1", "com2", "i8042", "pci-config", "reset-control", "rtc"].sort(),
    );
    expect(machine.run()).toEqual({ kind: "poweroff" });
  });

  test("stop ends it, the power button reaches the guest", () => {
    const { machine, vm } = build({}, [io(OUT, 2, 0x602, 0x0100), interrupted]);
    machine.control.request(REQUEST.POWER_BUTTON);
    const stop: Step = (exit, vcpu) => {
      machine.control.request(REQUEST.STOP);
      return interrupted(exit, vcpu);
    };
    vm.fakes[0]!.script.splice(1, 1, stop);
    expect(machine.run()).toEqual({ kind: "stopped" });
    expect(vm.pins).toEqual(["pic 9 true", "ioapic 9 true"]);
  });
});

test("device state moves to another machine", () => {
  const one = build({}, [io(OUT, 1, 0x3ff, 0x5a), powerOff]);
  one.machine.run();
  const values: number[] = [];
  const two = build({}, [io(IN, 1, 0x3ff, 0), seen(values), powerOff]);
  two.machine.restoreDevices(JSON.parse(JSON.stringify(one.machine.snapshotDevices())));
  two.machine.run();
  expect(values).toEqual([0x5a]);
});
