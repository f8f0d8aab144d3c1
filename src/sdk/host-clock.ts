import type { Clock } from "../base/clock.ts";

const SAMPLES = 32;

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

/**
 * How far the monotonic clock is ahead of this thread's, in ns. What passes between two looks makes it seem less when the
 * monotonic clock is looked at first, and more when last: the truth is between, and the middle errs least.
 */
function threadOffset(): number {
  let [least, most] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let n = 0; n < SAMPLES; n++) {
    const before = monotonic();
    const here = performance.now() * 1e6;
    least = Math.max(least, before - here);
    most = Math.min(most, monotonic() - here);
  }
  return (least + most) / 2;
}
