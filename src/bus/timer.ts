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
  private readonly queue: TimerQueue;

  constructor(queue: TimerQueue, fire: () => void) {
    this.queue = queue;
    this.fire = fire;
  }

  arm(deadline: number): void {
    this.deadline = deadline;
    this.queue.announce();
  }

  disarm(): void {
    this.arm(Number.POSITIVE_INFINITY);
  }
}

/** The timers of a board. Whoever runs the board calls `runExpired` when the next deadline has come. */
export class TimerQueue implements TimerSource {
  readonly clock: Clock;
  private readonly onDeadline: ((deadline: number) => void) | undefined;
  private readonly timers: QueuedTimer[] = [];
  private announced = Number.POSITIVE_INFINITY;

  /** `onDeadline` hears the next deadline in ns whenever it changes; Infinity if no timer is armed. */
  constructor(clock: Clock, onDeadline?: (deadline: number) => void) {
    this.clock = clock;
    this.onDeadline = onDeadline;
  }

  createTimer(fire: () => void): Timer {
    const timer = new QueuedTimer(this, fire);
    this.timers.push(timer);
    return timer;
  }

  /** The earliest armed deadline in ns; Infinity if none is armed. */
  nextDeadline(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const timer of this.timers) if (timer.deadline < next) next = timer.deadline;
    return next;
  }

  /** Tells the next deadline if it is another than the last time. */
  announce(): void {
    const next = this.nextDeadline();
    if (next === this.announced) return;
    this.announced = next;
    this.onDeadline?.(next);
  }

  /** Fires every timer that is due, each at most once. A deadline that is still to come is announced again. */
  runExpired(): void {
    const now = this.clock.now();
    this.announced = Number.POSITIVE_INFINITY;
    for (const timer of this.timers) {
      if (timer.deadline > now) continue;
      timer.deadline = Number.POSITIVE_INFINITY;
      timer.fire();
    }
    this.announce();
  }
}
