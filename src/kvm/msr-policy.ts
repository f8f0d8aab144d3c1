import { EINVAL } from "../spec/kvm/errno.ts";
import {
  KVM_MSR_EXIT_REASON_FILTER,
  KVM_MSR_EXIT_REASON_INVAL,
  KVM_MSR_EXIT_REASON_UNKNOWN,
} from "../spec/kvm/exit.ts";
import {
  KVM_MSR_FILTER_DEFAULT_DENY,
  KVM_MSR_FILTER_MAX_RANGES,
  KVM_MSR_FILTER_READ,
  KVM_MSR_FILTER_WRITE,
} from "../spec/kvm/vm-struct.ts";
import { MSR } from "../spec/x86/msr.ts";
import type { MsrFilter } from "./engine.ts";

const REASONS = KVM_MSR_EXIT_REASON_INVAL | KVM_MSR_EXIT_REASON_UNKNOWN | KVM_MSR_EXIT_REASON_FILTER;
const ACCESSES = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE;
const MOST_BITMAP_BYTES = 0x600;
const ALLOW_ALL: MsrFilter = { flags: 0, ranges: [] };

/** Which MSRs a guest may access, and which accesses are user space's. It can be posted: `state` is plain. */
export class MsrPolicy {
  /** KVM_MSR_EXIT_REASON_ bits that are exits. KVM_CAP_X86_USER_SPACE_MSR. */
  reasons = 0;
  filter = ALLOW_ALL;

  /** Whether there is anything to ask for. */
  get active(): boolean {
    return this.reasons !== 0 || this.filter.flags !== 0 || this.filter.ranges.length > 0;
  }

  /** KVM_CAP_X86_USER_SPACE_MSR's argument. Returns 0 or EINVAL. */
  setReasons(reasons: number): number {
    if (reasons > REASONS) return EINVAL;
    this.reasons = reasons;
    return 0;
  }

  /** KVM_X86_SET_MSR_FILTER. Returns 0 or EINVAL. */
  setFilter({ flags, ranges }: MsrFilter): number {
    const used = ranges.filter(({ nmsrs }) => nmsrs > 0);
    if (flags > KVM_MSR_FILTER_DEFAULT_DENY || ranges.length > KVM_MSR_FILTER_MAX_RANGES) return EINVAL;
    if (flags === KVM_MSR_FILTER_DEFAULT_DENY && used.length === 0) return EINVAL;
    if (used.some((range) => range.flags & ~ACCESSES || range.nmsrs > 8 * MOST_BITMAP_BYTES)) return EINVAL;
    this.filter = { flags, ranges: used.map((range) => ({ ...range, bitmap: Uint8Array.from(range.bitmap) })) };
    return 0;
  }

  /** Whether the filter lets the guest do what `access` says; the first range counts. MSRs of the x2APIC are never filtered. */
  allows(index: number, access: number): boolean {
    const { flags, ranges } = this.filter;
    if (index >= MSR.X2APIC_FIRST && index <= MSR.X2APIC_LAST) return true;
    for (let n = 0; n < ranges.length; n++) {
      const range = ranges[n]!;
      const at = index - range.base;
      if (at >= 0 && at < range.nmsrs && range.flags & access) return ((range.bitmap[at >> 3]! >> (at & 7)) & 1) === 1;
    }
    return flags !== KVM_MSR_FILTER_DEFAULT_DENY;
  }
}
