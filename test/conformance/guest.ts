import { expect, type TestContext, TestRunner } from "vitest";
import { assign, create, type StructInit } from "../../src/base/struct-layout.ts";
import type { Engine, Vm } from "../../src/kvm/engine.ts";
import { KvmError } from "../../src/kvm/errno.ts";
import type { EventFd } from "../../src/kvm/eventfd.ts";
import { ExitView } from "../../src/kvm/exit.ts";
import type { Vcpu } from "../../src/kvm/vcpu.ts";
import * as CAP from "../../src/spec/kvm/capability.ts";
import { EINTR } from "../../src/spec/kvm/errno.ts";
import {
  exitReasonName,
  KVM_EXIT_INTERNAL_ERROR,
  KVM_EXIT_IO,
  KVM_EXIT_IO_OUT,
  KVM_EXIT_MMIO,
} from "../../src/spec/kvm/exit.ts";
import {
  KVM_MP_STATE_RUNNABLE,
  type KvmRegs,
  type KvmSegment,
  type KvmSregs,
  kvm_dtable,
  kvm_mp_state,
  kvm_regs,
  kvm_segment,
} from "../../src/spec/kvm/vcpu-struct.ts";
import { kvm_enable_cap, kvm_pit_config, kvm_userspace_memory_region } from "../../src/spec/kvm/vm-struct.ts";
import { CR0, CR4, EFER } from "../../src/spec/x86/control-register.ts";
import type { Bits, Code } from "./assembler.ts";

/** An engine with what a test needs around it. */
export interface Subject {
  readonly engine: Engine;
  /** Why guests in this mode cannot run here; undefined if they can. Tests that make one are skipped. */
  obstacle?(mode: Mode): string | undefined;
  /** Whether the engine's guests are executed by the emulator of a kernel, which has not every instruction. */
  readonly emulated?: boolean;
  /** Called with every vCPU: kicks it if the test still runs after some seconds, which a guest asleep would not end. */
  watch(vcpu: Vcpu): void;
  /** Calls `vcpu.kick()`, or what it stands for, from another thread, some milliseconds from now. */
  kickFromThread(vcpu: Vcpu, milliseconds: number): void;
  /** Signals an EventFd from another thread, and makes `vcpu.run` look at it or return EINTR. */
  signalFromThread(vcpu: Vcpu, event: EventFd, milliseconds: number): void;
}

export const MODES = ["real", "protected", "compatibility", "long"] as const;
export type Mode = (typeof MODES)[number];

export const BITS: Readonly<Record<Mode, Bits>> = { real: 16, protected: 32, compatibility: 32, long: 64 };

/** Guest-physical places of every guest; all are reached with 16 bits. Memory has a hole of one page. */
export const AT = {
  gdt: 0x1000,
  idt: 0x2000,
  tss: 0x3000,
  pageTables: 0x4000,
  stack: 0x9000,
  code: 0xa000,
  data: 0xc000,
  hole: 0xd000,
  afterHole: 0xe000,
  end: 0x20000,
} as const;

const PAGE = 0x1000;
const SELECTOR = { code: 0x08, data: 0x10, code64: 0x18, tss: 0x20 } as const;
const GDT = [0n, 0x00cf9b000000ffffn, 0x00cf93000000ffffn, 0x00af9b000000ffffn, 0x00008b0030000067n, 0n];
const INTERRUPT_GATE = 0x8e00;

export interface GuestOptions {
  readonly irqchip?: boolean;
  readonly pit?: boolean;
  /** Real mode with data segments of 4 GiB. */
  readonly bigReal?: boolean;
  /** Bytes of each vCPU's dirty ring. */
  readonly dirtyRing?: number;
}

/** What one exit says, as plain data. */
export type Seen =
  | { readonly out: number; readonly size: number; readonly data: readonly number[] }
  | { readonly in: number; readonly size: number }
  | { readonly read: number; readonly length: number }
  | { readonly write: number; readonly length: number; readonly data: bigint }
  | { readonly exit: string };

/** A VM with one vCPU in some mode, running code by hand. */
export class Guest {
  readonly subject: Subject;
  readonly vm: Vm;
  readonly vcpu: Vcpu;
  readonly exit: ExitView;
  readonly mode: Mode;

  constructor(subject: Subject, mode: Mode, options: GuestOptions = {}) {
    const obstacle = subject.obstacle?.(mode);
    if (obstacle !== undefined) skip(obstacle);
    this.subject = subject;
    this.mode = mode;
    this.vm = subject.engine.createVm({ maxMemory: 0x40_0000 });
    this.addMemory(0, 0, AT.hole);
    this.addMemory(1, AT.afterHole, AT.end - AT.afterHole);
    if (options.dirtyRing)
      this.vm.enableCap(create(kvm_enable_cap, { cap: CAP.KVM_CAP_DIRTY_LOG_RING, args: [options.dirtyRing] }));
    if (options.irqchip) this.vm.createIrqchip();
    if (options.pit) this.vm.createPit2(create(kvm_pit_config));
    this.vcpu = this.vm.createVcpu(0);
    subject.watch(this.vcpu);
    this.vcpu.setCpuid2(subject.engine.getSupportedCpuid());
    this.exit = new ExitView(this.vcpu.kvmRun);
    this.#enterMode(options.bigReal ?? false);
  }

