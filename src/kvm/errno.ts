import { errnoName } from "../spec/kvm/errno.ts";

/** An ioctl that failed. */
export class KvmError extends Error {
  /** Positive Linux errno. */
  readonly errno: number;
  /** Its name: "EINVAL". */
  readonly code: string;
  /** The ioctl's constant: "KVM_SET_SREGS". */
  readonly ioctl: string;

  constructor(ioctl: string, errno: number, detail = "") {
    super(`${ioctl}: ${errnoName(errno)}${detail && `: ${detail}`}`);
    this.name = "KvmError";
    this.ioctl = ioctl;
    this.errno = errno;
    this.code = errnoName(errno);
  }
}
