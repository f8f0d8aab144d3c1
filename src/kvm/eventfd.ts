import { EventSource } from "../base/event.ts";

/**
 * An eventfd(2): a counter that many may signal and one takes, in any thread. `Engine.createEventFd` makes the kind that
 * the engine's VMs take.
 */
export interface EventFd {
  /** Counts one signal and wakes a waiter. */
  signal(): void;
  /** How many signals were waiting; none are afterwards. */
  take(): number;
  /** Blocks until there is a signal or `milliseconds` have passed, then takes. */
  wait(milliseconds?: number): number;
  /** Calls `listener` after signals, which it takes if it wants to; the function returned stops that. */
  listen(listener: (event: EventFd) => void): () => void;
  /** Ends it; whatever is bound to it is unbound first. */
  close(): void;
}

/**
 * An EventFd in shared memory. Threads share it by passing `words` to the constructor in the other one. Listeners hear
 * only the signals of their own thread, before `signal` returns; a thread that waits for others' calls `wait`, or looks at
 * `take` when it is woken otherwise.
 */
export class SharedEventFd implements EventFd {
  /** Word 0: signals not yet taken. */
  readonly words: Int32Array;
  readonly #signalled = new EventSource<EventFd>();

  constructor(words: Int32Array = new Int32Array(new SharedArrayBuffer(4))) {
    this.words = words;
  }

  signal(): void {
    Atomics.add(this.words, 0, 1);
    Atomics.notify(this.words, 0);
    this.#signalled.emit(this);
  }

  /** How many signals are waiting; they stay. */
  get pending(): number {
    return Atomics.load(this.words, 0);
  }

  take(): number {
    return Atomics.exchange(this.words, 0, 0);
  }

  wait(milliseconds?: number): number {
    Atomics.wait(this.words, 0, 0, milliseconds);
    return this.take();
  }

  listen(listener: (event: EventFd) => void): () => void {
    return this.#signalled.listen(listener);
  }

  close(): void {}
}
