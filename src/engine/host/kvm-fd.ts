import { KvmError } from "../../kvm/errno.ts";
import type { Ffi } from "./ffi.ts";

/** A descriptor of KVM: /dev/kvm itself, a VM or a vCPU. Calls that fail throw KvmError with the kernel's errno. */
export class KvmFd {
  readonly ffi: Ffi;
  readonly fd: number;

  constructor(ffi: Ffi, fd: number) {
    this.ffi = ffi;
    this.fd = fd;
  }

  /** An ioctl with a record; `name` is its constant. Returns what the kernel does. */
  call(name: string, request: number, record: Uint8Array): number {
    return checked(name, this.ffi.ioctl(this.fd, request, record));
  }

  /** An ioctl with a number. */
  value(name: string, request: number, argument = 0): number {
    return checked(name, this.ffi.ioctlNumber(this.fd, request, argument));
  }

  close(): void {
    this.ffi.close(this.fd);
  }
}

/** A result that is no negative errno. */
export function checked(name: string, result: number): number {
  if (result < 0) throw new KvmError(name, -result);
  return result;
}
