import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import { Irqchip } from "../../irqchip/irqchip.ts";
import type { VcpuInterrupts } from "../../irqchip/vcpu-interrupts.ts";
import { MAX_SLOTS } from "../../isa/state.ts";
import { HostHeap } from "../../kvm/host-heap.ts";
import type { IrqchipModel } from "../../kvm/irq-lines.ts";
import type { MsrPolicy } from "../../kvm/msr-policy.ts";
import { type PitModel, VmCore } from "../../kvm/vm-core.ts";
import { KVM_PIT_SPEAKER_DUMMY, type KvmClockData } from "../../spec/kvm/vm-struct.ts";
import { capability } from "./capabilities.ts";
import { CHIP_CALL, serveChipCall } from "./chip-calls.ts";
import { PHYSICAL_ADDRESS_BITS } from "./cpuid.ts";
import { HostWrites } from "./host-writes.ts";
import type { WasmModules } from "./library.ts";
import { MemoryTables } from "./memory-tables.ts";
import { type SharedVcpu, sharedVcpu } from "./shared-vcpu.ts";
import type { TimeStampCounter } from "./time-stamp-counter.ts";
import { WasmVcpu } from "./vcpu.ts";
import { placeMsrPolicy } from "./vcpu-code.ts";
import { VcpuGroup } from "./vcpu-group.ts";
import type { JitOptions, VcpuHost } from "./vcpu-host.ts";
import { CHIPS, MAX_VCPUS, VCPU_REQUEST, VM_WORD, VmPlan } from "./vm-plan.ts";

const WASM_PAGE = 0x1_0000;

/** What another thread needs to run a vCPU of a VM; it can be posted. */
export interface SharedVm {
  readonly memory: WebAssembly.Memory;
  /** The MSR policy at that time. */
  readonly msrs: Pick<MsrPolicy, "reasons" | "filter">;
}

/**
 * A VM of the software engine: one shared memory with tables, vCPUs' state and the guest's RAM. It is in one thread, which
 * owns the chips and runs vCPU 0; an AttachedVm runs a vCPU in another.
 */
export class WasmVm extends VmCore<WasmVcpu> implements VcpuHost {
  readonly modules: WasmModules;
  readonly random: Random;
  readonly jit: JitOptions | undefined;
  readonly wasmMemory: WebAssembly.Memory;
  readonly plan: VmPlan;
  readonly tables: MemoryTables;
  readonly group: VcpuGroup;
  irqchip: Irqchip | undefined;

