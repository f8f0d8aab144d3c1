import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { afterEach, describe, expect, test } from "vitest";
import { SeededRandom } from "../../src/base/random.ts";
import { create } from "../../src/base/struct-layout.ts";
import { WasmEngine } from "../../src/engine/wasm/engine.ts";
import { kickVcpu, type SharedVcpu } from "../../src/engine/wasm/shared-vcpu.ts";
import type { WasmVcpu } from "../../src/engine/wasm/vcpu.ts";
import type { WasmVm } from "../../src/engine/wasm/vm.ts";
import { kvm_regs } from "../../src/spec/kvm/vcpu-struct.ts";
import { KVM_MEM_LOG_DIRTY_PAGES } from "../../src/spec/kvm/vm-struct.ts";
import { APIC, LAPIC_DEFAULT_BASE, LVT, SVR } from "../../src/spec/lapic.ts";
import { Code, IF, R } from "./assembler.ts";
import { AT, Guest, type Mode, type Subject } from "./guest.ts";

const LAPIC = LAPIC_DEFAULT_BASE;
const PORT = 0x80;
const DONE = { out: PORT, size: 1, data: [1] };
/** Code and stack of the second processor; below 1 MiB for a startup IPI. */
const SECOND = 0x1_0000;
const SECOND_STACK = 0x1_3000;
/** Two pages of data that follow each other. */
const DATA = 0x1_4000;
const ROUNDS = 5000;
/** How often, a ms each, a test waits for the other thread before it fails. */
const MOST_NAPS = 20_000;
/** Kicks a vCPU, so that a test whose guest waits in vain ends. */
const WATCHDOG = `
  const { workerData } = require("node:worker_threads");
  setInterval(() => { Atomics.or(workerData, 0, 1); Atomics.add(workerData, 0, 2); Atomics.notify(workerData, 0); }, 20_000);
`;

const compile = (path: string) => new WebAssembly.Module(readFileSync(new URL(path, import.meta.url)));
const modules = {
  helpers: compile("../../dist/isa/helpers.wasm"),
  interpreter: compile("../../dist/engine/wasm/interpreter.wasm"),
};
const workers: Worker[] = [];
afterEach(async () => {
  for (const worker of workers.splice(0)) await worker.terminate();
});

/** A guest with a second vCPU in a thread of its own. */
class Pair {
  readonly guest: Guest;
  readonly log = new Int32Array(new SharedArrayBuffer(4096));
  readonly #start = process.hrtime.bigint();
  #worker!: Worker;
  second!: SharedVcpu;
  exited!: Promise<unknown>;

