import type { Clock } from "../base/clock.ts";

/** One alarm of a device. Times are machine time in ns, as `Clock.now` gives it. */
export interface Timer {
  /** Fires once at `deadline`, or as soon as possible if that is past; replaces an earlier deadline. */
  arm(deadline: number): void;
  disarm(): void;
}

/** Where devices get the time and their timers from. */
export interface TimerSource {
  readonly clock: Clock;
  createTimer(fire: () => void): Timer;
}

class QueuedTimer implements Timer {
  deadline = Number.POSITIVE_INFINITY;
  readonly fire: () => void;

  constructor(fire: () => void) {
    this.fire = fire;
  }

  arm(deadline: number): void {
    this.deadline = deadline;
  }

  disarm(): void {
    this.deadline = Number.POSITIVE_INFINITY;
  }
}

/** The timers of a board. Whoever runs the board asks for the next deadline and calls `runExpired` when it has come. */
export class TimerQueue implements TimerSource {
  readonly clock: Clock;
  private readonly timers: QueuedTimer[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  createTimer(fire: () => void): Timer {
    const timer = new QueuedTimer(fire);
    this.timers.push(timer);
    return timer;
  }

  /** The earliest armed deadline in ns; Infinity if none is armed. */
  nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const timer of this.timers) if (timer.deadline < next) next = timer.deadline;
    return next;
  }

  /** Fires every timer that is due, each at most once. */
  runExpired(): void {
    const now = this.clock.now();
    for (const timer of this.timers) {
      if (timer.deadline > now) continue;
      timer.disarm();
      timer.fire();
    }
  }
}
