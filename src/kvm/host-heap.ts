import type { HostMemory } from "../memory/memory-slot.ts";
import { PageAllocator } from "../memory/page-allocator.ts";
import { EINVAL, ENOMEM } from "../spec/kvm/errno.ts";
import { KvmError } from "./errno.ts";

/** A WebAssembly.Memory: its size grows in pages of 64 KiB. */
export interface GrowableMemory extends HostMemory {
  grow(pages: number): number;
}

const WASM_PAGE = 0x1_0000;

/** The part of mmap and munmap: zeroed pages of a WebAssembly.Memory above what an engine keeps for itself. */
export class HostHeap {
  readonly memory: GrowableMemory;
  readonly #allocator: PageAllocator;
  /** Bytes from here on have never been given out, so they are zero. */
  #untouched: number;

  /** Gives out the bytes from `start` to `end`; the memory must be able to grow to `end`. */
  constructor(memory: GrowableMemory, start: number, end: number) {
    this.memory = memory;
    this.#allocator = new PageAllocator(start, end);
    this.#untouched = start;
  }

  /** Returns the offset of `length` zero bytes. Throws KvmError ENOMEM. */
  map(length: number): number {
    const at = this.#allocator.allocate(length);
    if (at < 0) throw new KvmError("mmap", ENOMEM, `${length} bytes`);
    if (!this.#grow(at + length)) {
      this.#allocator.free(at, length);
      throw new KvmError("mmap", ENOMEM, `the host has no ${length} bytes`);
    }
    if (at < this.#untouched) new Uint8Array(this.memory.buffer, at, Math.min(length, this.#untouched - at)).fill(0);
    this.#untouched = Math.max(this.#untouched, at + length);
    return at;
  }

  /** Gives back what `map(length)` gave. Throws KvmError EINVAL. */
  unmap(at: number, length: number): void {
    if (!this.#allocator.free(at, length)) throw new KvmError("munmap", EINVAL);
  }

  #grow(end: number): boolean {
    const missing = end - this.memory.buffer.byteLength;
    if (missing <= 0) return true;
    try {
      this.memory.grow(Math.ceil(missing / WASM_PAGE));
      return true;
    } catch {
      return false;
    }
  }
}
