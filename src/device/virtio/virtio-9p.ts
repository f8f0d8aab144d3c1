import type { Responder } from "../../backend/share/responder.ts";
import { P9_CFG, P9_HEADER, VIRTIO_9P_F } from "../../spec/virtio/p9.ts";
import { VIRTIO_ID } from "../../spec/virtio/virtio.ts";
import { QueueError } from "./descriptor-chain.ts";
import type { BufferQueue, VirtioFunction } from "./virtio-device.ts";

const QUEUE_SIZE = 128;
/** The shortest reply that there is always room for: Rlerror. */
const ERROR_BYTES = P9_HEADER.BYTES + 4;

/** A folder that is shared by 9P messages: each buffer holds a request and has room for the reply. [virtio 1.2 5.12] */
export class Virtio9p implements VirtioFunction {
  readonly name: string;
  readonly type = VIRTIO_ID.P9;
  readonly queueSizes = [QUEUE_SIZE];
  readonly features = [VIRTIO_9P_F.MOUNT_TAG];
  readonly config: Uint8Array;
  readonly #server: Responder;
  readonly #request: Uint8Array;
  readonly #reply: Uint8Array;

  /** `tag`, in ASCII, is what the guest mounts it by. */
  constructor(name: string, tag: string, server: Responder) {
    this.name = name;
    this.#server = server;
    this.#request = new Uint8Array(server.longest);
    this.#reply = new Uint8Array(server.longest);
    this.config = new Uint8Array(P9_CFG.tag + tag.length);
    new DataView(this.config.buffer).setUint16(P9_CFG.tag_len, tag.length, true);
    for (let n = 0; n < tag.length; n++) this.config[P9_CFG.tag + n] = tag.charCodeAt(n);
  }

  reset(): void {
    this.#server.reset();
  }

  process(_queue: number, buffers: BufferQueue): void {
    for (let chain = buffers.take(); chain; chain = buffers.take()) {
      if (chain.readable < P9_HEADER.BYTES || chain.readable > this.#request.length || chain.writable < ERROR_BYTES)
        throw new QueueError("a message is too short or too long, or has no room for a reply");
      const request = this.#request.subarray(0, chain.readable);
      chain.read(0, request);
      const length = this.#server.respond(request, this.#reply.subarray(0, chain.writable));
      chain.write(0, this.#reply.subarray(0, length));
      buffers.give(chain, length);
    }
  }
}