  /** Makes a memory slot; returns its userspace_addr. */
  addMemory(slot: number, gpa: number, size: number, flags = 0): number {
    const userspaceAddr = this.vm.mmap(size);
    this.setSlot(slot, gpa, size, userspaceAddr, flags);
    return userspaceAddr;
  }

  setSlot(slot: number, gpa: number, size: number, userspaceAddr: number, flags = 0): void {
    this.vm.setUserMemoryRegion(
      create(kvm_userspace_memory_region, {
        slot,
        flags,
        guest_phys_addr: gpa,
        memory_size: size,
        userspace_addr: userspaceAddr,
      }),
    );
  }

  /** Puts code in memory. */
  place(code: Code): void {
    this.vm.memory.write(code.origin, code.finish());
  }

  /** Puts code in memory and points rip there. */
  start(code: Code, registers: StructInit<typeof kvm_regs> = {}): this {
    this.place(code);
    const regs = create(kvm_regs, { rsp: AT.stack, rflags: 2, ...registers });
    regs.rip_num = code.origin;
    this.vcpu.setRegs(regs);
    this.vcpu.setMpState(create(kvm_mp_state, { mp_state: KVM_MP_STATE_RUNNABLE }));
    return this;
  }

  /** Points an interrupt vector at an address. */
  gate(vector: number, address: number): void {
    const { memory } = this.vm;
    const selector = this.mode === "protected" ? SELECTOR.code : SELECTOR.code64;
    if (this.mode === "real") return memory.writeU32(4 * vector, address);
    const size = this.mode === "protected" ? 8 : 16;
    const at = AT.idt + size * vector;
    memory.writeU16(at, address & 0xffff);
    memory.writeU16(at + 2, selector);
    memory.writeU16(at + 4, INTERRUPT_GATE);
    memory.writeU16(at + 6, address >>> 16);
  }

  regs(): KvmRegs {
    return this.vcpu.getRegs();
  }

  /** Changes some registers. */
  setRegs(registers: StructInit<typeof kvm_regs>): void {
    const regs = this.vcpu.getRegs();
    assign(kvm_regs, regs, registers);
    this.vcpu.setRegs(regs);
  }

  /** Runs up to the next exit. */
  next(): Seen {
    this.#run(0);
    return this.seen();
  }

  /** Runs until somebody kicks. */
  interrupted(): void {
    this.#run(EINTR);
  }

  /** Enters the vCPU only to complete what is pending. */
  complete(): void {
    this.exit.immediateExit = true;
    expect(this.vcpu.run()).toBe(EINTR);
    this.exit.immediateExit = false;
  }

  /** The exit that is in the page. */
  seen(): Seen {
    const { exit } = this;
    if (exit.reason === KVM_EXIT_IO) {
      const { size, port, count } = exit.io;
      if (exit.io.direction !== KVM_EXIT_IO_OUT) return { in: port, size };
      return { out: port, size, data: Array.from({ length: count }, (_, n) => exit.io.value(n)) };
    }
    if (exit.reason !== KVM_EXIT_MMIO) return { exit: exitReasonName(exit.reason) };
    const { physAddr, length } = exit.mmio;
    if (!exit.mmio.isWrite) return { read: physAddr, length };
    return { write: physAddr, length, data: (BigInt(exit.mmio.hi) << 32n) | BigInt(exit.mmio.lo) };
  }

  /** Runs to the end of a test, a HLT exit or OUT to port 0; returns every byte written to other ports by the way. */
  outputs(limit = 100): number[] {
    const outputs: number[] = [];
    for (let n = 0; n < limit; n++) {
      const seen = this.next();
      if (!("out" in seen)) expect(seen).toEqual({ exit: "KVM_EXIT_HLT" });
      if (!("out" in seen) || seen.out === 0) return outputs;
      outputs.push(...seen.data);
    }
    throw new Error(`more than ${limit} exits`);
  }

  close(): void {
    this.vm.close();
  }

