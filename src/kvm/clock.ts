import type { Clock } from "../base/clock.ts";
import { create } from "../base/struct-layout.ts";
import { EINVAL } from "../spec/kvm/errno.ts";
import {
  KVM_CLOCK_HOST_TSC,
  KVM_CLOCK_REALTIME,
  KVM_CLOCK_TSC_STABLE,
  type KvmClockData,
  kvm_clock_data,
} from "../spec/kvm/vm-struct.ts";

const VALID_FLAGS = KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;

/** kvmclock of a VM: ns since its creation, unless it was set. */
export class VmClock {
  readonly host: Clock;
  /** One number: what is added to the host's clock. */
  readonly #offset: Float64Array;

  /** `offset` may be shared with the same clock in other threads, of which one makes it `start`. */
  constructor(host: Clock, offset: Float64Array = new Float64Array(1), start = true) {
    this.host = host;
    this.#offset = offset;
    if (start) offset[0] = -host.now();
  }

  /** kvmclock in ns, now or at another time of the host's clock. */
  now(hostTime = this.host.now()): number {
    return hostTime + this.#offset[0]!;
  }

  /** Fills KVM_GET_CLOCK's record: kvmclock with the wall-clock time of the same moment. */
  getData(into: KvmClockData = create(kvm_clock_data)): KvmClockData {
    into.bytes.fill(0);
    into.clock_num = Math.max(0, Math.floor(this.now()));
    into.realtime_num = Math.floor(this.host.wallClock() * 1e6);
    into.flags = KVM_CLOCK_REALTIME;
    return into;
  }

  /**
   * KVM_SET_CLOCK: with KVM_CLOCK_REALTIME the clock goes on by the wall-clock time since the record was made.
   * Returns 0 or EINVAL (flags, or a clock beyond 2^53 ns).
   */
  setData(data: KvmClockData): number {
    if (data.flags & ~VALID_FLAGS || !Number.isSafeInteger(data.clock_num)) return EINVAL;
    const elapsed = data.flags & KVM_CLOCK_REALTIME ? this.host.wallClock() * 1e6 - data.realtime_num : 0;
    this.#offset[0] = data.clock_num + Math.max(0, elapsed) - this.host.now();
    return 0;
  }
}
