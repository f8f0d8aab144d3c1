import type { Clock } from "../../base/clock.ts";
import type { Random } from "../../base/random.ts";
import { Irqchip } from "../../irqchip/irqchip.ts";
import type { VcpuInterrupts } from "../../irqchip/vcpu-interrupts.ts";
import { MAX_SLOTS } from "../../isa/state.ts";
import { HostHeap } from "../../kvm/host-heap.ts";
import type { IrqchipModel } from "../../kvm/irq-lines.ts";
import { type PitModel, VmCore } from "../../kvm/vm-core.ts";
import type { KvmClockData } from "../../spec/kvm/vm-struct.ts";
import { capability } from "./capabilities.ts";
import { PHYSICAL_ADDRESS_BITS } from "./cpuid.ts";
import type { WasmModules } from "./library.ts";
import { MemoryTables, tablesBytes } from "./memory-tables.ts";
import type { TimeStampCounter } from "./time-stamp-counter.ts";
import { VCPU_BYTES, WasmVcpu } from "./vcpu.ts";

const WASM_PAGE = 0x1_0000;
/** Addresses below are nobody's, so that 0 is no address. */
const GUARD = WASM_PAGE;
const MAX_BYTES = 0x1_0000_0000 - WASM_PAGE;

/** vCPUs a VM may have: they share the thread that runs them. */
export const MAX_VCPUS = 1;

/** A VM of the software engine: one shared memory with tables, vCPUs' state and the guest's RAM. */
export class WasmVm extends VmCore<WasmVcpu> {
  readonly modules: WasmModules;
  readonly random: Random;
  readonly wasmMemory: WebAssembly.Memory;
  readonly tables: MemoryTables;
  irqchip: Irqchip | undefined;

  /** `maxMemory`: bytes of guest memory the VM will ask for in all. Throws RangeError if there is no room for them. */
  constructor(modules: WasmModules, clock: Clock, random: Random, maxMemory: number) {
    const bytes = memoryBytes(maxMemory);
    const pages = bytes / WASM_PAGE;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    super({
      heap: new HostHeap(memory, GUARD + tablesBytes(bytes), bytes),
      clock,
      maxVcpuId: MAX_VCPUS,
      maxMemorySlots: MAX_SLOTS,
    });
    this.modules = modules;
    this.random = random;
    this.wasmMemory = memory;
    this.tables = new MemoryTables(memory.buffer, GUARD);
    this.slots.changed.listen(() => this.#slotsChanged());
    this.memory.onWrite = (gpa, length) => this.#hostWrote(gpa, length);
  }

  checkExtension(cap: number): number {
    return capability(cap);
  }

  override getDirtyLog(slot: number, bitmap: Uint8Array): void {
    super.getDirtyLog(slot, bitmap);
    this.tables.arm(this.slots.get(slot)!);
    for (const vcpu of this.vcpus) vcpu.relog();
  }

  override setClock(clock: KvmClockData): void {
    super.setClock(clock);
    for (const vcpu of this.vcpus) vcpu.clockChanged();
  }

  /** Delivers what timers owe; returns ns until the next one. */
  advanceTimers(): number {
    this.irqfds.poll();
    if (!this.irqchip) return Infinity;
    const now = this.clock.host.now();
    if (this.irqchip.nextDeadline() <= now) this.irqchip.advance(now);
    return this.irqchip.nextDeadline() - now;
  }

  /** The local APIC of the vCPU that is being made. */
  addInterrupts(tsc: TimeStampCounter): VcpuInterrupts | undefined {
    const apicId = this.vcpus.length;
    return this.irqchip?.addVcpu({
      apicId,
      bsp: apicId === 0,
      x2apic: true,
      tscDeadline: true,
      physicalAddressBits: PHYSICAL_ADDRESS_BITS,
      tscToNs: (lo, hi) => tsc.timeOf(lo, hi),
    });
  }

  protected newVcpu(id: number): WasmVcpu {
    return new WasmVcpu(this, id);
  }

  protected newIrqchip(): IrqchipModel {
    this.irqchip = new Irqchip({ clock: this.clock.host, lines: this.lines, kick: (vcpu) => this.vcpus[vcpu]?.wake() });
    return this.irqchip;
  }

  protected newPit(flags: number): PitModel {
    return this.irqchip!.createPit(flags);
  }

  #slotsChanged(): void {
    this.tables.update(this.slots.all);
    for (const vcpu of this.vcpus) vcpu.slotsChanged();
  }

  /** The host changed guest memory: code decoded from it goes. */
  #hostWrote(gpa: number, length: number): void {
    for (let at = gpa; at < gpa + length; ) {
      const slot = this.slots.find(at)!;
      const offset = at - slot.guestPhysAddr;
      const end = Math.min(slot.memorySize, offset + gpa + length - at);
      this.#dropCode(slot.userspaceAddr + offset, slot.userspaceAddr + end);
      at = slot.guestPhysAddr + end;
    }
  }

  #dropCode(start: number, end: number): void {
    const last = Math.floor((end - 1) / 0x1000);
    for (let page = Math.floor(start / 0x1000); page <= last; page++)
      for (const vcpu of this.vcpus) vcpu.code.invalidate(page);
  }
}

/** The whole memory for a guest of `maxMemory` bytes. */
function memoryBytes(maxMemory: number): number {
  const needed = GUARD + MAX_VCPUS * (VCPU_BYTES + WASM_PAGE) + maxMemory;
  const bytes = Math.ceil((needed + tablesBytes(needed)) / WASM_PAGE + 1) * WASM_PAGE;
  if (bytes > MAX_BYTES) throw new RangeError(`${maxMemory} bytes of guest memory do not fit in 4 GiB with the engine`);
  return bytes;
}
