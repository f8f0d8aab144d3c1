import { create } from "../../base/struct-layout.ts";
import { KvmError } from "../../kvm/errno.ts";
import { HostHeap } from "../../kvm/host-heap.ts";
import { bitmapWords } from "../../memory/dirty-log.ts";
import { MemorySlots } from "../../memory/memory-slot.ts";
import { SlotMemory } from "../../memory/slot-memory.ts";
import { KVM_CAP_NR_MEMSLOTS } from "../../spec/kvm/capability.ts";
import { EINVAL, ENOENT, ENOMEM } from "../../spec/kvm/errno.ts";
import {
  KVM_CHECK_EXTENSION,
  KVM_CLEAR_DIRTY_LOG,
  KVM_GET_DIRTY_LOG,
  KVM_SET_USER_MEMORY_REGION,
} from "../../spec/kvm/ioctl.ts";
import {
  type KvmUserspaceMemoryRegion,
  kvm_clear_dirty_log,
  kvm_dirty_log,
  kvm_userspace_memory_region,
} from "../../spec/kvm/vm-struct.ts";
import { MADV_DONTNEED } from "../../spec/linux.ts";
import type { KvmFd } from "./kvm-fd.ts";

const WASM_PAGE = 0x1_0000;
const MOST_WASM_PAGES = 0x1_0000;

/**
 * A VM's memory: one shared WebAssembly.Memory, as the wasm engine's. The kernel maps pieces of it into the guest, and
 * JavaScript and WebAssembly see the same bytes.
 */
export class VmMemory {
  readonly slots: MemorySlots;
  readonly guest: SlotMemory;
  /** Reading a dirty log leaves it. KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2. */
  manualDirtyLog = false;
  readonly #vm: KvmFd;
  readonly #heap: HostHeap;
  readonly #bytes: Uint8Array;
  /** Where the host has it. */
  readonly #base: number;

  /** `maxMemory`: the most bytes that `map` gives out in all. Throws KvmError ENOMEM. */
  constructor(vm: KvmFd, maxMemory: number) {
    const memory = sharedMemory(maxMemory);
    this.#vm = vm;
    this.#bytes = new Uint8Array(memory.buffer);
    this.#base = vm.ffi.address(this.#bytes);
    this.#heap = new HostHeap(memory, WASM_PAGE, this.#bytes.length);
    const most = vm.value("KVM_CHECK_EXTENSION", KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
    this.slots = new MemorySlots(memory, undefined, most);
    this.guest = new SlotMemory(this.slots);
  }

  get host(): HostHeap["memory"] {
    return this.#heap.memory;
  }

  map(length: number): number {
    return this.#heap.map(length);
  }

  unmap(userspaceAddr: number, length: number): void {
    if (this.slots.uses(userspaceAddr, length)) throw new KvmError("munmap", EINVAL, "a memory slot uses it");
    this.#heap.unmap(userspaceAddr, length);
  }

  /** KVM_SET_USER_MEMORY_REGION */
  setRegion(region: KvmUserspaceMemoryRegion): void {
    const end = region.userspace_addr_num + region.memory_size_num;
    if (!(end <= this.#bytes.length))
      throw new KvmError("KVM_SET_USER_MEMORY_REGION", EINVAL, "outside the VM's memory");
    const absolute = create(kvm_userspace_memory_region);
    absolute.bytes.set(region.bytes);
    absolute.userspace_addr_num = this.#base + region.userspace_addr_num;
    this.#vm.call("KVM_SET_USER_MEMORY_REGION", KVM_SET_USER_MEMORY_REGION, absolute.bytes);
    const errno = this.slots.set(region);
    if (errno !== 0) throw new KvmError("KVM_SET_USER_MEMORY_REGION", errno, "the kernel took it");
  }

  /** KVM_GET_DIRTY_LOG: the guest's writes by the kernel's log, and the host's by ours. */
  getDirtyLog(slot: number, bitmap: Uint8Array): void {
    const log = this.slots.get(slot)?.dirtyLog;
    const bytes = log ? bitmapWords(log.pages) * 4 : 0;
    if (bitmap.length < bytes) throw new KvmError("KVM_GET_DIRTY_LOG", EINVAL, "bitmap too short");
    const guest = new Uint8Array(Math.max(bytes, 8));
    const record = create(kvm_dirty_log, { slot, dirty_bitmap: this.#vm.ffi.address(guest) });
    this.#vm.call("KVM_GET_DIRTY_LOG", KVM_GET_DIRTY_LOG, record.bytes);
    if (!log) throw new KvmError("KVM_GET_DIRTY_LOG", ENOENT);
    if (this.manualDirtyLog) log.copy(bitmap);
    else log.take(bitmap);
    for (let at = 0; at < bytes; at++) bitmap[at]! |= guest[at]!;
  }

  /** KVM_CLEAR_DIRTY_LOG */
  clearDirtyLog(slot: number, firstPage: number, pages: number, bitmap: Uint8Array): void {
    if (bitmap.length * 8 < pages) throw new KvmError("KVM_CLEAR_DIRTY_LOG", EINVAL, "bitmap too short");
    const words = new Uint8Array(bitmapWords(pages) * 4);
    words.set(bitmap.subarray(0, Math.min(words.length, bitmap.length)));
    const record = create(kvm_clear_dirty_log, {
      slot,
      num_pages: pages,
      first_page: firstPage,
      dirty_bitmap: this.#vm.ffi.address(words),
    });
    this.#vm.call("KVM_CLEAR_DIRTY_LOG", KVM_CLEAR_DIRTY_LOG, record.bytes);
    this.slots.get(slot)?.dirtyLog?.clear(firstPage, pages, words, () => {});
  }

  /** Gives the pages back now; the address space goes with the last reference to the memory. */
  release(): void {
    this.#vm.ffi.madvise(this.#base, this.#bytes.length, MADV_DONTNEED);
  }
}

function sharedMemory(maxMemory: number): WebAssembly.Memory {
  const pages = Math.ceil(maxMemory / WASM_PAGE) + 1;
  if (!(pages <= MOST_WASM_PAGES)) throw new KvmError("KVM_CREATE_VM", ENOMEM, `${maxMemory} bytes in 4 GiB`);
  try {
    return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  } catch (error) {
    throw new KvmError("KVM_CREATE_VM", ENOMEM, error instanceof Error ? error.message : "");
  }
}
