import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  PROT_READ,
  PROT_WRITE,
} from "../../spec/linux.ts";
import type { Ffi } from "./ffi.ts";
import { checked, type KvmFd } from "./kvm-fd.ts";

const READ_WRITE = PROT_READ | PROT_WRITE;

/**
 * Addresses by length that no view of this thread shows any more. They are used again and never unmapped, so that a late
 * kick from another thread finds a page, whosever it is.
 */
const spare = new Map<number, number[]>();
const collected = new FinalizationRegistry<{ address: number; length: number }>(({ address, length }) => {
  spare.set(length, [...(spare.get(length) ?? []), address]);
});

/** Memory that the kernel shares with us by a vCPU's descriptor. */
export class Mapping {
  readonly bytes: Uint8Array;
  readonly address: number;
  readonly #ffi: Ffi;
  readonly #own: boolean;

  /** `own`: whether `release` is this object's to do. */
  private constructor(ffi: Ffi, address: number, length: number, own: boolean) {
    this.#ffi = ffi;
    this.address = address;
    this.bytes = ffi.view(address, length);
    this.#own = own;
  }

  /** Maps `length` bytes of a vCPU. Throws KvmError. */
  static of(vcpu: KvmFd, length: number, offset = 0): Mapping {
    const again = spare.get(length)?.pop();
    const flags = again === undefined ? MAP_SHARED : MAP_SHARED | MAP_FIXED;
    const address = checked("mmap", vcpu.ffi.mmap(again ?? 0, length, READ_WRITE, flags, vcpu.fd, offset));
    return new Mapping(vcpu.ffi, address, length, true);
  }

  /** What another thread has mapped, which lets go of it. */
  static borrowed(ffi: Ffi, address: number, length: number): Mapping {
    return new Mapping(ffi, address, length, false);
  }

  /** Lets go of the kernel's pages. Views of them are harmless from then on: they show memory that is nobody's. */
  release(): void {
    if (!this.#own) return;
    const { address } = this;
    const { length } = this.bytes;
    const flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    this.#ffi.mmap(address, length, READ_WRITE, flags, -1);
    collected.register(this.bytes.buffer, { address, length });
  }
}
