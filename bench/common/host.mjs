// The machine that a benchmark runs on, as far as its figures depend on it.
import { readFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, release, totalmem } from "node:os";

/** @param {string} path */
function textOf(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** Everything here is read anew at each call. */
export function describeHost() {
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    virtualMachine: /^flags\s*:.*\bhypervisor\b/m.test(textOf("/proc/cpuinfo")),
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    system: /^PRETTY_NAME="?([^"\n]*)/m.exec(textOf("/etc/os-release"))?.[1] ?? "unknown",
    kernel: release(),
    node: process.version,
  };
}

/** How many threads wanted to run, over the last minute. */
export const loadAverage = () => loadavg()[0] ?? 0;

/** The number of the last core that this process may use. Throws an Error where Linux does not tell. */
export function lastAllowedCore() {
  const allowed = /^Cpus_allowed_list:\s*(?:\S*[,-])?(\d+)$/m.exec(textOf("/proc/self/status"))?.[1];
  if (allowed === undefined) throw new Error("/proc/self/status does not say which cores may be used");
  return Number(allowed);
}

/**
 * Peak resident memory of a running process, in bytes: VmHWM [proc_pid_status(5)]. It counts what the guest touched of
 * its memory. Undefined if there is no such process any more.
 * @param {number} pid
 */
export function peakMemory(pid) {
  const kib = /^VmHWM:\s*(\d+) kB$/m.exec(textOf(`/proc/${pid}/status`))?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** Ticks a second in which the kernel tells processor time: USER_HZ, 100 on every architecture that Node runs on. */
const ticksPerSecond = 100;

/**
 * Processor time of a running process and all its threads, in seconds: utime + stime [proc_pid_stat(5)]. Undefined if
 * there is no such process any more.
 * @param {number} pid
 */
export function processorTime(pid) {
  // The second field is the program's name in parentheses and may hold anything; utime and stime are the 14th and 15th.
  const fields = /\) (.*)$/s.exec(textOf(`/proc/${pid}/stat`))?.[1]?.split(" ");
  return fields && (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}
