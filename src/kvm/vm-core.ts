import type { Clock } from "../base/clock.ts";
import { create } from "../base/struct-layout.ts";
import { bitmapWords } from "../memory/dirty-log.ts";
import { MAX_MEMORY_SLOTS, MemorySlots } from "../memory/memory-slot.ts";
import { SlotMemory } from "../memory/slot-memory.ts";
import { KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_CAP_X86_USER_SPACE_MSR } from "../spec/kvm/capability.ts";
import { EBADF, EEXIST, EINVAL, ENOENT, ENXIO } from "../spec/kvm/errno.ts";
import {
  KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE,
  KVM_IRQCHIP_IOAPIC,
  type KvmClockData,
  type KvmCoalescedMmioZone,
  type KvmEnableCap,
  type KvmIoeventfd,
  type KvmIrqchip,
  type KvmIrqfd,
  type KvmIrqRouting,
  type KvmPitConfig,
  type KvmPitState2,
  type KvmUserspaceMemoryRegion,
  kvm_pit_state2,
} from "../spec/kvm/vm-struct.ts";
import { AbsentVmCalls } from "./absent-calls.ts";
import { VmClock } from "./clock.ts";
import { CoalescedZones } from "./coalesced-zones.ts";
import type { MsrFilter, Vm } from "./engine.ts";
import { KvmError } from "./errno.ts";
import { type EventFd, SharedEventFd } from "./eventfd.ts";
import type { HostHeap } from "./host-heap.ts";
import { IoeventfdTable } from "./ioeventfd.ts";
import { IRQ_SOURCE, type IrqchipModel, IrqLines } from "./irq-lines.ts";
import { IrqfdTable } from "./irqfd.ts";
import { MsrPolicy } from "./msr-policy.ts";
import type { Vcpu } from "./vcpu.ts";

/** An interval timer with KVM's state record. */
export interface PitModel {
  getState(into: KvmPitState2): void;
  setState(state: KvmPitState2): void;
}

/** What a software engine's VM stands on. */
export interface VmCoreParts {
  readonly heap: HostHeap;
  readonly clock: Clock;
  /** vCPU IDs are below it. */
  readonly maxVcpuId: number;
  /** KVM_CAP_NR_MEMSLOTS. */
  readonly maxMemorySlots?: number;
  /** Where kvmclock's offset is, if other threads are to see it. */
  readonly clockOffset?: Float64Array;
  /** Where dirty bitmaps come from; see MemorySlots. */
  readonly allocateBitmap?: (words: number) => Int32Array;
}

const FOUR_GIB = 0x1_0000_0000;

/**
 * The part of a VM that every software engine has alike: KVM's bookkeeping of memory slots, dirty logs, interrupt routes,
 * event bindings and clock, with its errors. An engine adds the processor, the chips and its capabilities.
 */
export abstract class VmCore<V extends Vcpu = Vcpu> extends AbsentVmCalls implements Vm {
  readonly hostMemory: HostHeap["memory"];
  readonly slots: MemorySlots;
  readonly memory: SlotMemory;
  readonly lines = new IrqLines();
  readonly ioeventfds = new IoeventfdTable();
  readonly msrPolicy = new MsrPolicy();
  readonly coalesced = new CoalescedZones();
  readonly irqfds = new IrqfdTable(this.lines);
  readonly clock: VmClock;
  /** In the order of their creation. */
  readonly vcpus: V[] = [];
  pit: PitModel | undefined;
  /** Reading a dirty log leaves it; KVM_CLEAR_DIRTY_LOG clears. KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
  protected manualDirtyLog = false;
  tssAddr = 0;
  identityMapAddr = 0;
  readonly #parts: VmCoreParts;

  constructor(parts: VmCoreParts) {
    super();
    this.#parts = parts;
    this.hostMemory = parts.heap.memory;
    this.slots = new MemorySlots(this.hostMemory, parts.allocateBitmap, parts.maxMemorySlots);
    this.memory = new SlotMemory(this.slots);
    this.clock = new VmClock(parts.clock, parts.clockOffset);
    this.lines.onAcked = (gsi) => this.irqfds.acked(gsi);
  }

  abstract checkExtension(cap: number): number;
  protected abstract newVcpu(id: number): V;
  protected abstract newIrqchip(): IrqchipModel;
  /** Its output is GSI 0: `lines.set(IRQ_SOURCE.PIT, 0, level)`. `flags` are those of kvm_pit_config. */
  protected abstract newPit(flags: number): PitModel;

