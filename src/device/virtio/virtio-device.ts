import type { GuestMemory } from "../../memory/guest-memory.ts";
import { VIRTIO_F, VIRTIO_STATUS } from "../../spec/virtio/virtio.ts";
import { type DescriptorChain, QueueError } from "./descriptor-chain.ts";
import { PackedQueue } from "./packed-queue.ts";
import { QueueBuffers } from "./queue-buffers.ts";
import { SplitQueue } from "./split-queue.ts";
import type { QueueState } from "./virtqueue.ts";

/** What a device's buffers look like to its function: taken one at a time, and given back with the bytes written. */
export interface BufferQueue {
  /** The next buffer; undefined if there is none. The object is used again by the next call. */
  take(): DescriptorChain | undefined;
  /** Makes the last buffer that was taken the next one again: it is not given back, and `take` comes upon it once more. */
  putBack(): void;
  /**
   * The next buffers, until they hold `length` bytes to write or are `most`; undefined, and none is taken, if there are
   * too few. The objects are used again by the next call.
   */
  takeGroup(length: number, most: number): readonly DescriptorChain[] | undefined;
  /** Gives a buffer back. The driver sees all that were given back when the function has returned. */
  give(chain: DescriptorChain, written: number): void;
}

/** What makes a virtio device a disk, a network card ...: it knows no transport. */
export interface VirtioFunction {
  /** Unique on its board. */
  readonly name: string;
  /** VIRTIO_ID */
  readonly type: number;
  /** The largest size of each queue. */
  readonly queueSizes: readonly number[];
  /** Feature bits of its kind, by number, that it offers. */
  readonly features: readonly number[];
  /** The device-specific configuration as the driver reads it. */
  readonly config: Uint8Array;
  /** The driver wrote to the configuration. */
  writeConfig?(offset: number, value: number): void;
  /** The driver is ready; `features` are those it took. */
  start?(features: ReadonlySet<number>): void;
  /** Buffers are available in a queue. QueueError and RangeError stop the device, any other error does too. */
  process(queue: number, buffers: BufferQueue): void;
  reset?(): void;
}

/** How the device reaches the driver. */
export interface VirtioSignals {
  /** Buffers of a queue were given back. */
  queueInterrupt(queue: number): void;
  /** The configuration or the status changed. */
  configInterrupt(): void;
}

/** One queue as the driver sets it up. Addresses are pairs of 32-bit halves, low first. */
export interface QueueRegisters {
  size: number;
  enabled: boolean;
  desc: [number, number];
  driver: [number, number];
  device: [number, number];
}

export interface VirtioDeviceState {
  status: number;
  /** Feature words that the driver took. */
  driverFeatures: [number, number];
  queues: (QueueRegisters & { progress: QueueState | null })[];
}

const COMMON_FEATURES = [VIRTIO_F.INDIRECT_DESC, VIRTIO_F.EVENT_IDX, VIRTIO_F.VERSION_1, VIRTIO_F.RING_PACKED];

/** A virtio device without its transport: status, feature negotiation, queues. [virtio 1.2 2, 3] */
export class VirtioDevice {
  readonly #function: VirtioFunction;
  readonly #memory: GuestMemory;
  readonly #signals: VirtioSignals;
  #status = 0;
  #driverFeatures: [number, number] = [0, 0];
  #registers: QueueRegisters[];
  #queues: (QueueBuffers | undefined)[];

  constructor(what: VirtioFunction, memory: GuestMemory, signals: VirtioSignals) {
    this.#function = what;
    this.#memory = memory;
    this.#signals = signals;
    this.#registers = what.queueSizes.map(unused);
    this.#queues = what.queueSizes.map(() => undefined);
  }

  get status(): number {
    return this.#status;
  }

  /** Register `queue_select` names; undefined if there is no such queue. */
  queue(index: number): QueueRegisters | undefined {
    return this.#registers[index];
  }

