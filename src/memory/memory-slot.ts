import { EventSource } from "../base/event.ts";
import { IntervalMap } from "../base/interval-map.ts";
import { EEXIST, EINVAL } from "../spec/kvm/errno.ts";
import { KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_READONLY, type KvmUserspaceMemoryRegion } from "../spec/kvm/vm-struct.ts";
import { bitmapWords, DirtyLog, PAGE_SIZE } from "./dirty-log.ts";

/** The memory that slots are pieces of: a WebAssembly.Memory, or for tests any buffer. */
export interface HostMemory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
}

/** A piece of guest-physical memory; all sizes and addresses in bytes. */
export interface MemorySlot {
  readonly slot: number;
  readonly flags: number;
  readonly guestPhysAddr: number;
  readonly memorySize: number;
  /** Offset in the host memory. */
  readonly userspaceAddr: number;
  /** With KVM_MEM_LOG_DIRTY_PAGES. */
  readonly dirtyLog: DirtyLog | undefined;
}

/** How many slots there may be unless an engine has fewer. KVM_CAP_NR_MEMSLOTS. */
export const MAX_MEMORY_SLOTS = 509;
const VALID_FLAGS = KVM_MEM_LOG_DIRTY_PAGES | KVM_MEM_READONLY;

/** The table of slots with KVM_SET_USER_MEMORY_REGION's rules. */
export class MemorySlots {
  readonly host: HostMemory;
  /** Emitted after every change of the table. */
  readonly changed = new EventSource<MemorySlots>();
  /** Slot numbers are below it. */
  readonly #most: number;
  readonly #allocateBitmap: (words: number) => Int32Array;
  readonly #byNumber = new Map<number, MemorySlot>();
  readonly #byAddress = new IntervalMap<MemorySlot>();

  /** `allocateBitmap` gives the zeroed words of a dirty bitmap: by default shared memory of its own. */
  constructor(host: HostMemory, allocateBitmap = allocateShared, most = MAX_MEMORY_SLOTS) {
    this.host = host;
    this.#most = most;
    this.#allocateBitmap = allocateBitmap;
  }

  /** In ascending order of guest-physical address. */
  get all(): readonly MemorySlot[] {
    return this.#byAddress.intervals.map((interval) => interval.value);
  }

  get(slot: number): MemorySlot | undefined {
    return this.#byNumber.get(slot);
  }

  /** The slot that holds this byte. */
  find(gpa: number): MemorySlot | undefined {
    return this.#byAddress.find(gpa)?.value;
  }

  /**
   * Creates, moves, changes or (memory_size 0) deletes a slot. Returns 0, or and then nothing has changed: EINVAL (slot
   * number, flags, alignment, range, deleting what is not there, another size, host address or READONLY for a slot that
   * exists), EEXIST (overlap).
   */
  set(region: KvmUserspaceMemoryRegion): number {
    const old = this.#byNumber.get(region.slot);
    if (region.slot >= this.#most || !isValidRegion(region)) return EINVAL;
    if (region.memory_size_num === 0) return this.#delete(old);
    if (region.userspace_addr_num + region.memory_size_num > this.host.buffer.byteLength) return EINVAL;
    if (old && !isAllowedChange(region, old)) return EINVAL;
    if (this.#overlaps(region, old)) return EEXIST;
    this.#replace(region, old);
    return 0;
  }

  /** Whether a slot has any of these bytes of the host memory. */
  uses(userspaceAddr: number, length: number): boolean {
    return this.all.some(
      (slot) => slot.userspaceAddr < userspaceAddr + length && userspaceAddr < slot.userspaceAddr + slot.memorySize,
    );
  }

  #overlaps(region: KvmUserspaceMemoryRegion, old: MemorySlot | undefined): boolean {
    if (old) this.#byAddress.remove(old.guestPhysAddr);
    const overlaps = this.#byAddress.overlaps(region.guest_phys_addr_num, region.memory_size_num);
    if (old) this.#byAddress.insert(old.guestPhysAddr, old.memorySize, old);
    return overlaps;
  }

  #delete(old: MemorySlot | undefined): number {
    if (!old) return EINVAL;
    this.#byNumber.delete(old.slot);
    this.#byAddress.remove(old.guestPhysAddr);
    this.changed.emit(this);
    return 0;
  }

  #replace(region: KvmUserspaceMemoryRegion, old: MemorySlot | undefined): void {
    const slot: MemorySlot = {
      slot: region.slot,
      flags: region.flags,
      guestPhysAddr: region.guest_phys_addr_num,
      memorySize: region.memory_size_num,
      userspaceAddr: region.userspace_addr_num,
      dirtyLog: this.#dirtyLog(region, old),
    };
    if (old) this.#byAddress.remove(old.guestPhysAddr);
    this.#byNumber.set(slot.slot, slot);
    this.#byAddress.insert(slot.guestPhysAddr, slot.memorySize, slot);
    this.changed.emit(this);
  }

  #dirtyLog(region: KvmUserspaceMemoryRegion, old: MemorySlot | undefined): DirtyLog | undefined {
    if (!(region.flags & KVM_MEM_LOG_DIRTY_PAGES)) return undefined;
    if (old?.dirtyLog) return old.dirtyLog;
    const pages = region.memory_size_num / PAGE_SIZE;
    return new DirtyLog(pages, this.#allocateBitmap(bitmapWords(pages)));
  }
}

function allocateShared(words: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(words * 4));
}

function isValidRegion(region: KvmUserspaceMemoryRegion): boolean {
  if (region.flags & ~VALID_FLAGS) return false;
  const places = [region.guest_phys_addr_num, region.memory_size_num, region.userspace_addr_num];
  if (!places.every((value) => Number.isSafeInteger(value) && value % PAGE_SIZE === 0)) return false;
  return Number.isSafeInteger(region.guest_phys_addr_num + region.memory_size_num);
}

/** A slot may move in the guest and change LOG_DIRTY_PAGES; for anything else it is deleted and made anew. */
function isAllowedChange(region: KvmUserspaceMemoryRegion, old: MemorySlot): boolean {
  return (
    region.memory_size_num === old.memorySize &&
    region.userspace_addr_num === old.userspaceAddr &&
    ((region.flags ^ old.flags) & KVM_MEM_READONLY) === 0
  );
}