  /** `maxMemory`: bytes of guest memory the VM will ask for in all. Throws RangeError if there is no room for them. */
  constructor(modules: WasmModules, clock: Clock, random: Random, maxMemory: number, jit?: JitOptions) {
    const bytes = VmPlan.bytesFor(maxMemory);
    const pages = bytes / WASM_PAGE;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const plan = new VmPlan(memory.buffer);
    super({
      heap: new HostHeap(memory, plan.heap, bytes),
      clock,
      clockOffset: plan.clockOffset,
      maxVcpuId: MAX_VCPUS,
      maxMemorySlots: MAX_SLOTS,
    });
    this.modules = modules;
    this.random = random;
    this.jit = jit;
    this.wasmMemory = memory;
    this.plan = plan;
    this.tables = new MemoryTables(memory.buffer, plan.tables);
    this.group = new VcpuGroup(memory.buffer, plan, this.tables.pageFlags);
    this.slots.changed.listen(() => this.#slotsChanged());
    const writes = new HostWrites(this.slots, this.tables, this.group);
    this.memory.onWrite = (gpa, length) => writes.note(gpa, length);
  }

  /** What an AttachedVm is made of. Irqchip and PIT are to be created before. */
  share(): SharedVm {
    const { reasons, filter } = this.msrPolicy;
    return { memory: this.wasmMemory, msrs: { reasons, filter } };
  }

  /** A vCPU that may run in another thread. */
  sharedVcpu(id: number): SharedVcpu {
    const { base, words } = this.plan.vcpu(id);
    return sharedVcpu(this.wasmMemory.buffer, base, words);
  }

  checkExtension(cap: number): number {
    return capability(cap);
  }

  override getDirtyLog(slot: number, bitmap: Uint8Array): void {
    this.#stopped(VCPU_REQUEST.TLB, () => {
      this.tables.collectDirty();
      super.getDirtyLog(slot, bitmap);
      if (!this.manualDirtyLog) this.tables.arm(this.slots.get(slot)!);
    });
  }

  override clearDirtyLog(slot: number, firstPage: number, pages: number, bitmap: Uint8Array): void {
    this.#stopped(VCPU_REQUEST.TLB, () => {
      this.tables.collectDirty();
      this.clearDirtyPages(slot, firstPage, pages, bitmap, (page) => this.tables.armPage(this.slots.get(slot)!, page));
    });
  }

  override setClock(clock: KvmClockData): void {
    super.setClock(clock);
    for (const vcpu of this.group.vcpus) if (vcpu.present) vcpu.request(VCPU_REQUEST.CLOCK);
  }

  override ioeventfd(...args: Parameters<VmCore["ioeventfd"]>): void {
    super.ioeventfd(...args);
    Atomics.store(this.plan.words, VM_WORD.IOEVENTFDS, this.ioeventfds.size);
  }

  /** Delivers what timers owe and what vCPUs of other threads ask the chips; returns ns until the next timer. */
  advanceTimers(): number {
    this.irqfds.poll();
    if (!this.irqchip) return Infinity;
    this.#serve();
    const now = this.clock.host.now();
    if (this.irqchip.nextDeadline() <= now) this.irqchip.advance(now);
    Atomics.store(this.plan.words, VM_WORD.PIT_WAITS, this.irqchip.pitWaits ? 1 : 0);
    return this.irqchip.nextDeadline() - now;
  }

  addInterrupts(id: number, tsc: TimeStampCounter): VcpuInterrupts | undefined {
    const config = {
      apicId: id,
      bsp: id === 0,
      x2apic: true,
      tscDeadline: true,
      physicalAddressBits: PHYSICAL_ADDRESS_BITS,
      tscToNs: (lo: number, hi: number) => tsc.timeOf(lo, hi),
    };
    return this.irqchip?.addVcpu(config, this.plan.vcpu(id).apicPage, id);
  }

  /** Nothing to do: its tables are the ones that changed. */
  slotsChanged(): void {}

  protected override msrPolicyChanged(): void {
    for (const { cells } of this.vcpus) placeMsrPolicy(this, cells);
  }

  protected newVcpu(id: number): WasmVcpu {
    return new WasmVcpu(this, id);
  }

  protected newIrqchip(): IrqchipModel {
    this.irqchip = new Irqchip({
      clock: this.clock.host,
      lines: this.lines,
      kick: (vcpu) => this.group.wake(vcpu),
      apicPages: this.group.vcpus.map((_, id) => this.plan.vcpu(id).apicPage),
    });
    Atomics.or(this.plan.words, VM_WORD.CHIPS, CHIPS.irqchip);
    return this.irqchip;
  }

  protected newPit(flags: number): PitModel {
    Atomics.or(this.plan.words, VM_WORD.CHIPS, CHIPS.pit | (flags & KVM_PIT_SPEAKER_DUMMY ? CHIPS.speaker : 0));
    return this.irqchip!.createPit(flags);
  }

  #slotsChanged(): void {
    this.#stopped(VCPU_REQUEST.SLOTS, () => {
      this.tables.update(this.slots.all);
      Atomics.store(this.plan.words, VM_WORD.SLOT_COUNT, this.tables.slotCount);
    });
  }

  /** Does something while no vCPU executes, and has each serve a request; those of this thread do it when they are entered. */
  #stopped(request: number, action: () => void): void {
    this.group.stopped(request, () => this.#serve(), action);
  }

  /** Answers vCPUs of other threads. */
  #serve(): void {
    const { words } = this.plan;
    for (let n = 0; n < 8; n++) {
      if (Atomics.load(words, VM_WORD.EOI + n) === 0) continue;
      for (let bits = Atomics.exchange(words, VM_WORD.EOI + n, 0); bits !== 0; bits &= bits - 1)
        this.irqchip?.remoteEoi(32 * n + 31 - Math.clz32(bits & -bits));
    }
    if (Atomics.load(words, VM_WORD.CALLS) === 0 || Atomics.exchange(words, VM_WORD.CALLS, 0) === 0) return;
    for (let id = 0; id < MAX_VCPUS; id++) serveChipCall(this.group.vcpus[id]!, this.#answer);
  }

  readonly #answer = (kind: number, address: number, size: number, lo: number, hi: number): number => {
    const chips = this.irqchip;
    switch (kind) {
      case CHIP_CALL.pioRead:
        return chips?.pioRead(address, size) ?? -1;
      case CHIP_CALL.pioWrite:
        return chips?.pioWrite(address, size, lo) ? 0 : -1;
      case CHIP_CALL.mmioRead:
        return chips?.ioapicRead(address, size) ?? -1;
      case CHIP_CALL.mmioWrite:
        return chips?.ioapicWrite(address, size, lo) ? 0 : -1;
      case CHIP_CALL.eventPort:
        return this.ioeventfds.writePort(address, size, lo) ? 0 : -1;
      default:
        return this.ioeventfds.writeMmio(address, size, lo, hi) ? 0 : -1;
    }
  };
}
