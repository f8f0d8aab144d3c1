import { readFileSync } from "node:fs";
import { MemoryDisk } from "../../src/backend/block/memory-disk.ts";
import type { CharBackend } from "../../src/backend/chardev/chardev.ts";
import { NO_INPUT } from "../../src/backend/chardev/chardev.ts";
import type { Clock } from "../../src/base/clock.ts";
import { SeededRandom } from "../../src/base/random.ts";
import { create } from "../../src/base/struct-layout.ts";
import { WasmEngine } from "../../src/engine/wasm/engine.ts";
import { generateInterpreter } from "../../src/engine/wasm/interpreter/generate.ts";
import type { WasmVcpu } from "../../src/engine/wasm/vcpu.ts";
import type { WasmVm } from "../../src/engine/wasm/vm.ts";
import { CPU, CPU_SIZE } from "../../src/isa/state.ts";
import { Board } from "../../src/machine/board.ts";
import { ExitLoop } from "../../src/machine/exit-loop.ts";
import { GsiLine } from "../../src/machine/gsi-line.ts";
import { createControllers } from "../../src/machine/interrupt-controllers.ts";
import { SecondaryVcpus } from "../../src/machine/secondary-vcpus.ts";
import { captureVcpu, restoreVcpu } from "../../src/machine/vcpu-state.ts";
import { KVM_MP_STATE_HALTED } from "../../src/spec/kvm/vcpu-struct.ts";
import {
  KVM_MEM_LOG_DIRTY_PAGES,
  KVM_MEM_READONLY,
  kvm_userspace_memory_region,
} from "../../src/spec/kvm/vm-struct.ts";
import { ROOT } from "../isa/root.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
/** Slots of a guest: low memory, extended memory, a read-only one, one that is logged and above 4 GiB. */
const SLOTS = [
  { gpa: 0, size: 640 * KIB, flags: 0 },
  { gpa: MIB, size: MIB, flags: 0 },
  { gpa: 0xffff_0000, size: 64 * KIB, flags: KVM_MEM_READONLY },
  { gpa: 0x1_0000_0000, size: 64 * KIB, flags: KVM_MEM_LOG_DIRTY_PAGES },
] as const;
const GUARD_BYTES = 64 * KIB;
const GUARD_WORD = 0x5ca1_ab1e;
const ABSENT = 2;
/** What an interrupt from another vCPU sets, so that a vCPU looks for it: of no account as long as it does not run. */
const ASKED = [CPU.budget, CPU.interruptPending] as const;

/** Output is not kept, and there is no input: a guest's writes must not make the host grow. */
const nowhere: CharBackend = { write() {}, read: () => NO_INPUT };

/** A clock that goes on whenever it is looked at, and ends a guest after so many looks. */
class CountedClock implements Clock {
  looks = 0;
  limit = Number.POSITIVE_INFINITY;
  onLimit = (): void => {};

  now(): number {
    if (++this.looks >= this.limit) this.onLimit();
    return this.looks * 20_000;
  }

  wallClock(): number {
    return 1_700_000_000_000 + this.looks;
  }
}

/** A machine with the real board and no firmware, whose memory has guards around and between everything that is the guest's. */
export class GuestMachine {
  readonly vm: WasmVm;
  readonly vcpu: WasmVcpu;
  readonly board: Board;
  readonly clock = new CountedClock();
  readonly #engine: WasmEngine;
  readonly #loop: ExitLoop;
  readonly #guards: Uint32Array[] = [];
  readonly #other: Uint8Array;
  readonly #otherBefore: Uint8Array;
  readonly #powerOn;
  readonly #readOnly: Uint8Array;

