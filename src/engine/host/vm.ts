import { create } from "../../base/struct-layout.ts";
import type { MsrFilter, Vm } from "../../kvm/engine.ts";
import { KvmError } from "../../kvm/errno.ts";
import type { EventFd } from "../../kvm/eventfd.ts";
import type { GuestMemory } from "../../memory/guest-memory.ts";
import type { HostMemory } from "../../memory/memory-slot.ts";
import {
  KVM_CAP_DIRTY_LOG_RING,
  KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
  KVM_CAP_NESTED_STATE,
  KVM_CAP_XSAVE2,
} from "../../spec/kvm/capability.ts";
import { EPERM } from "../../spec/kvm/errno.ts";
import * as IOCTL from "../../spec/kvm/ioctl.ts";
import {
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
  kvm_clock_data,
  kvm_ioeventfd,
  kvm_irq_level,
  kvm_irqfd,
  kvm_msi,
  kvm_msr_filter,
  kvm_pit_state2,
  kvm_reinject_control,
} from "../../spec/kvm/vm-struct.ts";
import { descriptorOf } from "./event-fd.ts";
import { KvmFd } from "./kvm-fd.ts";
import { HostVcpu } from "./vcpu.ts";
import { VmMemory } from "./vm-memory.ts";

/** A VM of the host's KVM. */
export class HostVm implements Vm {
  readonly memory: GuestMemory;
  readonly #fd: KvmFd;
  readonly #mmapSize: number;
  readonly #memory: VmMemory;
  /** In the order of their creation. */
  readonly vcpus: HostVcpu[] = [];
  #dirtyRingSize = 0;
  #closed = false;
  readonly #irqLevel = create(kvm_irq_level);
  readonly #msi = create(kvm_msi);

  /** Takes the descriptor over. `mmapSize`: KVM_GET_VCPU_MMAP_SIZE. Throws KvmError ENOMEM. */
  constructor(fd: KvmFd, mmapSize: number, maxMemory: number) {
    this.#fd = fd;
    this.#mmapSize = mmapSize;
    this.#memory = new VmMemory(fd, maxMemory);
    this.memory = this.#memory.guest;
  }

  get hostMemory(): HostMemory {
    return this.#memory.host;
  }

  checkExtension(cap: number): number {
    return this.#fd.value("KVM_CHECK_EXTENSION", IOCTL.KVM_CHECK_EXTENSION, cap);
  }

  enableCap(cap: KvmEnableCap): void {
    this.#fd.call("KVM_ENABLE_CAP", IOCTL.KVM_ENABLE_CAP, cap.bytes);
    if (cap.cap === KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2) this.#memory.manualDirtyLog = cap.args.num(0) !== 0;
    if (cap.cap === KVM_CAP_DIRTY_LOG_RING) this.#dirtyRingSize = cap.args.num(0);
  }

  mmap(length: number): number {
    return this.#memory.map(length);
  }

  munmap(userspaceAddr: number, length: number): void {
    this.#memory.unmap(userspaceAddr, length);
  }

  setUserMemoryRegion(region: KvmUserspaceMemoryRegion): void {
    this.#memory.setRegion(region);
  }

  getDirtyLog(slot: number, bitmap: Uint8Array): void {
    this.#memory.getDirtyLog(slot, bitmap);
  }

  clearDirtyLog(slot: number, firstPage: number, pages: number, bitmap: Uint8Array): void {
    this.#memory.clearDirtyLog(slot, firstPage, pages, bitmap);
  }

  resetDirtyRings(): number {
    return this.#fd.value("KVM_RESET_DIRTY_RINGS", IOCTL.KVM_RESET_DIRTY_RINGS);
  }

