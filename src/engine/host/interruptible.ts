import { SIGURG } from "../../spec/linux.ts";
import { loadFfi } from "./ffi.ts";

const PERIOD_MS = 1000;

/**
 * Node ends a thread when it is back in JavaScript, which a thread that is in KVM_RUN may never be: from now on this one's
 * `run` returns EINTR at least once a second. The function returned ends that.
 */
export function stayInterruptible(): () => void {
  const ffi = loadFfi();
  ffi.interruptBy(SIGURG);
  return ffi.interruptEvery(PERIOD_MS, SIGURG);
}