  constructor() {
    const helpers = new WebAssembly.Module(readFileSync(new URL("dist/isa/helpers.wasm", ROOT)));
    const modules = { helpers, interpreter: new WebAssembly.Module(generateInterpreter()) };
    this.#engine = new WasmEngine(modules, this.clock, new SeededRandom(1));
    this.vm = this.#engine.createVm({ maxMemory: 4 * MIB });
    this.#readOnly = this.#addSlots();
    const controllers = createControllers(this.vm, "engine", this.clock);
    this.vcpu = this.vm.createVcpu(0);
    this.vcpu.setCpuid2(this.#engine.getSupportedCpuid());
    this.vm.createVcpu(1).setCpuid2(this.#engine.getSupportedCpuid());
    this.board = this.#makeBoard();
    this.#loop = new ExitLoop(this.vcpu, new SecondaryVcpus([], []), controllers, this.board, this.vm.memory);
    this.clock.onLimit = () => this.vcpu.kick();
    this.#powerOn = { vcpu: captureVcpu(this.#engine, this.vcpu), restoreIrqchip: controllers.capture() };
    this.#other = new Uint8Array(this.vm.wasmMemory.buffer, this.vm.plan.vcpu(1).base, CPU_SIZE);
    this.#otherBefore = this.#other.slice();
  }

  /** Everything as after power-on, memory zeroed. */
  reset(): void {
    this.clock.limit = Number.POSITIVE_INFINITY;
    this.#loop.complete();
    this.board.reset();
    restoreVcpu(this.vcpu, this.#powerOn.vcpu);
    this.#powerOn.restoreIrqchip();
    for (const { gpa, size, flags } of SLOTS)
      if (flags !== KVM_MEM_READONLY) this.vm.memory.write(gpa, new Uint8Array(size));
  }

  /** Runs the guest until it ends, or `looks` at the clock were made, or it sleeps; how it ended. */
  run(looks: number): string {
    this.clock.limit = this.clock.looks + looks;
    for (;;) {
      const outcome = this.#loop.run();
      if (outcome !== undefined) return outcome.kind;
      if (this.clock.looks >= this.clock.limit) return "out of budget";
      if (this.vcpu.getMpState().mp_state === KVM_MP_STATE_HALTED) return "asleep";
    }
  }

  /** What was changed that is not the guest's; undefined if nothing was. */
  damage(): string | undefined {
    const guard = this.#guards.findIndex((words) => words.some((word) => word !== GUARD_WORD));
    if (guard >= 0) return `guard ${guard} was written`;
    if (this.#readOnly.some((byte) => byte !== 0xee)) return "the read-only slot was written";
    for (const cell of ASKED) this.#other.set(this.#otherBefore.subarray(cell, cell + 4), cell);
    if (Buffer.compare(this.#other, this.#otherBefore) !== 0) return "another vCPU's state was written";
    return undefined;
  }

  /** The same for places that take long to look at. */
  damageElsewhere(): string | undefined {
    const { buffer } = this.vm.wasmMemory;
    const { plan } = this.vm;
    const isZero = (from: number, to: number): boolean =>
      new BigUint64Array(buffer, from, (to - from) / 8).every((word) => word === 0n);
    if (!isZero(0, plan.wordsAt)) return "memory at 0 was written";
    return isZero(plan.vcpu(ABSENT).base, plan.heap) ? undefined : "a vCPU that does not exist was written";
  }

  #addSlots(): Uint8Array {
    const { buffer } = this.vm.wasmMemory;
    const guard = (): void => {
      const words = new Uint32Array(buffer, this.vm.mmap(GUARD_BYTES), GUARD_BYTES / 4);
      this.#guards.push(words.fill(GUARD_WORD));
    };
    let readOnly: Uint8Array = new Uint8Array();
    SLOTS.forEach(({ gpa, size, flags }, slot) => {
      guard();
      const userspace_addr = this.vm.mmap(size);
      if (flags === KVM_MEM_READONLY) readOnly = new Uint8Array(buffer, userspace_addr, size).fill(0xee);
      const region = { slot, flags, guest_phys_addr: gpa, memory_size: size, userspace_addr };
      this.vm.setUserMemoryRegion(create(kvm_userspace_memory_region, region));
    });
    guard();
    return readOnly;
  }

  #makeBoard(): Board {
    const config = { memorySize: 32 * MIB, debugExit: true, testDevice: true };
    return new Board(config, {
      ...{ clock: this.clock, serial: nowhere, serial2: nowhere, debugConsole: nowhere, memory: this.vm.memory },
      disks: [{ disk: new MemoryDisk(64 * KIB), serial: "fuzz" }],
      random: new SeededRandom(2),
      interruptLine: (irq: number) => new GsiLine(this.vm, irq),
      signalMsi: (low, high, data) => void this.vm.signalMsi(low, high, data),
    });
  }
}
