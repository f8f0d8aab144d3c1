import { FrameRing } from "./frame-ring.ts";
import type { NetBackend } from "./net-backend.ts";

const RING_BYTES = 1 << 20;
const CHECKSUM = 1;
const SEGMENTATION = 2;

/** The memory of a cable between a network card and what is outside. */
export interface SharedLink {
  readonly toHost: SharedArrayBuffer;
  readonly toGuest: SharedArrayBuffer;
  readonly offloads: Int32Array;
}

export function createLink(): SharedLink {
  return {
    toHost: new FrameRing(RING_BYTES).memory,
    toGuest: new FrameRing(RING_BYTES).memory,
    offloads: new Int32Array(new SharedArrayBuffer(4)),
  };
}

/** The card's end of a cable. */
export class GuestLink implements NetBackend {
  readonly #toHost: FrameRing;
  readonly #toGuest: FrameRing;
  readonly #offloads: Int32Array;

  constructor(link: SharedLink) {
    this.#toHost = new FrameRing(link.toHost);
    this.#toGuest = new FrameRing(link.toGuest);
    this.#offloads = link.offloads;
  }

  reserve(length: number): Uint8Array | undefined {
    return this.#toHost.reserve(length);
  }

  commit(length: number): void {
    this.#toHost.commit(length);
  }

  notify(): void {
    this.#toHost.notify();
  }

  peek(): Uint8Array | undefined {
    return this.#toGuest.peek();
  }

  drop(): void {
    this.#toGuest.drop();
  }

  setOffloads(checksum: boolean, segmentation: boolean): void {
    Atomics.store(this.#offloads, 0, (checksum ? CHECKSUM : 0) | (segmentation ? SEGMENTATION : 0));
  }
}

/** The outer end of a cable. */
export class HostLink {
  readonly fromGuest: FrameRing;
  readonly #toGuest: FrameRing;
  readonly #offloads: Int32Array;
  readonly #wake: () => void;

  /** `wake` makes the machine look at what came. */
  constructor(link: SharedLink, wake: () => void) {
    this.fromGuest = new FrameRing(link.toHost);
    this.#toGuest = new FrameRing(link.toGuest);
    this.#offloads = link.offloads;
    this.#wake = wake;
  }

  get takesPartialChecksums(): boolean {
    return (Atomics.load(this.#offloads, 0) & CHECKSUM) !== 0;
  }

  get takesLargeSegments(): boolean {
    return (Atomics.load(this.#offloads, 0) & SEGMENTATION) !== 0;
  }

  reserve(length: number): Uint8Array | undefined {
    return this.#toGuest.reserve(length);
  }

  send(length: number): void {
    this.#toGuest.commit(length);
    this.#wake();
  }
}
