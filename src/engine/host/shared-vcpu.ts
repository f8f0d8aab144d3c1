import { kvm_run } from "../../spec/kvm/run-struct.ts";
import { SIGURG } from "../../spec/linux.ts";
import { type Ffi, loadFfi } from "./ffi.ts";

/** A vCPU as other threads reach it; it can be posted. `openVcpu` runs it there, `HostKicker` makes it come out. */
export interface SharedHostVcpu {
  readonly id: number;
  readonly fd: number;
  /** Where kvm_run is mapped in this process, and its size. */
  readonly page: number;
  readonly mmapSize: number;
  /** The same of its dirty ring; 0 if it has none. */
  readonly ring: number;
  readonly dirtyRingSize: number;
  readonly xsaveSize: number;
  readonly nestedStateSize: number;
  /** KICK_WORD. */
  readonly words: Int32Array;
}

/** What the words of a SharedHostVcpu are. */
export const KICK_WORD = {
  /** 1: somebody wants it to come out. */
  KICK: 0,
  /** The kernel's number of the thread that is in `run`; 0 if none is. */
  THREAD: 1,
  /** 1: the page is no more the vCPU's. */
  CLOSED: 2,
  COUNT: 3,
} as const;

const IMMEDIATE_EXIT = kvm_run.offsets.immediate_exit;
let prepared = false;

/** `Vcpu.kick` from any thread: KVM_RUN returns EINTR, or else the next one does. */
export class HostKicker {
  readonly #ffi: Ffi;
  readonly #words: Int32Array;
  readonly #page: Uint8Array;

  constructor(ffi: Ffi, words: Int32Array, page: Uint8Array) {
    this.#ffi = ffi;
    this.#words = words;
    this.#page = page;
    if (!prepared) ffi.interruptBy(SIGURG);
    prepared = true;
  }

  /** For another thread than the one that made the vCPU. */
  static of(vcpu: SharedHostVcpu): HostKicker {
    const ffi = loadFfi();
    return new HostKicker(ffi, vcpu.words, ffi.view(vcpu.page, vcpu.mmapSize));
  }

  kick(): void {
    const words = this.#words;
    if (Atomics.load(words, KICK_WORD.CLOSED) !== 0) return;
    Atomics.store(words, KICK_WORD.KICK, 1);
    // the order counts: a thread that is about to enter sees the byte, one that has entered gets the signal
    Atomics.store(this.#page, IMMEDIATE_EXIT, 1);
    const thread = Atomics.load(words, KICK_WORD.THREAD);
    if (thread !== 0) this.#ffi.tgkill(thread, SIGURG);
  }
}
