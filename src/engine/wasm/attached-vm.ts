import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import { create } from "../../base/struct-layout.ts";
import { ApicBus } from "../../irqchip/apic-bus.ts";
import { Pic } from "../../irqchip/pic.ts";
import { VcpuInterrupts } from "../../irqchip/vcpu-interrupts.ts";
import { VmClock } from "../../kvm/clock.ts";
import { KvmError } from "../../kvm/errno.ts";
import { MsrPolicy } from "../../kvm/msr-policy.ts";
import { MemorySlots } from "../../memory/memory-slot.ts";
import { SlotMemory } from "../../memory/slot-memory.ts";
import { EEXIST, EINVAL } from "../../spec/kvm/errno.ts";
import { kvm_userspace_memory_region } from "../../spec/kvm/vm-struct.ts";
import { CHIP_CALL, ChipCalls } from "./chip-calls.ts";
import { PHYSICAL_ADDRESS_BITS } from "./cpuid.ts";
import { HostWrites } from "./host-writes.ts";
import type { WasmModules } from "./library.ts";
import { MemoryTables } from "./memory-tables.ts";
import { RemoteChips } from "./remote-chips.ts";
import type { TimeStampCounter } from "./time-stamp-counter.ts";
import { WasmVcpu } from "./vcpu.ts";
import { VcpuGroup } from "./vcpu-group.ts";
import type { EventWrites, JitOptions, VcpuHost } from "./vcpu-host.ts";
import type { SharedVm } from "./vm.ts";
import { CHIPS, MAX_VCPUS, VM_WORD, VmPlan } from "./vm-plan.ts";

/** The vCPU whose thread owns the chips. */
const OWNER = 0;

/**
 * A VM in a thread that runs one of its vCPUs but does not own it. The vCPU has a local APIC of its own; the other chips
 * are asked in the owner's thread, which answers while it runs vCPU 0.
 */
export class AttachedVm implements VcpuHost {
  readonly modules: WasmModules;
  readonly jit: JitOptions | undefined;
  readonly random: Random;
  readonly wasmMemory: WebAssembly.Memory;
  readonly plan: VmPlan;
  readonly group: VcpuGroup;
  readonly clock: VmClock;
  readonly memory: SlotMemory;
  readonly ioeventfds: EventWrites;
  readonly coalesced = undefined;
  readonly msrPolicy = new MsrPolicy();
  irqchip: RemoteChips | undefined;
  readonly #slots: MemorySlots;
  readonly #tables: MemoryTables;
  #calls: ChipCalls | undefined;

  constructor(modules: WasmModules, clock: Clock, random: Random, { memory, msrs }: SharedVm, jit?: JitOptions) {
    const { buffer } = memory;
    this.random = random;
    this.modules = modules;
    this.jit = jit;
    Object.assign(this.msrPolicy, msrs);
    this.wasmMemory = memory;
    this.plan = new VmPlan(buffer);
    this.clock = new VmClock(clock, this.plan.clockOffset, false);
    this.#tables = new MemoryTables(buffer, this.plan.tables);
    this.group = new VcpuGroup(buffer, this.plan, this.#tables.pageFlags);
    this.#slots = new MemorySlots({ buffer });
    this.memory = new SlotMemory(this.#slots);
    const writes = new HostWrites(this.#slots, this.#tables, this.group);
    this.memory.onWrite = (gpa, length) => writes.note(gpa, length);
    this.ioeventfds = {
      writePort: (port, length, value) => this.#signals(CHIP_CALL.eventPort, port, length, value, 0),
      writeMmio: (address, length, lo, hi) => this.#signals(CHIP_CALL.eventMmio, address, length, lo, hi),
    };
    this.slotsChanged();
  }

  /** KVM_CREATE_VCPU: this thread's only one. Errors: EEXIST, EINVAL. */
  createVcpu(id: number): WasmVcpu {
    if (!Number.isInteger(id) || id < 0 || id >= MAX_VCPUS) throw new KvmError("KVM_CREATE_VCPU", EINVAL);
    const shared = this.group.vcpus[id]!;
    if (shared.present || this.#calls) throw new KvmError("KVM_CREATE_VCPU", EEXIST);
    this.#calls = new ChipCalls(shared, this.plan.words, this.group.vcpus[OWNER]!, this.group.takeWritten);
    return new WasmVcpu(this, id);
  }

  /** `Vcpu.kick` for vCPU 0. */
  kickOwner(): void {
    this.group.vcpus[OWNER]!.kick();
  }

  advanceTimers(): number {
    return this.irqchip?.advance(this.clock.host.now()) ?? Infinity;
  }

  addInterrupts(id: number, tsc: TimeStampCounter): VcpuInterrupts | undefined {
    if (!(this.#chips & CHIPS.irqchip)) return undefined;
    const bus = new ApicBus(
      this.group.vcpus.map((_, other) => this.plan.vcpu(other).apicPage),
      (other) => this.group.wake(other),
    );
    const interrupts = new VcpuInterrupts(
      {
        vcpu: id,
        apicId: id,
        bsp: false,
        x2apic: true,
        tscDeadline: true,
        physicalAddressBits: PHYSICAL_ADDRESS_BITS,
        directedEoi: false,
      },
      this.plan.vcpu(id).apicPage,
      new Pic({ output: () => {}, acked: () => {} }),
      {
        bus,
        clock: this.clock.host,
        tscToNs: (lo, hi) => tsc.timeOf(lo, hi),
        eoi: (vector, broadcast) => this.#eoi(vector, broadcast),
      },
    );
    this.irqchip = new RemoteChips(interrupts, bus, this.#calls!, this.#chips);
    return interrupts;
  }

  /** Reads the owner's slots. */
  slotsChanged(): void {
    for (const { slot } of this.#slots.all) this.#slots.set(create(kvm_userspace_memory_region, { slot }));
    const count = Atomics.load(this.plan.words, VM_WORD.SLOT_COUNT);
    for (const region of this.#tables.regions(count)) this.#slots.set(region);
  }

  get #chips(): number {
    return Atomics.load(this.plan.words, VM_WORD.CHIPS);
  }

  #signals(kind: number, address: number, length: number, lo: number, hi: number): boolean {
    if (Atomics.load(this.plan.words, VM_WORD.IOEVENTFDS) === 0) return false;
    return this.#calls!.ask(kind, address, length, lo, hi) >= 0;
  }

  /** The I/O APIC, and the PIT if it waits, hear of the end of an interrupt. */
  #eoi(vector: number, broadcast: boolean): void {
    const { words } = this.plan;
    if (!broadcast && Atomics.load(words, VM_WORD.PIT_WAITS) === 0) return;
    Atomics.or(words, VM_WORD.EOI + (vector >>> 5), 1 << (vector & 31));
    this.group.wake(OWNER);
  }
}
