import { EINVAL, ENOTTY } from "../spec/kvm/errno.ts";
import type { KvmNestedState } from "../spec/kvm/vcpu-struct.ts";
import type { KvmEnableCap } from "../spec/kvm/vm-struct.ts";
import { KvmError } from "./errno.ts";

/*
 * Calls whose capability a software engine does not report: unknown ioctls to it. A method of the engine's own class
 * replaces one once the engine can do it.
 */

/** Those of a VM. */
export abstract class AbsentVmCalls {
  resetDirtyRings(): number {
    return absent("KVM_RESET_DIRTY_RINGS");
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
