import { create } from "../../base/struct-layout.ts";
import { KvmError } from "../../kvm/errno.ts";
import { E2BIG } from "../../spec/kvm/errno.ts";
import { type KvmCpuid2, kvm_cpuid2 } from "../../spec/kvm/vcpu-struct.ts";

const FIRST_GUESS = 128;
const MOST = 10_000;

/** Asks for a list with more and more room until the kernel finds it enough. */
export function growing<T>(ask: (entries: number) => T, entries = FIRST_GUESS): T {
  try {
    return ask(entries);
  } catch (error) {
    if (!(error instanceof KvmError && error.errno === E2BIG) || entries > MOST) throw error;
    return growing(ask, entries * 2);
  }
}

/** The record without the room that was not needed. */
export function trimmed(cpuid: KvmCpuid2): KvmCpuid2 {
  const result = create(kvm_cpuid2, {}, cpuid.nent);
  result.bytes.set(cpuid.bytes.subarray(0, result.bytes.length));
  return result;
}
