import type { GuestMemory } from "../memory/guest-memory.ts";
import type { HostMemory } from "../memory/memory-slot.ts";
import type { KvmCpuid2, KvmMsrs } from "../spec/kvm/vcpu-struct.ts";
import type {
  KvmClockData,
  KvmCoalescedMmioZone,
  KvmEnableCap,
  KvmIoeventfd,
  KvmIrqchip,
  KvmIrqfd,
  KvmIrqRouting,
  KvmPitConfig,
  KvmPitState2,
  KvmUserspaceMemoryRegion,
} from "../spec/kvm/vm-struct.ts";
import type { EventFd } from "./eventfd.ts";
import type { Vcpu } from "./vcpu.ts";

/*
 * KVM's API. A method is an ioctl in camelCase; the doc comment names its constant, and the kernel's
 * Documentation/virt/kvm/api.rst is its specification. Records are views of bytes in KVM's own layout (spec/kvm), so
 * every engine takes the same; make one with `create(layout, {...})`. A call that fails throws KvmError with the errno
 * that KVM would give. What an engine cannot do is an absent capability (`checkExtension` gives 0), and its call
 * throws KvmError ENOTTY, as an unknown ioctl does.
 */

/** What /dev/kvm is: it answers questions and makes VMs. */
export interface Engine {
  /** How a user names it: "wasm", "host". */
  readonly name: string;
  /** KVM_GET_API_VERSION: 12. */
  getApiVersion(): number;
  /** KVM_CHECK_EXTENSION of a KVM_CAP_ number: 0 if absent, else 1 or what the capability counts. */
  checkExtension(cap: number): number;
  /** KVM_GET_VCPU_MMAP_SIZE: bytes of `Vcpu.kvmRun`. */
  getVcpuMmapSize(): number;
  /** KVM_GET_SUPPORTED_CPUID: what may be given to `Vcpu.setCpuid2`. */
  getSupportedCpuid(): KvmCpuid2;
  /** KVM_GET_MSR_INDEX_LIST: the MSRs to save and restore. */
  getMsrIndexList(): Uint32Array;
  /** KVM_GET_MSR_FEATURE_INDEX_LIST: the MSRs that describe what the engine can do. */
  getMsrFeatureIndexList(): Uint32Array;
  /** KVM_GET_MSRS on /dev/kvm, of those: how many were read before one that is no such MSR. */
  getMsrs(msrs: KvmMsrs): number;
  /** An eventfd(2) for `Vm.ioeventfd` and `Vm.irqfd`. */
  createEventFd(): EventFd;
  /** KVM_CREATE_VM */
  createVm(options?: CreateVmOptions): Vm;
}

export interface CreateVmOptions {
  /** KVM_CREATE_VM's machine type; x86 has only 0. */
  readonly type?: number;
  /** The most bytes that `Vm.mmap` will be asked for in all; the engine may reserve address space for them. Default 1 GiB. */
  readonly maxMemory?: number;
}

/** KVM_X86_SET_MSR_FILTER's argument: a bit for each MSR, set if the guest may do what `flags` say. */
export interface MsrFilter {
  /** KVM_MSR_FILTER_DEFAULT_ for MSRs in no range. */
  readonly flags: number;
  readonly ranges: readonly {
    /** KVM_MSR_FILTER_READ, KVM_MSR_FILTER_WRITE. */
    readonly flags: number;
    readonly base: number;
    /** How many MSRs. */
    readonly nmsrs: number;
    readonly bitmap: Uint8Array;
  }[];
}

/** A VM. The irqchip, if there is to be one, is created before the first vCPU. */
export interface Vm {
  /** KVM_CHECK_EXTENSION on the VM. */
  checkExtension(cap: number): number;
  /** KVM_ENABLE_CAP on the VM. Errors: EINVAL if there is no such capability to enable. */
  enableCap(cap: KvmEnableCap): void;

