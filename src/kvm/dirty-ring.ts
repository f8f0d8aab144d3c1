import { KVM_DIRTY_GFN_F_DIRTY, KVM_DIRTY_GFN_F_RESET, kvm_dirty_gfn } from "../spec/kvm/vm-struct.ts";

const { flags, slot, offset } = kvm_dirty_gfn.offsets;

/** Reads a vCPU's dirty ring: pages that it wrote to since they were last let go of. */
export class DirtyRing {
  readonly #entries: DataView;
  readonly #count: number;
  #next = 0;

  /** `ring` is `Vcpu.dirtyRing`. */
  constructor(ring: Uint8Array) {
    this.#entries = new DataView(ring.buffer, ring.byteOffset, ring.byteLength);
    this.#count = ring.byteLength / kvm_dirty_gfn.size;
  }

  /**
   * Tells every page that waits, by slot and page number within it; returns how many. `Vm.resetDirtyRings` then makes
   * the kernel watch them again.
   */
  harvest(visit: (slot: number, page: number) => void): number {
    for (let taken = 0; taken < this.#count; taken++) {
      const at = this.#next * kvm_dirty_gfn.size;
      if (this.#entries.getUint32(at + flags, true) !== KVM_DIRTY_GFN_F_DIRTY) return taken;
      const page = this.#entries.getUint32(at + offset, true);
      visit(this.#entries.getUint32(at + slot, true), page + this.#entries.getUint32(at + offset + 4, true) * 2 ** 32);
      this.#entries.setUint32(at + flags, KVM_DIRTY_GFN_F_RESET, true);
      this.#next = (this.#next + 1) % this.#count;
    }
    return this.#count;
  }
}
