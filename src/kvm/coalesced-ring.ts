import { KVM_COALESCED_MMIO_PAGE_OFFSET } from "../spec/kvm/run-struct.ts";
import { kvm_coalesced_mmio, kvm_coalesced_mmio_ring } from "../spec/kvm/vm-struct.ts";

const PAGE = 4096;
const ENTRIES = Math.floor((PAGE - kvm_coalesced_mmio_ring.size) / kvm_coalesced_mmio.size);
const RING = kvm_coalesced_mmio_ring.offsets;
const { phys_addr, len, pio, data } = kvm_coalesced_mmio.offsets;

/** One write: an address or, with `isPort`, a port; bits 31-0 and 63-32 of the value. */
export type CoalescedWrite = (address: number, length: number, lo: number, hi: number, isPort: boolean) => void;

/** The writes to coalesced zones that wait for an exit. Makes no garbage. */
export class CoalescedRing {
  readonly #page: DataView;

  /** `kvmRun` is `Vcpu.kvmRun`. In the kernel all vCPUs of a VM share the ring; the wasm engine's vCPUs have one each. */
  constructor(kvmRun: Uint8Array) {
    this.#page = new DataView(kvmRun.buffer, kvmRun.byteOffset + KVM_COALESCED_MMIO_PAGE_OFFSET * PAGE, PAGE);
  }

  /** Adds a write; false if there is no room. */
  put(address: number, length: number, lo: number, hi: number, isPort: boolean): boolean {
    const page = this.#page;
    const last = page.getUint32(RING.last, true);
    const next = (last + 1) % ENTRIES;
    if (last >= ENTRIES || next === page.getUint32(RING.first, true)) return false;
    const at = RING.coalesced_mmio + last * kvm_coalesced_mmio.size;
    page.setUint32(at + phys_addr, address >>> 0, true);
    page.setUint32(at + phys_addr + 4, Math.floor(address / 2 ** 32), true);
    page.setUint32(at + len, length, true);
    page.setUint32(at + pio, isPort ? 1 : 0, true);
    page.setUint32(at + data, lo, true);
    page.setUint32(at + data + 4, hi, true);
    page.setUint32(RING.last, next, true);
    return true;
  }

  /** Tells every write that waits, in order; returns how many. */
  drain(visit: CoalescedWrite): number {
    const page = this.#page;
    let count = 0;
    let first = page.getUint32(RING.first, true);
    for (; first !== page.getUint32(RING.last, true); count++) {
      const at = RING.coalesced_mmio + first * kvm_coalesced_mmio.size;
      const address = page.getUint32(at + phys_addr, true) + page.getUint32(at + phys_addr + 4, true) * 2 ** 32;
      const length = page.getUint32(at + len, true);
      const [lo, hi] = [page.getUint32(at + data, true), page.getUint32(at + data + 4, true)];
      visit(address, length, lo, hi, page.getUint32(at + pio, true) !== 0);
      first = (first + 1) % ENTRIES;
      page.setUint32(RING.first, first, true);
    }
    return count;
  }
}
