import type { Clock } from "../base/clock.ts";

const SAMPLES = 8;

/** The host's own time. Clocks of several threads that have one origin agree. */
export class HostClock implements Clock {
  /** When its time was 0, in ns of the host's monotonic clock, which all threads share. */
  readonly origin: number;
  /** To be added to this thread's `performance.now()`, in ns. */
  readonly #offset: number;

  /** `origin`: that of another thread's clock. */
  constructor(origin = monotonic()) {
    this.origin = origin;
    this.#offset = threadOffset() - origin;
  }

  now(): number {
    return performance.now() * 1e6 + this.#offset;
  }

  wallClock(): number {
    return Date.now();
  }
}

function monotonic(): number {
  const [seconds, ns] = process.hrtime();
  return seconds * 1e9 + ns;
}

/** How far the monotonic clock is ahead of this thread's: what passes between two looks only makes it seem less. */
function threadOffset(): number {
  let offset = Number.NEGATIVE_INFINITY;
  for (let n = 0; n < SAMPLES; n++) offset = Math.max(offset, monotonic() - performance.now() * 1e6);
  return offset;
}
