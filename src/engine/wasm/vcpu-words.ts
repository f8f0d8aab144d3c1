import { CPU } from "../../isa/state.ts";
import { VCPU_REQUEST, VCPU_WORD } from "./vm-plan.ts";

/** Pages that wait to be forgotten; more than these are everything. */
const MOST_WRITTEN = VCPU_WORD.end - VCPU_WORD.WRITTEN;
/** Looks at a word before its thread is let sleep, and for how long, in ms: who is waited for may run on this very core. */
const SPINS = 500;
const NAP_MS = 0.05;

/** One vCPU as every thread of the VM reaches it: words in shared memory. */
export class VcpuWords {
  /** Address of the vCPU's state. */
  readonly base: number;
  readonly words: Int32Array;
  readonly #memory: Int32Array;
  readonly #budget: number;
  readonly #interruptPending: number;

  /** `base`: the address of the vCPU's state in `buffer`; `words`: see VCPU_WORD. */
  constructor(buffer: ArrayBuffer | SharedArrayBuffer, base: number, words: Int32Array) {
    this.base = base;
    this.words = words;
    this.#memory = new Int32Array(buffer);
    this.#budget = (base + CPU.budget) >> 2;
    this.#interruptPending = (base + CPU.interruptPending) >> 2;
  }

  get present(): boolean {
    return Atomics.load(this.words, VCPU_WORD.PRESENT) !== 0;
  }

  get executing(): boolean {
    return Atomics.load(this.words, VCPU_WORD.EXECUTING) !== 0;
  }

  /** Has `run` return EINTR. */
  kick(): void {
    Atomics.or(this.words, VCPU_WORD.KICK, 1);
    this.wake();
  }

  /** Something for the vCPU may be pending: ends its sleep and its slice. What is left of that was not retired. */
  wake(): void {
    // in this order: the vCPU sets its budget and then looks at the word
    Atomics.add(this.words, VCPU_WORD.KICK, 2);
    Atomics.store(this.#memory, this.#interruptPending, 1);
    const left = Atomics.exchange(this.#memory, this.#budget, -1);
    if (left >= 0) Atomics.add(this.words, VCPU_WORD.UNUSED_BUDGET, left + 1);
    Atomics.notify(this.words, VCPU_WORD.KICK);
  }

  /** Asks for bits of VCPU_REQUEST. */
  request(bits: number): void {
    Atomics.or(this.words, VCPU_WORD.REQUESTS, bits);
  }

  /** Has the vCPU forget what it decoded of a host page. */
  codeWritten(hostPage: number): void {
    const { words } = this;
    this.#lock();
    const count = words[VCPU_WORD.WRITTEN_COUNT]!;
    if (count < MOST_WRITTEN) words[VCPU_WORD.WRITTEN + count] = hostPage;
    words[VCPU_WORD.WRITTEN_COUNT] = Math.min(count + 1, MOST_WRITTEN + 1);
    this.#unlock();
    this.request(VCPU_REQUEST.CODE);
  }

  /** Takes the pages of `codeWritten` in its own thread: forgets each, or everything if there were too many. */
  takeWritten(forget: (hostPage: number) => void, forgetAll: () => void): void {
    const { words } = this;
    this.#lock();
    Atomics.and(words, VCPU_WORD.REQUESTS, ~VCPU_REQUEST.CODE);
    const count = words[VCPU_WORD.WRITTEN_COUNT]!;
    if (count > MOST_WRITTEN) forgetAll();
    else for (let n = 0; n < count; n++) forget(words[VCPU_WORD.WRITTEN + n]!);
    words[VCPU_WORD.WRITTEN_COUNT] = 0;
    this.#unlock();
  }

  /** Waits until the vCPU does not execute, or has answered the request if one is named; `meanwhile` is called again and again. */
  awaitOutside(meanwhile: () => void, request = 0): void {
    for (let n = 0; this.executing; n++) {
      if (request !== 0 && !(Atomics.load(this.words, VCPU_WORD.REQUESTS) & request)) return;
      this.wake();
      meanwhile();
      if (n > SPINS) Atomics.wait(this.words, VCPU_WORD.EXECUTING, 1, NAP_MS);
    }
  }

  #lock(): void {
    while (Atomics.compareExchange(this.words, VCPU_WORD.WRITTEN_LOCK, 0, 1) !== 0)
      Atomics.wait(this.words, VCPU_WORD.WRITTEN_LOCK, 1, NAP_MS);
  }

  #unlock(): void {
    Atomics.store(this.words, VCPU_WORD.WRITTEN_LOCK, 0);
  }
}