  /** A word of the features that are offered. */
  offered(word: number): number {
    return featureWord([...COMMON_FEATURES, ...this.#function.features], word);
  }

  /** A word of the features that the driver took. */
  accepted(word: number): number {
    return this.#driverFeatures[word] ?? 0;
  }

  /** The driver takes features; not once they are agreed upon. [virtio 1.2 3.1.1] */
  accept(word: number, value: number): void {
    if (word < 2 && (this.#status & VIRTIO_STATUS.FEATURES_OK) === 0) this.#driverFeatures[word as 0 | 1] = value >>> 0;
  }

  /** A write to the device status; 0 resets. */
  setStatus(value: number): void {
    if (value === 0) return this.reset();
    const added = value & ~this.#status;
    this.#status |= value;
    if (added & VIRTIO_STATUS.FEATURES_OK && !this.#isAgreed()) this.#status &= ~VIRTIO_STATUS.FEATURES_OK;
    if (added & VIRTIO_STATUS.DRIVER_OK) this.#function.start?.(this.#features());
  }

  /** The driver changes the size of a queue that is not in use. */
  setQueueSize(index: number, size: number): void {
    const queue = this.#registers[index];
    const most = this.#function.queueSizes[index] ?? 0;
    if (queue && !queue.enabled && size >= 1 && size <= most) queue.size = size;
  }

  /** A write of 1 to queue_enable. */
  enableQueue(index: number): void {
    const queue = this.#registers[index];
    if (!queue || queue.enabled) return;
    const packed = this.#has(VIRTIO_F.RING_PACKED);
    if (!packed && (queue.size & (queue.size - 1)) !== 0) return this.fail();
    queue.enabled = true;
    this.#queues[index] = this.#makeQueue(queue, null);
  }

  /** The driver says that there are buffers, or the function has something for them. */
  notify(index: number): void {
    const queue = this.#queues[index];
    if (!queue || !this.isLive) return;
    try {
      this.#process(index, queue);
    } catch (error) {
      if (!(error instanceof QueueError || error instanceof RangeError)) throw error;
      this.fail();
    }
  }

  /** The driver is ready and the device has not failed. */
  get isLive(): boolean {
    return (this.#status & (VIRTIO_STATUS.DRIVER_OK | VIRTIO_STATUS.NEEDS_RESET)) === VIRTIO_STATUS.DRIVER_OK;
  }

  /** The device cannot go on until it is reset. [virtio 1.2 2.1.2] */
  fail(): void {
    this.#status |= VIRTIO_STATUS.NEEDS_RESET;
    if (this.#status & VIRTIO_STATUS.DRIVER_OK) this.#signals.configInterrupt();
  }

  reset(): void {
    this.#status = 0;
    this.#driverFeatures = [0, 0];
    this.#registers = this.#function.queueSizes.map(unused);
    this.#queues = this.#queues.map(() => undefined);
    this.#function.reset?.();
  }

  snapshot(): VirtioDeviceState {
    const queues = this.#registers.map((queue, index) => ({
      ...queue,
      progress: copied(this.#queues[index]?.queue.state),
    }));
    return { status: this.#status, driverFeatures: [...this.#driverFeatures], queues };
  }

  restore(state: VirtioDeviceState): void {
    this.reset();
    this.#status = state.status;
    this.#driverFeatures = [...state.driverFeatures];
    this.#registers = state.queues.map(({ progress: _, ...registers }) => registers);
    this.#queues = state.queues.map((queue) => (queue.enabled ? this.#makeQueue(queue, queue.progress) : undefined));
    if (this.isLive) this.#function.start?.(this.#features());
  }

  /** The driver is to notify only if the function wanted more buffers; those that came meanwhile are processed too. */
  #process(index: number, buffers: QueueBuffers): void {
    const { queue } = buffers;
    buffers.lacks = false;
    queue.wantNotifications(false);
    this.#function.process(index, buffers);
    queue.publish();
    if (buffers.lacks) {
      queue.wantNotifications(true);
      this.#function.process(index, buffers);
      queue.publish();
    }
    if (queue.takeInterrupt()) this.#signals.queueInterrupt(index);
  }

  #makeQueue(queue: QueueRegisters, progress: QueueState | null): QueueBuffers {
    const config = {
      size: queue.size,
      desc: address(queue.desc),
      driver: address(queue.driver),
      device: address(queue.device),
      eventIdx: this.#has(VIRTIO_F.EVENT_IDX),
      indirect: this.#has(VIRTIO_F.INDIRECT_DESC),
    };
    const Kind = this.#has(VIRTIO_F.RING_PACKED) ? PackedQueue : SplitQueue;
    return new QueueBuffers(new Kind(this.#memory, config, progress ?? undefined), this.#memory);
  }

  #isAgreed(): boolean {
    const excess = [0, 1].some((word) => (this.accepted(word) & ~this.offered(word)) !== 0);
    return !excess && this.#has(VIRTIO_F.VERSION_1);
  }

  #has(bit: number): boolean {
    return ((this.accepted(bit >>> 5) >>> (bit & 31)) & 1) !== 0;
  }

  #features(): ReadonlySet<number> {
    return new Set(Array.from({ length: 64 }, (_, bit) => bit).filter((bit) => this.#has(bit)));
  }
}

function copied(state: QueueState | undefined): QueueState | null {
  return state === undefined ? null : { ...state };
}

function unused(size: number): QueueRegisters {
  return { size, enabled: false, desc: [0, 0], driver: [0, 0], device: [0, 0] };
}

function address([low, high]: readonly [number, number]): number {
  return high * 2 ** 32 + (low >>> 0);
}

function featureWord(bits: readonly number[], word: number): number {
  return bits.filter((bit) => bit >>> 5 === word).reduce((value, bit) => (value | (1 << (bit & 31))) >>> 0, 0);
}