  createVcpu(id: number): HostVcpu {
    const fd = new KvmFd(this.#fd.ffi, this.#fd.value("KVM_CREATE_VCPU", IOCTL.KVM_CREATE_VCPU, id));
    const vcpu = new HostVcpu(fd, id, {
      mmapSize: this.#mmapSize,
      dirtyRingSize: this.#dirtyRingSize,
      xsaveSize: this.checkExtension(KVM_CAP_XSAVE2),
      nestedStateSize: this.checkExtension(KVM_CAP_NESTED_STATE),
    });
    this.vcpus.push(vcpu);
    return vcpu;
  }

  createIrqchip(): void {
    this.#fd.value("KVM_CREATE_IRQCHIP", IOCTL.KVM_CREATE_IRQCHIP);
  }

  createPit2(config: KvmPitConfig): void {
    this.#fd.call("KVM_CREATE_PIT2", IOCTL.KVM_CREATE_PIT2, config.bytes);
  }

  irqLine(gsi: number, level: number): void {
    this.#irqLevel.irq = gsi;
    this.#irqLevel.level = level;
    this.#fd.call("KVM_IRQ_LINE", IOCTL.KVM_IRQ_LINE, this.#irqLevel.bytes);
  }

  setGsiRouting(routing: KvmIrqRouting): void {
    this.#fd.call("KVM_SET_GSI_ROUTING", IOCTL.KVM_SET_GSI_ROUTING, routing.bytes);
  }

  signalMsi(addressLo: number, addressHi: number, data: number): boolean {
    this.#msi.address_lo = addressLo;
    this.#msi.address_hi = addressHi;
    this.#msi.data = data;
    const result = this.#fd.ffi.ioctl(this.#fd.fd, IOCTL.KVM_SIGNAL_MSI, this.#msi.bytes);
    // nobody has that address: the kernel's own -1 reads as EPERM
    if (result < 0 && result !== -EPERM) throw new KvmError("KVM_SIGNAL_MSI", -result);
    return result > 0;
  }

  ioeventfd(args: KvmIoeventfd, event: EventFd): void {
    const record = create(kvm_ioeventfd);
    record.bytes.set(args.bytes);
    record.fd = descriptorOf("KVM_IOEVENTFD", event);
    this.#fd.call("KVM_IOEVENTFD", IOCTL.KVM_IOEVENTFD, record.bytes);
  }

  irqfd(args: KvmIrqfd, event: EventFd, resample?: EventFd): void {
    const record = create(kvm_irqfd);
    record.bytes.set(args.bytes);
    record.fd = descriptorOf("KVM_IRQFD", event);
    record.resamplefd = resample ? descriptorOf("KVM_IRQFD", resample) : 0;
    this.#fd.call("KVM_IRQFD", IOCTL.KVM_IRQFD, record.bytes);
  }

  registerCoalescedMmio(zone: KvmCoalescedMmioZone): void {
    this.#fd.call("KVM_REGISTER_COALESCED_MMIO", IOCTL.KVM_REGISTER_COALESCED_MMIO, zone.bytes);
  }

  unregisterCoalescedMmio(zone: KvmCoalescedMmioZone): void {
    this.#fd.call("KVM_UNREGISTER_COALESCED_MMIO", IOCTL.KVM_UNREGISTER_COALESCED_MMIO, zone.bytes);
  }

  setMsrFilter({ flags, ranges }: MsrFilter): void {
    const bitmaps = ranges.map(({ bitmap }) => Uint8Array.from(bitmap));
    for (const [n, { nmsrs }] of ranges.entries())
      if (bitmaps[n]!.length * 8 < nmsrs) throw new RangeError(`${bitmaps[n]!.length} bytes for ${nmsrs} MSRs`);
    const filter = create(kvm_msr_filter, {
      flags,
      ranges: ranges.map((range, n) => ({
        flags: range.flags,
        base: range.base,
        nmsrs: range.nmsrs,
        bitmap: this.#fd.ffi.address(bitmaps[n]!),
      })),
    });
    this.#fd.call("KVM_X86_SET_MSR_FILTER", IOCTL.KVM_X86_SET_MSR_FILTER, filter.bytes);
  }

  reinjectControl(reinject: boolean): void {
    const control = create(kvm_reinject_control, { pit_reinject: reinject ? 1 : 0 });
    this.#fd.call("KVM_REINJECT_CONTROL", IOCTL.KVM_REINJECT_CONTROL, control.bytes);
  }

  getIrqchip(chip: KvmIrqchip): KvmIrqchip {
    this.#fd.call("KVM_GET_IRQCHIP", IOCTL.KVM_GET_IRQCHIP, chip.bytes);
    return chip;
  }

  setIrqchip(chip: KvmIrqchip): void {
    this.#fd.call("KVM_SET_IRQCHIP", IOCTL.KVM_SET_IRQCHIP, chip.bytes);
  }

  getPit2(into: KvmPitState2 = create(kvm_pit_state2)): KvmPitState2 {
    this.#fd.call("KVM_GET_PIT2", IOCTL.KVM_GET_PIT2, into.bytes);
    return into;
  }

  setPit2(state: KvmPitState2): void {
    this.#fd.call("KVM_SET_PIT2", IOCTL.KVM_SET_PIT2, state.bytes);
  }

  getClock(into: KvmClockData = create(kvm_clock_data)): KvmClockData {
    this.#fd.call("KVM_GET_CLOCK", IOCTL.KVM_GET_CLOCK, into.bytes);
    return into;
  }

  setClock(clock: KvmClockData): void {
    this.#fd.call("KVM_SET_CLOCK", IOCTL.KVM_SET_CLOCK, clock.bytes);
  }

  setTssAddr(address: number): void {
    this.#fd.value("KVM_SET_TSS_ADDR", IOCTL.KVM_SET_TSS_ADDR, address);
  }

  setIdentityMapAddr(address: number): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setUint32(0, address, true);
    this.#fd.call("KVM_SET_IDENTITY_MAP_ADDR", IOCTL.KVM_SET_IDENTITY_MAP_ADDR, bytes);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const vcpu of this.vcpus.splice(0)) vcpu.close();
    this.#fd.close();
    this.#memory.release();
  }
}