  enableCap({ cap, flags, args }: KvmEnableCap): void {
    check("KVM_ENABLE_CAP", flags === 0 ? this.#enable(cap, args.num(0)) : EINVAL);
    this.msrPolicyChanged();
  }

  #enable(cap: number, value: number): number {
    if (cap === KVM_CAP_X86_USER_SPACE_MSR) return this.msrPolicy.setReasons(value);
    if (cap !== KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 || value > KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE) return EINVAL;
    this.manualDirtyLog = value !== 0;
    return 0;
  }

  setMsrFilter(filter: MsrFilter): void {
    check("KVM_X86_SET_MSR_FILTER", this.msrPolicy.setFilter(filter));
    this.msrPolicyChanged();
  }

  /** vCPUs are to look at `msrPolicy` again. */
  protected msrPolicyChanged(): void {}

  mmap(length: number): number {
    return this.#parts.heap.map(length);
  }

  munmap(userspaceAddr: number, length: number): void {
    if (this.slots.uses(userspaceAddr, length)) throw new KvmError("munmap", EINVAL, "a memory slot uses it");
    this.#parts.heap.unmap(userspaceAddr, length);
  }

  setUserMemoryRegion(region: KvmUserspaceMemoryRegion): void {
    check("KVM_SET_USER_MEMORY_REGION", this.slots.set(region));
  }

  getDirtyLog(slot: number, bitmap: Uint8Array): void {
    if (slot >= MAX_MEMORY_SLOTS) throw new KvmError("KVM_GET_DIRTY_LOG", EINVAL);
    const log = this.slots.get(slot)?.dirtyLog;
    if (!log) throw new KvmError("KVM_GET_DIRTY_LOG", ENOENT);
    if (bitmap.length < bitmapWords(log.pages) * 4) throw new KvmError("KVM_GET_DIRTY_LOG", EINVAL, "bitmap too short");
    if (this.manualDirtyLog) log.copy(bitmap);
    else log.take(bitmap);
  }

  clearDirtyLog(slot: number, firstPage: number, pages: number, bitmap: Uint8Array): void {
    this.clearDirtyPages(slot, firstPage, pages, bitmap, () => {});
  }

  /** KVM_CLEAR_DIRTY_LOG that tells the pages which were dirty. */
  protected clearDirtyPages(
    slot: number,
    firstPage: number,
    pages: number,
    bitmap: Uint8Array,
    cleared: (page: number) => void,
  ): void {
    if (slot >= MAX_MEMORY_SLOTS || firstPage % 64 !== 0) throw new KvmError("KVM_CLEAR_DIRTY_LOG", EINVAL);
    const log = this.slots.get(slot)?.dirtyLog;
    if (!log) throw new KvmError("KVM_CLEAR_DIRTY_LOG", ENOENT);
    const rest = log.pages - firstPage;
    if (pages > rest || (pages < rest && pages % 64 !== 0) || bitmap.length * 8 < pages)
      throw new KvmError("KVM_CLEAR_DIRTY_LOG", EINVAL);
    log.clear(firstPage, pages, bitmap, cleared);
  }

  registerCoalescedMmio(zone: KvmCoalescedMmioZone): void {
    check("KVM_REGISTER_COALESCED_MMIO", this.coalesced.add(zone));
  }

  unregisterCoalescedMmio(zone: KvmCoalescedMmioZone): void {
    check("KVM_UNREGISTER_COALESCED_MMIO", this.coalesced.remove(zone));
  }

