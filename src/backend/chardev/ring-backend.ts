import { ByteRing } from "./byte-ring.ts";
import type { CharBackend } from "./chardev.ts";

const OUTPUT_BYTES = 65536;
const INPUT_BYTES = 4096;

/** The shared memory of a character channel between the device's thread and the terminal's. It can be posted. */
export interface SharedChannel {
  readonly output: SharedArrayBuffer;
  readonly input: SharedArrayBuffer;
}

/** A new, empty channel. */
export function createChannel(): SharedChannel {
  return { output: ByteRing.create(OUTPUT_BYTES).shared, input: ByteRing.create(INPUT_BYTES).shared };
}

/** The device's end. A full output ring blocks the device's thread until the other end has read, or has closed it. */
export class RingBackend implements CharBackend {
  private readonly output: ByteRing;
  private readonly input: ByteRing;

  constructor(channel: SharedChannel) {
    this.output = new ByteRing(channel.output);
    this.input = new ByteRing(channel.input);
  }

  write(byte: number): void {
    while (!this.output.push(byte)) {
      if (this.output.closed) return;
      this.output.waitForSpace();
    }
  }

  read(): number {
    return this.input.shift();
  }

  /** No more output will come: the other end sees the end once it has read what is left. */
  close(): void {
    this.output.close();
    this.input.close();
  }
}

/** The outside end, in a thread that must not block. */
export class ChannelPort {
  private readonly output: ByteRing;
  private readonly input: ByteRing;
  private readonly kick: () => void;
  private lastSend: Promise<void> = Promise.resolve();

  /** `kick` is called after input was put into the channel: it makes the device's thread look. */
  constructor(channel: SharedChannel, kick: () => void) {
    this.output = new ByteRing(channel.output);
    this.input = new ByteRing(channel.input);
    this.kick = kick;
  }

  /** Sends input to the guest, in the order of the calls; resolves when all of it is in the channel. */
  send(bytes: Uint8Array): Promise<void> {
    this.lastSend = this.lastSend.then(() => this.sendNow(bytes));
    return this.lastSend;
  }

  /** Passes the guest's output on, a piece at a time as `write` accepts them, until the channel is closed and empty. */
  async drain(write: (bytes: Uint8Array<ArrayBuffer>) => Promise<void> | void): Promise<void> {
    for (;;) {
      await this.output.dataReady();
      if (this.output.available > 0) await write(this.output.readAll());
      else if (this.output.closed) return;
    }
  }

  /** Lets go of the channel: a device that waits for room goes on, its output is dropped. */
  close(): void {
    this.output.close();
    this.input.close();
  }

  private async sendNow(bytes: Uint8Array): Promise<void> {
    let sent = 0;
    while (sent < bytes.length && !this.input.closed) {
      sent += this.input.write(bytes.subarray(sent));
      this.kick();
      if (sent < bytes.length) await this.input.spaceReady();
    }
  }
}
