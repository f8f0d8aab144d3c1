import type { DescriptorChain } from "./descriptor-chain.ts";

/** Where a queue's parts are and what was negotiated for it. */
export interface QueueConfig {
  readonly size: number;
  /** Guest-physical addresses: descriptors; the driver's part; the device's part. */
  readonly desc: number;
  readonly driver: number;
  readonly device: number;
  readonly eventIdx: boolean;
  readonly indirect: boolean;
}

/** Progress of a queue; plain numbers, for a snapshot. */
export interface QueueState {
  /** Place of the next available and the next used buffer; in packed queues bit 15 is the wrap counter. */
  available: number;
  used: number;
  /** `used` when the driver was last asked whether it wants an interrupt. */
  signalled: number;
}

/**
 * The device's side of a queue. Methods throw QueueError when the driver breaks the rules, RangeError when what it says
 * is not in guest memory.
 */
export interface Virtqueue {
  readonly state: QueueState;
  /** Takes the next available buffer; false if there is none. */
  pop(into: DescriptorChain): boolean;
  /** Goes back to a place among the available buffers, as `state.available` had it. */
  rewind(available: number): void;
  /** Gives a buffer back, with the number of bytes written to it; the driver sees it after `publish`. */
  push(chain: DescriptorChain, written: number): void;
  /** Shows the driver all that was given back, at once. */
  publish(): void;
  /** Whether buffers were given back since the last call that the driver wants to be interrupted for. */
  takeInterrupt(): boolean;
  /** Says whether the driver is to notify of new buffers. */
  wantNotifications(wanted: boolean): void;
}
