import type { Clock } from "../base/clock.ts";

/** The host's own time; 0 is when it was made. */
export class HostClock implements Clock {
  readonly #start = performance.now();

  now(): number {
    return (performance.now() - this.#start) * 1e6;
  }

  wallClock(): number {
    return Date.now();
  }
}
