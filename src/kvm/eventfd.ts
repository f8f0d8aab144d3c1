import { EventSource } from "../base/event.ts";

/**
 * What an eventfd is to KVM: a counter that many may signal and one takes, in any thread. Threads share it by passing
 * `EventFd.words` to the constructor in the other one. Listeners hear only the signals of their own thread; a thread
 * that waits for others' calls `wait`, or looks at `take` when it is woken otherwise.
 */
export class EventFd {
  /** Word 0: signals not yet taken. */
  readonly words: Int32Array;
  readonly #signalled = new EventSource<EventFd>();

  constructor(words: Int32Array = new Int32Array(new SharedArrayBuffer(4))) {
    this.words = words;
  }

  /** Counts one signal and wakes a waiter. Listeners run before it returns. */
  signal(): void {
    Atomics.add(this.words, 0, 1);
    Atomics.notify(this.words, 0);
    this.#signalled.emit(this);
  }

  /** How many signals are waiting; they stay. */
  get pending(): number {
    return Atomics.load(this.words, 0);
  }

  /** How many signals were waiting; none are afterwards. */
  take(): number {
    return Atomics.exchange(this.words, 0, 0);
  }

  /** Blocks until there is a signal or `milliseconds` have passed, then takes. */
  wait(milliseconds?: number): number {
    Atomics.wait(this.words, 0, 0, milliseconds);
    return this.take();
  }

  /** Calls `listener` on every signal from this thread; the function returned stops that. */
  listen(listener: (event: EventFd) => void): () => void {
    return this.#signalled.listen(listener);
  }
}
