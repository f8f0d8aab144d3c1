import { Duplex } from "node:stream";
import type { ChannelPort } from "../backend/chardev/ring-backend.ts";

/** How the bytes of a channel stand for those of a stream. */
export interface StreamCodec {
  /** Takes what came from the guest; returns what of it is for the reader. */
  decode(bytes: Uint8Array): Uint8Array;
  /** What to send the guest for bytes that were written. */
  encode(bytes: Uint8Array): Uint8Array;
  /** What to send the guest when the writer has ended. */
  end(): Uint8Array;
  /** Resolves when the guest may be sent something. */
  readonly ready: Promise<void>;
  /** No more will come from the guest. */
  over(): void;
}

/** Bytes as they are. */
export const RAW: StreamCodec = {
  decode: (bytes) => bytes,
  encode: (bytes) => bytes,
  end: () => new Uint8Array(0),
  ready: Promise.resolve(),
  over() {},
};

/**
 * The outside of a guest's serial port as a stream of Node's: reading gives the guest's output and ends with the machine,
 * writing waits while the guest does not take its input. Output that nobody reads makes the guest wait.
 */
export class GuestStream extends Duplex {
  readonly #port: ChannelPort;
  readonly #codec: StreamCodec;
  #resume: (() => void) | undefined;

  constructor(port: ChannelPort, codec: StreamCodec = RAW) {
    super();
    this.#port = port;
    this.#codec = codec;
    void this.#drain();
  }

  override _read(): void {
    this.#resume?.();
    this.#resume = undefined;
  }

  override _write(chunk: Uint8Array, _encoding: string, done: (error?: Error) => void): void {
    this.#send(this.#codec.encode(chunk)).then(() => done(), done);
  }

  override _final(done: (error?: Error) => void): void {
    this.#send(this.#codec.end()).then(() => done(), done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#port.close();
    done(error);
  }

  async #send(bytes: Uint8Array): Promise<void> {
    await this.#codec.ready;
    await this.#port.send(bytes);
  }

  async #drain(): Promise<void> {
    await this.#port.drain(async (bytes) => {
      const output = this.#codec.decode(bytes);
      if (output.length === 0 || this.push(output)) return;
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
    });
    this.#codec.over();
    this.push(null);
  }
}
