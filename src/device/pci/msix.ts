import type { AccessSize, RegisterBlock } from "../../bus/register-block.ts";
import { MSIX } from "../../spec/pci/config-space.ts";

/** Sends a message: address halves and data. */
export type SignalMsi = (addressLo: number, addressHi: number, data: number) => void;

const WORDS = MSIX.ENTRY_BYTES / 4;

export interface MsixState {
  table: number[];
  pending: number[];
}

/** A function's MSI-X vectors: the table, and the bits of those that wait behind a mask. [PCI 3.0 6.8.2] */
export class Msix {
  readonly vectors: number;
  /** Registers of the table and of the pending bits. */
  readonly table: RegisterBlock;
  readonly pendingBits: RegisterBlock;
  readonly #signal: SignalMsi;
  #entries: Uint32Array;
  #pending: Uint32Array;
  #control = 0;

  constructor(vectors: number, signal: SignalMsi) {
    this.vectors = vectors;
    this.#signal = signal;
    this.#entries = new Uint32Array(vectors * WORDS);
    this.#pending = new Uint32Array(Math.ceil(vectors / 32));
    this.table = words(
      () => this.#entries,
      (index, value) => this.#writeTable(index, value),
    );
    this.pendingBits = words(
      () => this.#pending,
      () => {},
    );
    this.reset();
  }

  get enabled(): boolean {
    return (this.#control & MSIX.CONTROL_ENABLE) !== 0;
  }

  /** The driver wrote Message Control. */
  setControl(value: number): void {
    this.#control = value;
    if (this.#isOpen()) for (let vector = 0; vector < this.vectors; vector++) this.#sendPending(vector);
  }

  /** Sends a vector's message, or remembers it behind a mask. */
  raise(vector: number): void {
    if (vector >= this.vectors || !this.enabled) return;
    this.#pending[vector >>> 5]! |= 1 << (vector & 31);
    if (this.#isOpen()) this.#sendPending(vector);
  }

  reset(): void {
    this.#control = 0;
    this.#entries.fill(0);
    this.#pending.fill(0);
    for (let vector = 0; vector < this.vectors; vector++)
      this.#entries[vector * WORDS + MSIX.ENTRY_CONTROL] = MSIX.ENTRY_MASKED;
  }

  snapshot(): MsixState {
    return { table: [...this.#entries], pending: [...this.#pending] };
  }

  restore(state: MsixState, control: number): void {
    this.#entries = Uint32Array.from(state.table);
    this.#pending = Uint32Array.from(state.pending);
    this.#control = control;
  }

  #isOpen(): boolean {
    return (this.#control & (MSIX.CONTROL_ENABLE | MSIX.CONTROL_MASKALL)) === MSIX.CONTROL_ENABLE;
  }

  #writeTable(index: number, value: number): void {
    this.#entries[index] = value;
    if (index % WORDS === MSIX.ENTRY_CONTROL && this.#isOpen()) this.#sendPending(Math.floor(index / WORDS));
  }

  #sendPending(vector: number): void {
    const bit = 1 << (vector & 31);
    const at = vector * WORDS;
    if (!(this.#pending[vector >>> 5]! & bit) || this.#entries[at + MSIX.ENTRY_CONTROL]! & MSIX.ENTRY_MASKED) return;
    this.#pending[vector >>> 5]! &= ~bit;
    this.#signal(this.#entries[at]!, this.#entries[at + 1]!, this.#entries[at + 2]!);
  }
}

/** Registers of 32 bits; narrower accesses are not defined and reach the word they lie in. */
function words(array: () => Uint32Array, write: (index: number, value: number) => void): RegisterBlock {
  return {
    width: 4,
    read: (offset: number, size: AccessSize) => (array()[offset >>> 2] ?? 0) >>> (size === 4 ? 0 : 8 * (offset & 3)),
    write: (offset, size, value) => {
      if (size === 4 && offset >>> 2 < array().length) write(offset >>> 2, value);
    },
  };
}