  /** The memory that `userspace_addr` is an offset into. */
  readonly hostMemory: HostMemory;
  /**
   * The part of mmap(MAP_ANONYMOUS): `length` bytes of zeros in `hostMemory`, for a memory slot. Returns their offset, a
   * multiple of the page size. Errors: ENOMEM.
   */
  mmap(length: number): number;
  /** Gives back what `mmap` gave. Errors: EINVAL if a memory slot uses it. */
  munmap(userspaceAddr: number, length: number): void;
  /** KVM_SET_USER_MEMORY_REGION. Errors: EINVAL (alignment, flags, size change, outside `hostMemory`), EEXIST (overlap). */
  setUserMemoryRegion(region: KvmUserspaceMemoryRegion): void;
  /** KVM_GET_DIRTY_LOG: fills one bit a page, 64-bit words, and clears the log. Errors: ENOENT, EINVAL (bitmap too short). */
  getDirtyLog(slot: number, bitmap: Uint8Array): void;
  /**
   * KVM_CLEAR_DIRTY_LOG: clears the pages from `firstPage` on whose bit in `bitmap` is set, once reading the log clears none
   * any more (KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2). Errors: ENOENT, EINVAL.
   */
  clearDirtyLog(slot: number, firstPage: number, pages: number, bitmap: Uint8Array): void;
  /** KVM_RESET_DIRTY_RINGS: lets go of the entries that were harvested; returns how many. */
  resetDirtyRings(): number;
  /** The guest's physical memory, as the host's devices access it. */
  readonly memory: GuestMemory;

  /** KVM_CREATE_VCPU; `id` is its APIC ID. Errors: EEXIST, EINVAL (beyond KVM_CAP_MAX_VCPU_ID). */
  createVcpu(id: number): Vcpu;
  /** KVM_CREATE_IRQCHIP: two 8259A, an I/O APIC, a local APIC in every vCPU. Errors: EEXIST, EINVAL (a vCPU exists). */
  createIrqchip(): void;
  /** KVM_CREATE_PIT2. Errors: EEXIST, ENOENT (no irqchip). */
  createPit2(config: KvmPitConfig): void;

  /** KVM_IRQ_LINE: sets the input line `gsi` to `level` (0 or 1). Errors: ENXIO (no irqchip). Makes no garbage. */
  irqLine(gsi: number, level: number): void;
  /** KVM_SET_GSI_ROUTING: replaces the whole table. Errors: EINVAL. */
  setGsiRouting(routing: KvmIrqRouting): void;
  /** KVM_SIGNAL_MSI with the three fields that count; true if a vCPU took it. Errors: EINVAL. Makes no garbage. */
  signalMsi(addressLo: number, addressHi: number, data: number): boolean;
  /**
   * KVM_IOEVENTFD: guest writes to an address signal `event` instead of leaving `run`. `event` stands for `fd`.
   * Errors: EINVAL, EEXIST, ENOENT (deassign).
   */
  ioeventfd(args: KvmIoeventfd, event: EventFd): void;
  /** KVM_IRQFD: a signal of `event` raises a GSI; `event` and `resample` stand for `fd` and `resamplefd`. Errors: EINVAL, EBUSY. */
  irqfd(args: KvmIrqfd, event: EventFd, resample?: EventFd): void;

  /** KVM_REGISTER_COALESCED_MMIO: writes to the zone wait in the vCPU's ring (`CoalescedRing`) until the next exit. */
  registerCoalescedMmio(zone: KvmCoalescedMmioZone): void;
  /** KVM_UNREGISTER_COALESCED_MMIO */
  unregisterCoalescedMmio(zone: KvmCoalescedMmioZone): void;
  /** KVM_X86_SET_MSR_FILTER. Errors: EINVAL. */
  setMsrFilter(filter: MsrFilter): void;
  /** KVM_REINJECT_CONTROL: whether the PIT makes up for ticks that the guest missed. Errors: ENXIO (no PIT). */
  reinjectControl(reinject: boolean): void;

  /** KVM_GET_IRQCHIP of the chip that `chip.chip_id` names; fills and returns `chip`. Errors: ENXIO, EINVAL. */
  getIrqchip(chip: KvmIrqchip): KvmIrqchip;
  /** KVM_SET_IRQCHIP */
  setIrqchip(chip: KvmIrqchip): void;
  /** KVM_GET_PIT2. Errors: ENXIO (no PIT). */
  getPit2(into?: KvmPitState2): KvmPitState2;
  /** KVM_SET_PIT2 */
  setPit2(state: KvmPitState2): void;
  /** KVM_GET_CLOCK */
  getClock(into?: KvmClockData): KvmClockData;
  /** KVM_SET_CLOCK */
  setClock(clock: KvmClockData): void;

  /** KVM_SET_TSS_ADDR: three pages the engine may use below 4 GiB. Errors: EINVAL. */
  setTssAddr(address: number): void;
  /** KVM_SET_IDENTITY_MAP_ADDR: one page the engine may use below 4 GiB; 0 is the default. Errors: EINVAL (a vCPU exists). */
  setIdentityMapAddr(address: number): void;
  /** Ends the VM: its vCPUs, eventfd bindings and memory. */
  close(): void;
}
