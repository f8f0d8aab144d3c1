/** What may be asked of a running machine from another thread. */
export const REQUEST = {
  STOP: 1 << 0,
  PAUSE: 1 << 1,
  RESET: 1 << 2,
  POWER_BUTTON: 1 << 3,
} as const;

/**
 * Requests to a machine whose thread is busy running it: a shared word that the machine looks at whenever its vCPU comes
 * out. Who requests something kicks the vCPU afterwards.
 */
export class MachineControl {
  /** One word; post it to the other thread and pass it to the constructor there. */
  readonly words: Int32Array;

  constructor(words: Int32Array = new Int32Array(new SharedArrayBuffer(4))) {
    this.words = words;
  }

  /** `request`: REQUEST bits. */
  request(request: number): void {
    Atomics.or(this.words, 0, request);
  }

  /** The REQUEST bits asked for since the last time. */
  take(): number {
    return Atomics.load(this.words, 0) === 0 ? 0 : Atomics.exchange(this.words, 0, 0);
  }
}