  constructor(mode: Mode) {
    const clock = { now: () => Number(process.hrtime.bigint() - this.#start), wallClock: () => Date.now() };
    const subject: Subject = {
      engine: new WasmEngine(modules, clock, new SeededRandom(1)),
      watch: () => {},
      kickFromThread: () => {},
      signalFromThread: () => {},
    };
    this.guest = new Guest(subject, mode, { irqchip: true, pit: true });
    const { kick } = (this.guest.vcpu as WasmVcpu).shared;
    workers.push(new Worker(WATCHDOG, { eval: true, workerData: kick }));
  }

  static async make(mode: Mode): Promise<Pair> {
    const pair = new Pair(mode);
    const shared = (pair.guest.vm as WasmVm).share();
    const worker = new Worker(new URL("./vcpu-thread.mjs", import.meta.url), {
      workerData: { modules, shared, id: 1, start: pair.#start, log: pair.log },
    });
    workers.push(worker);
    pair.#worker = worker;
    pair.exited = once(worker, "exit");
    [pair.second] = (await once(worker, "message")) as [SharedVcpu];
    return pair;
  }

  /** Lets the second vCPU go: into code, in the first one's mode, or waiting for a startup IPI. */
  go(code?: Code): void {
    if (code === undefined) return this.#worker.postMessage({});
    this.guest.place(code);
    const regs = create(kvm_regs, { rsp: SECOND_STACK, rflags: 2, rip: code.origin });
    this.#worker.postMessage({ sregs: this.guest.vcpu.getSregs().bytes, regs: regs.bytes });
  }

  /** What the second vCPU wrote to ports, when there are `count` of it. */
  written(count: number): number[] {
    this.until(() => Atomics.load(this.log, 0) >= count);
    return Array.from({ length: count }, (_, n) => this.log[2 + 2 * n]!);
  }

  /** Waits for what the second vCPU does. */
  until(happened: () => boolean): void {
    for (let naps = 0; !happened(); naps++) {
      if (naps > MOST_NAPS) throw new Error("the second processor does not do it");
      Atomics.wait(this.log, 0, Atomics.load(this.log, 0), 1);
    }
  }
}

const program = (bits: 32 | 64): Code => new Code(bits, AT.code);
const enableLapic = (code: Code): Code =>
  code.storeImmediate(LAPIC + APIC.SVR, SVR.APIC_ENABLED | 0xff).storeImmediate(LAPIC + APIC.LVT_LINT0, LVT.MASK);
const done = (code: Code): Code => code.outTo(1, PORT, 1);
/** mov rcx, ROUNDS; body; loop */
const repeat = (code: Code, body: (code: Code) => Code): Code =>
  body(code.mov(R.cx, ROUNDS).label("again")).bytes(0xff, 0xc9).jumpIf(IF.notZero, "again");
/** lock inc dword [address] */
const lockInc = (address: number) => (code: Code) => code.bytes(0xf0).memory(4, [0xff], 0, address);
/** Waits until the dword is the value. */
const await32 = (code: Code, address: number, value: number, name: string): Code =>
  code
    .label(name)
    .load(4, R.ax, address)
    .bytes(0x3d, value & 0xff, (value >> 8) & 0xff, 0, 0)
    .jumpIf(IF.notZero, name);

describe("two processors", () => {
  test("INIT and a startup IPI start the second in real mode; it interrupts the first", async () => {
    const pair = await Pair.make("protected");
    const { guest } = pair;
    // mov ax, cs; mov [DATA - 0x10000 + cs:], ax is out of reach of a 16-bit address: the segment is the code's
    guest.place(
      new Code(16, SECOND)
        .bytes(0x8c, 0xc8, 0x2e, 0xa3, DATA & 0xff, (DATA >> 8) & 0xff)
        .wrmsr(0x1b, LAPIC | 0xc00)
        .wrmsr(0x80f, 0x1ff)
        .wrmsr(0x830, 0x61, 0)
        .label("sleep")
        .hlt()
        .jump("sleep"),
    );
    const handler = new Code(32, AT.code + 0x800)
      .bytes(0xb0, 0x61)
      .outAl(PORT)
      .storeImmediate(LAPIC + APIC.EOI, 0);
    guest.place(handler.iret());
    guest.gate(0x61, handler.origin);
    const code = enableLapic(program(32))
      .storeImmediate(LAPIC + APIC.ICR_HIGH, 1 << 24)
      .storeImmediate(LAPIC + APIC.ICR, 0x4500)
      .storeImmediate(LAPIC + APIC.ICR, 0x4600 | (SECOND >> 12));
    guest.start(code.sti().label("sleep").hlt().jump("sleep"));
    pair.go();
    expect(guest.next()).toEqual({ out: PORT, size: 1, data: [0x61] });
    expect(guest.vm.memory.readU16(DATA)).toBe(SECOND >> 4);
  });

  test.each([
    ["aligned", DATA],
    ["across a cache line", DATA + 0x3e],
    ["across a page", DATA + 0xffe],
  ])("locked increments get lost nowhere: %s", async (_, address) => {
    const pair = await Pair.make("long");
    pair.guest.start(await32(done(repeat(program(64), lockInc(address))), DATA + 0x100, 1, "wait").outTo(1, PORT, 1));
    pair.go(
      repeat(new Code(64, SECOND), lockInc(address))
        .storeImmediate(DATA + 0x100, 1)
        .label("end")
        .jump("end"),
    );
    expect(pair.guest.next()).toEqual(DONE);
    expect(pair.guest.next()).toEqual(DONE);
    expect(pair.guest.vm.memory.readU32(address)).toBe(2 * ROUNDS);
  });

  test("CMPXCHG16B is one access", async () => {
    const pair = await Pair.make("long");
    // rax, rdx := [DATA], [DATA + 8]; again: rbx := rax + 1, rcx := rdx + 1; lock cmpxchg16b [DATA]; jne again; dec esi; jne
    const count = (code: Code): Code =>
      code
        .mov(R.si, ROUNDS)
        .label("next")
        .load(8, R.ax, DATA)
        .load(8, R.dx, DATA + 8)
        .label("again")
        .bytes(0x48, 0x8d, 0x58, 0x01, 0x48, 0x8d, 0x4a, 0x01)
        .bytes(0xf0)
        .memory(8, [0x0f, 0xc7], 1, DATA)
        .jumpIf(IF.notZero, "again")
        .bytes(0xff, 0xce)
        .jumpIf(IF.notZero, "next");
    pair.guest.start(done(await32(count(program(64)), DATA + 0x100, 1, "wait")));
    pair.go(
      count(new Code(64, SECOND))
        .storeImmediate(DATA + 0x100, 1)
        .label("end")
        .jump("end"),
    );
    expect(pair.guest.next()).toEqual(DONE);
    expect([pair.guest.vm.memory.readU64(DATA), pair.guest.vm.memory.readU64(DATA + 8)]).toEqual([
      2 * ROUNDS,
      2 * ROUNDS,
    ]);
  });

  test("what one writes to code the other executes next", async () => {
    const pair = await Pair.make("long");
    const FUNCTION = SECOND + 0x800;
    // the function is mov eax, n; ret. The second calls it again and again and stores n
    pair.guest.place(new Code(64, FUNCTION).bytes(0xb8, 0, 0, 0, 0, 0xc3));
    const second = new Code(64, SECOND).label("again").bytes(0xe8);
    const distance = FUNCTION - (SECOND + 5);
    second
      .bytes(distance & 0xff, (distance >> 8) & 0xff, 0, 0)
      .store(4, DATA, R.ax)
      .jump("again");
    const first = program(64);
    for (let n = 1; n <= 100; n++) {
      first.storeImmediate(FUNCTION + 1, n);
      await32(first, DATA, n, `wait${n}`);
    }
    pair.guest.start(done(first));
    pair.go(second);
    expect(pair.guest.next()).toEqual(DONE);
  });

  test("each has its own exits, and the second reaches the chips of the first's thread", async () => {
    const pair = await Pair.make("long");
    pair.guest.start(done(await32(done(program(64).outTo(1, 0x21, 0x5a)), DATA, 1, "wait")));
    expect(pair.guest.next()).toEqual(DONE);
    // in al, 0x21; out PORT, al
    const second = new Code(64, SECOND).bytes(0xe4, 0x21).outAl(PORT);
    pair.go(second.storeImmediate(DATA, 1).label("end").jump("end"));
    expect(pair.guest.next()).toEqual(DONE);
    expect(pair.written(1)).toEqual([0x5a]);
  });

  test("the dirty log sees what another thread's processor writes", async () => {
    const pair = await Pair.make("long");
    const { guest } = pair;
    const slot = 5;
    guest.addMemory(slot, 0x4_0000, 0x4000, KVM_MEM_LOG_DIRTY_PAGES);
    pair.go(new Code(64, SECOND).label("again").memory(4, [0xff], 0, 0x4_1000).jump("again"));
    const bitmap = new Uint8Array(8);
    for (let n = 0; n < 20; n++) {
      const before = guest.vm.memory.readU32(0x4_1000);
      pair.until(() => guest.vm.memory.readU32(0x4_1000) !== before);
      guest.vm.getDirtyLog(slot, bitmap);
      expect(bitmap[0]).toBe(2);
    }
  });

  test("a slot that goes is gone for the other at once", async () => {
    const pair = await Pair.make("long");
    const { guest } = pair;
    const at = guest.addMemory(5, 0x4_0000, 0x1000);
    pair.go(new Code(64, SECOND).label("again").memory(4, [0xff], 0, 0x4_0000).jump("again"));
    pair.until(() => guest.vm.memory.readU32(0x4_0000) !== 0);
    guest.setSlot(5, 0x4_0000, 0, at);
    const bytes = new Uint32Array(guest.vm.hostMemory.buffer, at, 1);
    const after = bytes[0];
    pair.written(1);
    expect([pair.log[1], bytes[0]]).toEqual([-1, after]);
  });

  test("a kick ends the second's sleep", async () => {
    const pair = await Pair.make("long");
    pair.go(new Code(64, SECOND).outTo(1, PORT, 3).cli().hlt());
    expect(pair.written(1)).toEqual([3]);
    kickVcpu(pair.second);
    await pair.exited;
  });
});
