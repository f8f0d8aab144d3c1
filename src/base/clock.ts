/**
 * The only source of time. Everything that needs a time takes a Clock, so that a run can be replayed.
 * Times are nanoseconds as a double: exact to 1 ns for 104 days of machine time.
 */
export interface Clock {
  /** Monotonic machine time in ns; starts near 0 when the machine starts. */
  now(): number;
  /** Wall-clock time in ms since 1970-01-01 UTC. */
  wallClock(): number;
}

/** A clock moved by hand, for tests and deterministic runs. */
export class ManualClock implements Clock {
  time = 0;
  epoch = 0;

  now(): number {
    return this.time;
  }

  wallClock(): number {
    return this.epoch + this.time / 1e6;
  }
}
