import type { NetBackend } from "../../backend/net/net-backend.ts";
import { VIRTIO_ID } from "../../spec/virtio/virtio.ts";
import { NET_CFG, NET_HDR, NET_PACKET_MAXIMUM, VIRTIO_NET_F, VIRTIO_NET_QUEUE } from "../../spec/virtio/virtio-net.ts";
import { QueueError } from "./descriptor-chain.ts";
import type { BufferQueue, VirtioFunction } from "./virtio-device.ts";

export interface VirtioNetConfig {
  readonly name: string;
  /** Six bytes. */
  readonly mac: Uint8Array;
  readonly mtu: number;
}

const QUEUE_SIZE = 256;
/** Buffers that one frame may be spread over. */
const MERGED_MAXIMUM = 64;

/** A network card with one pair of queues. [virtio 1.2 5.1] */
export class VirtioNet implements VirtioFunction {
  readonly name: string;
  readonly type = VIRTIO_ID.NET;
  readonly queueSizes = [QUEUE_SIZE, QUEUE_SIZE];
  readonly features = [
    VIRTIO_NET_F.CSUM,
    VIRTIO_NET_F.GUEST_CSUM,
    VIRTIO_NET_F.MTU,
    VIRTIO_NET_F.MAC,
    VIRTIO_NET_F.GUEST_TSO4,
    VIRTIO_NET_F.HOST_TSO4,
    VIRTIO_NET_F.MRG_RXBUF,
    VIRTIO_NET_F.STATUS,
  ];
  readonly config = new Uint8Array(NET_CFG.length);
  readonly #backend: NetBackend;
  #merges = false;
  /** The guest sent more than the backend takes: its buffers wait. */
  #blocked = false;

  constructor({ name, mac, mtu }: VirtioNetConfig, backend: NetBackend) {
    this.name = name;
    this.#backend = backend;
    this.config.set(mac, NET_CFG.mac);
    const view = new DataView(this.config.buffer);
    view.setUint16(NET_CFG.status, NET_CFG.STATUS_LINK_UP, true);
    view.setUint16(NET_CFG.max_virtqueue_pairs, 1, true);
    view.setUint16(NET_CFG.mtu, mtu, true);
  }

  /** A frame waits for the guest's buffers, or the guest's for the backend. */
  get needsAttention(): boolean {
    return this.#blocked || this.#backend.peek() !== undefined;
  }

  start(features: ReadonlySet<number>): void {
    this.#merges = features.has(VIRTIO_NET_F.MRG_RXBUF);
    const checksum = features.has(VIRTIO_NET_F.GUEST_CSUM);
    this.#backend.setOffloads(checksum, checksum && this.#merges && features.has(VIRTIO_NET_F.GUEST_TSO4));
  }

  reset(): void {
    this.#blocked = false;
    this.#backend.setOffloads(false, false);
  }

  process(queue: number, buffers: BufferQueue): void {
    if (queue === VIRTIO_NET_QUEUE.TRANSMIT) this.#transmit(buffers);
    else this.#receive(buffers);
  }

  #transmit(buffers: BufferQueue): void {
    for (let sent = 0; ; sent++) {
      const place = this.#backend.reserve(NET_HDR.LENGTH + NET_PACKET_MAXIMUM);
      const chain = place && buffers.take();
      this.#blocked = place === undefined;
      if (sent > 0 && !chain) this.#backend.notify();
      if (!place || !chain) return;
      if (chain.readable <= NET_HDR.LENGTH || chain.readable > place.length)
        throw new QueueError("a packet is too short or too long");
      chain.read(0, place.subarray(0, chain.readable));
      this.#backend.commit(chain.readable);
      buffers.give(chain, 0);
    }
  }

  /** A frame goes into one buffer, or is spread over several; the first then says how many. What does not fit is cut off. */
  #receive(buffers: BufferQueue): void {
    for (let frame = this.#backend.peek(); frame; frame = this.#backend.peek()) {
      const group = buffers.takeGroup(frame.length, this.#merges ? MERGED_MAXIMUM : 1);
      if (group === undefined) return;
      new DataView(frame.buffer, frame.byteOffset).setUint16(NET_HDR.NUM_BUFFERS, group.length, true);
      let done = 0;
      for (const chain of group) {
        const length = Math.min(frame.length - done, chain.writable);
        chain.write(0, frame.subarray(done, done + length));
        buffers.give(chain, length);
        done += length;
      }
      this.#backend.drop();
    }
  }
}
