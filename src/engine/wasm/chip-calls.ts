import type { VcpuWords } from "./vcpu-words.ts";
import { VCPU_WORD, VM_WORD } from "./vm-plan.ts";

/** What a call asks for. */
export const CHIP_CALL = { pioRead: 0, pioWrite: 1, mmioRead: 2, mmioWrite: 3, eventPort: 4, eventMmio: 5 } as const;

/** Words of a call, after VCPU_WORD.CALL. */
const STATE = VCPU_WORD.CALL;
const KIND = STATE + 1;
const ADDRESS = STATE + 2;
const ADDRESS_HIGH = STATE + 3;
const SIZE = STATE + 4;
const VALUE = STATE + 5;
const VALUE_HIGH = STATE + 6;
const TAKEN = STATE + 7;

const CALL_STATE = { none: 0, asked: 1, answered: 2 } as const;
/** How long one wait for the answer is, in ms. */
const PATIENCE_MS = 1;
const TWO_32 = 0x1_0000_0000;

/** The chips' side of a call: a value from 0, or -1 if nobody answers there. */
export type Answer = (kind: number, address: number, size: number, lo: number, hi: number) => number;

/** One vCPU's accesses to chips that another thread owns: calls in shared memory. */
export class ChipCalls {
  readonly #words: Int32Array;
  readonly #vm: Int32Array;
  readonly #owner: VcpuWords;
  readonly #meanwhile: () => void;

  /** `owner` runs in the thread that owns the chips; `meanwhile` is called now and then while its answer is waited for. */
  constructor(vcpu: VcpuWords, vm: Int32Array, owner: VcpuWords, meanwhile: () => void) {
    this.#words = vcpu.words;
    this.#vm = vm;
    this.#owner = owner;
    this.#meanwhile = meanwhile;
  }

  /** Asks and waits for the answer: a value, or -1. */
  ask(kind: number, address: number, size: number, lo = 0, hi = 0): number {
    const words = this.#words;
    words[KIND] = kind;
    words[ADDRESS] = address;
    words[ADDRESS_HIGH] = Math.floor(address / TWO_32);
    words[SIZE] = size;
    words[VALUE] = lo;
    words[VALUE_HIGH] = hi;
    Atomics.store(words, STATE, CALL_STATE.asked);
    while (Atomics.load(words, STATE) === CALL_STATE.asked) {
      Atomics.store(this.#vm, VM_WORD.CALLS, 1);
      this.#owner.wake();
      Atomics.wait(words, STATE, CALL_STATE.asked, PATIENCE_MS);
      this.#meanwhile();
    }
    Atomics.store(words, STATE, CALL_STATE.none);
    return words[TAKEN] ? words[VALUE]! >>> 0 : -1;
  }
}

/** In the owner's thread: answers the call of a vCPU, if one waits. */
export function serveChipCall({ words }: VcpuWords, answer: Answer): void {
  if (Atomics.load(words, STATE) !== CALL_STATE.asked) return;
  const address = (words[ADDRESS_HIGH]! >>> 0) * TWO_32 + (words[ADDRESS]! >>> 0);
  const value = answer(words[KIND]!, address, words[SIZE]!, words[VALUE]! >>> 0, words[VALUE_HIGH]! >>> 0);
  words[TAKEN] = value < 0 ? 0 : 1;
  words[VALUE] = value;
  Atomics.store(words, STATE, CALL_STATE.answered);
  Atomics.notify(words, STATE);
}
