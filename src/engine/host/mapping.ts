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

  constructor(vcpu: KvmFd, length: number, offset = 0) {
    this.#ffi = vcpu.ffi;
    const again = spare.get(length)?.pop();
    const flags = again === undefined ? MAP_SHARED : MAP_SHARED | MAP_FIXED;
    this.address = checked("mmap", this.#ffi.mmap(again ?? 0, length, READ_WRITE, flags, vcpu.fd, offset));
    this.bytes = this.#ffi.view(this.address, length);
  }

  /** Lets go of the kernel's pages. Views of them are harmless from then on: they show memory that is nobody's. */
  release(): void {
    const { address } = this;
    const { length } = this.bytes;
    const flags = MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    this.#ffi.mmap(address, length, READ_WRITE, flags, -1);
    collected.register(this.bytes.buffer, { address, length });
  }
}
