import { waitForNotify } from "./shared-wait.ts";

const CHANGES = 0; // counts the changes of DELAY
const DELAY = 1; // milliseconds, or NEVER
const CLOSED = 2;
const WORDS = 3;
const NEVER = -1;
const LONGEST_MS = 0x7fff_ffff;

/** A wake-up that a thread which cannot run timers asks of one that can. */
export class SharedAlarm {
  /** Post it to the other thread and pass it to the constructor there. */
  readonly words: Int32Array;

  constructor(words: Int32Array = new Int32Array(new SharedArrayBuffer(WORDS * 4))) {
    this.words = words;
  }

  /** Asks for a call after `delayMs`, in place of an earlier request; Infinity asks for none. */
  set(delayMs: number): void {
    const delay = delayMs === Number.POSITIVE_INFINITY ? NEVER : Math.min(Math.max(Math.ceil(delayMs), 0), LONGEST_MS);
    Atomics.store(this.words, DELAY, delay);
    this.change();
  }

  /** Serves the requests with this thread's timers until `close`: calls `ring` each time one is due. */
  async serve(ring: () => void): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    for (let seen = 0; Atomics.load(this.words, CLOSED) === 0; ) {
      await waitForNotify(this.words, CHANGES, seen);
      const changes = Atomics.load(this.words, CHANGES);
      if (changes === seen) continue;
      seen = changes;
      clearTimeout(timer);
      const delay = Atomics.load(this.words, DELAY);
      if (delay !== NEVER) timer = setTimeout(ring, delay);
    }
    clearTimeout(timer);
  }

  /** Ends `serve`, in any thread. */
  close(): void {
    Atomics.store(this.words, CLOSED, 1);
    this.change();
  }

  private change(): void {
    Atomics.add(this.words, CHANGES, 1);
    Atomics.notify(this.words, CHANGES);
  }
}
