import { EINVAL } from "../spec/kvm/errno.ts";
import type { KvmCoalescedMmioZone } from "../spec/kvm/vm-struct.ts";
import type { CoalescedRing } from "./coalesced-ring.ts";

interface Zone {
  readonly first: number;
  readonly end: number;
  readonly pio: number;
}

/** The addresses and ports whose writes wait in a ring: KVM_REGISTER_COALESCED_MMIO's rules. */
export class CoalescedZones {
  readonly #zones: Zone[] = [];

  /** KVM_REGISTER_COALESCED_MMIO. Returns 0 or EINVAL. */
  add(zone: KvmCoalescedMmioZone): number {
    if (zone.pio > 1) return EINVAL;
    this.#zones.push(zoneOf(zone));
    return 0;
  }

  /** KVM_UNREGISTER_COALESCED_MMIO: forgets the zones that hold this one. Returns 0 or EINVAL. */
  remove(zone: KvmCoalescedMmioZone): number {
    if (zone.pio > 1) return EINVAL;
    const { first, end, pio } = zoneOf(zone);
    for (let n = this.#zones.length - 1; n >= 0; n--) {
      const each = this.#zones[n]!;
      if (each.pio === pio && each.first <= first && end <= each.end) this.#zones.splice(n, 1);
    }
    return 0;
  }

  /** A guest's write. True if it waits in the ring now: then it is no exit. */
  write(ring: CoalescedRing, address: number, length: number, lo: number, hi: number, isPort: boolean): boolean {
    const pio = isPort ? 1 : 0;
    for (let n = 0; n < this.#zones.length; n++) {
      const zone = this.#zones[n]!;
      if (zone.pio === pio && zone.first <= address && address + length <= zone.end)
        return ring.put(address, length, lo, hi, isPort);
    }
    return false;
  }
}

function zoneOf({ addr_num, size, pio }: KvmCoalescedMmioZone): Zone {
  return { first: addr_num, end: addr_num + size, pio };
}