  /** Skips the test if the guest came to an instruction that a kernel's emulator does not have. */
  #run(expected: number): void {
    const result = this.vcpu.run();
    if (this.subject.emulated && result === 0 && this.exit.reason === KVM_EXIT_INTERNAL_ERROR) {
      const rip = this.regs().rip_num;
      const bytes = this.vm.memory.view(rip, 4);
      if (bytes) skip(emulator(this.subject, `has no ${hex(bytes)} (${this.mode} mode)`));
    }
    expect(result).toBe(expected);
  }

  #enterMode(bigReal: boolean): void {
    this.vm.memory.write(AT.gdt, new Uint8Array(BigUint64Array.from(GDT).buffer));
    this.#pageTables();
    const sregs = this.vcpu.getSregs();
    if (this.mode === "real") realMode(sregs, bigReal ? 0xffff_ffff : 0xffff);
    else this.#protectedMode(sregs);
    this.vcpu.setSregs(sregs);
  }

  /** Identity, in pages of 2 MiB: the first and the fourth GiB. */
  #pageTables(): void {
    const { memory } = this.vm;
    const rights = 7;
    const large = 0x83;
    memory.writeU64(AT.pageTables, (AT.pageTables + PAGE) | rights);
    memory.writeU64(AT.pageTables + PAGE, (AT.pageTables + 2 * PAGE) | rights);
    memory.writeU64(AT.pageTables + PAGE + 24, (AT.pageTables + 3 * PAGE) | rights);
    for (let n = 0; n < 512; n++) {
      memory.writeU64(AT.pageTables + 2 * PAGE + 8 * n, n * 0x20_0000 + large);
      memory.writeU64(AT.pageTables + 3 * PAGE + 8 * n, 0xc000_0000 + n * 0x20_0000 + large);
    }
  }

  #protectedMode(sregs: KvmSregs): void {
    const long = this.mode !== "protected";
    const code64 = this.mode === "long";
    sregs.cr0_num = CR0.PE | CR0.ET | CR0.NE | CR0.MP;
    sregs.cr4_num = CR4.OSFXSR | CR4.OSXMMEXCPT;
    sregs.efer_num = 0;
    for (const name of ["ds", "es", "fs", "gs", "ss"] as const) flat(sregs[name], SELECTOR.data, 3, false);
    flat(sregs.cs, code64 ? SELECTOR.code64 : SELECTOR.code, 0xb, code64);
    assign(kvm_segment, sregs.tr, {
      base: AT.tss,
      limit: 0x67,
      selector: SELECTOR.tss,
      type: 0xb,
      present: 1,
      s: 0,
      unusable: 0,
    });
    assign(kvm_segment, sregs.ldt, { unusable: 1, present: 0 });
    assign(kvm_dtable, sregs.gdt, { base: AT.gdt, limit: GDT.length * 8 - 1 });
    assign(kvm_dtable, sregs.idt, { base: AT.idt, limit: 0xfff });
    if (!long) return;
    sregs.cr0_lo = (sregs.cr0_lo | CR0.PG) >>> 0;
    sregs.cr4_num |= CR4.PAE;
    sregs.cr3_num = AT.pageTables;
    sregs.efer_num = EFER.LME | EFER.LMA;
  }
}

function realMode(sregs: KvmSregs, dataLimit: number): void {
  for (const name of ["cs", "ds", "es", "fs", "gs", "ss"] as const) {
    sregs[name].selector = 0;
    sregs[name].base_num = 0;
  }
  if (dataLimit > 0xffff) assign(kvm_segment, sregs.ds, { limit: dataLimit, g: 1 });
  assign(kvm_dtable, sregs.idt, { base: 0, limit: 0x3ff });
}

function flat(segment: KvmSegment, selector: number, type: number, l: boolean): void {
  const fields = { base: 0, limit: 0xffff_ffff, present: 1, dpl: 0, s: 1, g: 1, avl: 0, unusable: 0 };
  assign(kvm_segment, segment, { ...fields, selector, type, l: l ? 1 : 0, db: l ? 0 : 1 });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

function skip(reason: string): void {
  TestRunner.getCurrentTest()!.context.skip(reason);
}

function emulator({ engine }: Subject, lack: string): string {
  return `engine ${engine.name}: the kernel emulates guests on this machine, and its emulator ${lack}`;
}

/** Skips the running test if a kernel's emulator executes the guest: `lack` is what it does differently from a processor. */
export function needProcessor(subject: Subject, lack: string): void {
  if (subject.emulated) skip(emulator(subject, lack));
}

/** The errno with which a call fails, by name; "" if it does not. */
export function errnoOf(call: () => unknown): string {
  try {
    call();
    return "";
  } catch (error) {
    if (error instanceof KvmError) return error.code;
    throw error;
  }
}

/** Skips a test, and says why, if the engine lacks a capability. */
export function need({ skip }: TestContext, { engine }: Subject, cap: keyof typeof CAP): void {
  const number = new Map(Object.entries(CAP)).get(cap)!;
  skip(engine.checkExtension(number) === 0, `engine ${engine.name} has no ${cap}`);
}
