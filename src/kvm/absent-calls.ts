import { EINVAL, ENOTTY } from "../spec/kvm/errno.ts";
import type { KvmNestedState, KvmSregs2 } from "../spec/kvm/vcpu-struct.ts";
import type { KvmCoalescedMmioZone, KvmEnableCap } from "../spec/kvm/vm-struct.ts";
import type { MsrFilter } from "./engine.ts";
import { KvmError } from "./errno.ts";

/*
 * Calls whose capability a software engine does not report: unknown ioctls to it. A method of the engine's own class
 * replaces one once the engine can do it.
 */

/** Those of a VM. */
export abstract class AbsentVmCalls {
  clearDirtyLog(_slot: number, _firstPage: number, _pages: number, _bitmap: Uint8Array): void {
    absent("KVM_CLEAR_DIRTY_LOG");
  }

  resetDirtyRings(): number {
    return absent("KVM_RESET_DIRTY_RINGS");
  }

  setMsrFilter(_filter: MsrFilter): void {
    absent("KVM_X86_SET_MSR_FILTER");
  }

  registerCoalescedMmio(_zone: KvmCoalescedMmioZone): void {
    absent("KVM_REGISTER_COALESCED_MMIO");
  }

  unregisterCoalescedMmio(_zone: KvmCoalescedMmioZone): void {
    absent("KVM_UNREGISTER_COALESCED_MMIO");
  }

  reinjectControl(_reinject: boolean): void {
    absent("KVM_REINJECT_CONTROL");
  }
}

/** Those of a vCPU. */
export abstract class AbsentVcpuCalls {
  readonly dirtyRing: Uint8Array | undefined;

  enableCap(_cap: KvmEnableCap): void {
    absent("KVM_ENABLE_CAP");
  }

  getSregs2(_into?: KvmSregs2): KvmSregs2 {
    return absent("KVM_GET_SREGS2");
  }

  setSregs2(_sregs: KvmSregs2): void {
    absent("KVM_SET_SREGS2");
  }

  getNestedState(): KvmNestedState {
    return absent("KVM_GET_NESTED_STATE", EINVAL);
  }

  setNestedState(_state: KvmNestedState): void {
    absent("KVM_SET_NESTED_STATE", EINVAL);
  }
}

function absent(ioctl: string, errno = ENOTTY): never {
  throw new KvmError(ioctl, errno);
}