  createVcpu(id: number): V {
    if (!Number.isInteger(id) || id < 0 || id >= this.#parts.maxVcpuId) throw new KvmError("KVM_CREATE_VCPU", EINVAL);
    if (this.vcpus.some((vcpu) => vcpu.id === id)) throw new KvmError("KVM_CREATE_VCPU", EEXIST);
    const vcpu = this.newVcpu(id);
    this.vcpus.push(vcpu);
    return vcpu;
  }

  createIrqchip(): void {
    if (this.lines.irqchip) throw new KvmError("KVM_CREATE_IRQCHIP", EEXIST);
    if (this.vcpus.length > 0) throw new KvmError("KVM_CREATE_IRQCHIP", EINVAL, "a vCPU exists");
    this.lines.irqchip = this.newIrqchip();
  }

  createPit2(config: KvmPitConfig): void {
    if (this.pit) throw new KvmError("KVM_CREATE_PIT2", EEXIST);
    if (!this.lines.irqchip) throw new KvmError("KVM_CREATE_PIT2", ENOENT, "no irqchip");
    this.pit = this.newPit(config.flags);
  }

  irqLine(gsi: number, level: number): void {
    if (!this.lines.irqchip) throw new KvmError("KVM_IRQ_LINE", ENXIO);
    this.lines.set(IRQ_SOURCE.USERSPACE, gsi, level);
  }

  setGsiRouting(routing: KvmIrqRouting): void {
    if (!this.lines.irqchip) throw new KvmError("KVM_SET_GSI_ROUTING", EINVAL, "no irqchip");
    check("KVM_SET_GSI_ROUTING", this.lines.routing.set(routing));
  }

  signalMsi(addressLo: number, addressHi: number, data: number): boolean {
    if (!this.lines.irqchip) throw new KvmError("KVM_SIGNAL_MSI", EINVAL);
    return this.lines.irqchip.deliverMsi(addressLo, addressHi, data);
  }

  ioeventfd(args: KvmIoeventfd, event: EventFd): void {
    check("KVM_IOEVENTFD", this.ioeventfds.set(args, sharedEvent("KVM_IOEVENTFD", event)));
  }

  irqfd(args: KvmIrqfd, event: EventFd, resample?: EventFd): void {
    if (!this.lines.irqchip) throw new KvmError("KVM_IRQFD", EINVAL, "no irqchip");
    const shared = [event, resample].map((each) => each && sharedEvent("KVM_IRQFD", each));
    check("KVM_IRQFD", this.irqfds.set(args, shared[0]!, shared[1]));
  }

  getIrqchip(chip: KvmIrqchip): KvmIrqchip {
    this.#irqchip("KVM_GET_IRQCHIP", chip).getState(chip);
    return chip;
  }

  setIrqchip(chip: KvmIrqchip): void {
    this.#irqchip("KVM_SET_IRQCHIP", chip).setState(chip);
  }

  getPit2(into: KvmPitState2 = create(kvm_pit_state2)): KvmPitState2 {
    if (!this.pit) throw new KvmError("KVM_GET_PIT2", ENXIO);
    this.pit.getState(into);
    return into;
  }

  setPit2(state: KvmPitState2): void {
    if (!this.pit) throw new KvmError("KVM_SET_PIT2", ENXIO);
    this.pit.setState(state);
  }

  getClock(into?: KvmClockData): KvmClockData {
    return this.clock.getData(into);
  }

  setClock(clock: KvmClockData): void {
    check("KVM_SET_CLOCK", this.clock.setData(clock));
  }

  setTssAddr(address: number): void {
    if (!(address >= 0 && address <= FOUR_GIB - 0x3000)) throw new KvmError("KVM_SET_TSS_ADDR", EINVAL);
    this.tssAddr = address;
  }

  setIdentityMapAddr(address: number): void {
    if (this.vcpus.length > 0) throw new KvmError("KVM_SET_IDENTITY_MAP_ADDR", EINVAL, "a vCPU exists");
    this.identityMapAddr = address;
  }

  close(): void {
    for (const vcpu of this.vcpus.splice(0)) vcpu.close();
    this.ioeventfds.clear();
    this.irqfds.clear();
  }

  #irqchip(ioctl: string, chip: KvmIrqchip): IrqchipModel {
    if (!this.lines.irqchip) throw new KvmError(ioctl, ENXIO);
    if (chip.chip_id > KVM_IRQCHIP_IOAPIC) throw new KvmError(ioctl, EINVAL, `chip ${chip.chip_id}`);
    return this.lines.irqchip;
  }
}

function sharedEvent(ioctl: string, event: EventFd): SharedEventFd {
  if (!(event instanceof SharedEventFd)) throw new KvmError(ioctl, EBADF, "an eventfd of another engine");
  return event;
}

function check(ioctl: string, errno: number): void {
  if (errno !== 0) throw new KvmError(ioctl, errno);
}
