/** The ports of a console between the device's thread and the program's. */

import { ByteRing } from "../chardev/byte-ring.ts";

const OUTPUT_BYTES = 131_072;
const INPUT_BYTES = 65_536;
const MESSAGES_BYTES = 4096;
/** Notes that wait for the program; a guest that makes more loses them. */
const NOTES_MAXIMUM = 4096;
/** op[1] port[1] first[2] second[2] */
const MESSAGE_BYTES = 6;

/** What the program asks of the device. */
export const CONSOLE_REQUEST = {
  /** Shows the guest a port; its first value says whether that is a terminal. */
  ADD: 1,
  /** Gives a terminal its size: rows and columns. */
  RESIZE: 2,
  /** Drops input that the guest has not taken; answered by DISCARDED. */
  DISCARD: 3,
} as const;

/** What the device tells the program. */
export const CONSOLE_NOTE = {
  /** The guest has begun anew: it knows no ports. */
  RESET: 1,
  /** The guest has the port. */
  READY: 2,
  OPENED: 3,
  CLOSED: 4,
  DISCARDED: 5,
} as const;

/** A message between the two, either way. */
export interface ConsoleMessage {
  readonly op: number;
  readonly port: number;
  readonly values: readonly [number, number];
}

/** The shared memory of a console. It can be posted. */
export interface SharedConsole {
  readonly requests: SharedArrayBuffer;
  readonly notes: SharedArrayBuffer;
  readonly outputs: readonly SharedArrayBuffer[];
  readonly inputs: readonly SharedArrayBuffer[];
  /** A word that is set when the device has something to do. */
  readonly attention: Int32Array;
}

/** The memory of a console with so many ports. */
export function createConsole(ports: number): SharedConsole {
  const rings = (bytes: number) => Array.from({ length: ports }, () => ByteRing.create(bytes).shared);
  return {
    requests: ByteRing.create(MESSAGES_BYTES).shared,
    notes: ByteRing.create(MESSAGES_BYTES).shared,
    outputs: rings(OUTPUT_BYTES),
    inputs: rings(INPUT_BYTES),
    attention: new Int32Array(new SharedArrayBuffer(4)),
  };
}

/** The device's end. Nothing here waits. */
export class GuestConsole {
  readonly ports: number;
  readonly #requests: ByteRing;
  readonly #notes: ByteRing;
  readonly #outputs: readonly ByteRing[];
  readonly #inputs: readonly ByteRing[];
  readonly #attention: Int32Array;
  /** Notes that found no room. */
  readonly #unsent: Uint8Array[] = [];

  constructor(shared: SharedConsole) {
    this.ports = shared.inputs.length;
    this.#requests = new ByteRing(shared.requests);
    this.#notes = new ByteRing(shared.notes);
    this.#outputs = shared.outputs.map((ring) => new ByteRing(ring));
    this.#inputs = shared.inputs.map((ring) => new ByteRing(ring));
    this.#attention = shared.attention;
  }

  /** Whether there may be requests, input, or room for output since the last call. */
  takeAttention(): boolean {
    return Atomics.load(this.#attention, 0) !== 0 && Atomics.exchange(this.#attention, 0, 0) !== 0;
  }

  takeRequest(): ConsoleMessage | undefined {
    this.#sendNotes();
    return this.#requests.available < MESSAGE_BYTES ? undefined : decode(this.#requests);
  }

  note(op: number, port = 0): void {
    if (this.#unsent.length >= NOTES_MAXIMUM) return;
    this.#unsent.push(encode({ op, port, values: [0, 0] }));
    this.#sendNotes();
  }

  /** Sends bytes out if there is room for all of them. */
  write(port: number, bytes: Uint8Array): boolean {
    const ring = this.#outputs[port]!;
    if (ring.space < bytes.length) return ring.closed;
    ring.write(bytes);
    return true;
  }

  /** Whether an output of so many bytes can ever be sent. */
  canSend(length: number): boolean {
    return length <= OUTPUT_BYTES;
  }

  hasInput(port: number): boolean {
    return this.#inputs[port]!.available > 0;
  }

  /** Takes input; returns the number of bytes. */
  read(port: number, into: Uint8Array): number {
    return this.#inputs[port]!.read(into);
  }

  /** Drops the input that has come. */
  discard(port: number): void {
    this.#inputs[port]!.readAll();
    this.note(CONSOLE_NOTE.DISCARDED, port);
  }

  #sendNotes(): void {
    while (this.#unsent.length > 0 && this.#notes.space >= MESSAGE_BYTES) this.#notes.write(this.#unsent.shift()!);
  }
}

/** The program's end. */
export class HostConsole {
  readonly #requests: ByteRing;
  readonly #notes: ByteRing;
  readonly #outputs: readonly ByteRing[];
  readonly #inputs: readonly ByteRing[];
  readonly #attention: Int32Array;
  readonly #kick: () => void;

  /** `kick` makes the device's thread look. */
  constructor(shared: SharedConsole, kick: () => void) {
    this.#requests = new ByteRing(shared.requests);
    this.#notes = new ByteRing(shared.notes);
    this.#outputs = shared.outputs.map((ring) => new ByteRing(ring));
    this.#inputs = shared.inputs.map((ring) => new ByteRing(ring));
    this.#attention = shared.attention;
    this.#kick = kick;
  }

  request(op: number, port: number, first = 0, second = 0): void {
    this.#requests.write(encode({ op, port, values: [first, second] }));
    this.#wake();
  }

  /** Passes on what the device tells, until the console is closed. */
  async serveNotes(hear: (note: ConsoleMessage) => void): Promise<void> {
    for (;;) {
      await this.#notes.dataReady();
      while (this.#notes.available >= MESSAGE_BYTES) hear(decode(this.#notes));
      if (this.#notes.closed) return;
      this.#wake();
    }
  }

  /** Resolves when a port has output, or the console is closed. */
  outputReady(port: number): Promise<void> {
    return this.#outputs[port]!.dataReady();
  }

  /** Takes the output of a port that has come. */
  takeOutput(port: number): Uint8Array {
    const bytes = this.#outputs[port]!.readAll();
    if (bytes.length > 0) this.#wake();
    return bytes;
  }

  get closed(): boolean {
    return this.#notes.closed;
  }

  /** Sends input, in pieces as there is room; ends early when `isOver`, or when the console is closed. */
  async send(port: number, bytes: Uint8Array, isOver: () => boolean = () => false): Promise<void> {
    const ring = this.#inputs[port]!;
    for (let sent = 0; sent < bytes.length && !ring.closed && !isOver(); ) {
      sent += ring.write(bytes.subarray(sent));
      this.#wake();
      if (sent < bytes.length) await ring.spaceReady();
    }
  }

  /** Ends all that waits. */
  close(): void {
    for (const ring of [this.#requests, this.#notes, ...this.#outputs, ...this.#inputs]) ring.close();
  }

  #wake(): void {
    Atomics.store(this.#attention, 0, 1);
    this.#kick();
  }
}

function encode({ op, port, values: [first, second] }: ConsoleMessage): Uint8Array {
  return Uint8Array.of(op, port, first & 0xff, first >>> 8, second & 0xff, second >>> 8);
}

function decode(ring: ByteRing): ConsoleMessage {
  const bytes = new Uint8Array(MESSAGE_BYTES);
  ring.read(bytes);
  const view = new DataView(bytes.buffer);
  return { op: bytes[0]!, port: bytes[1]!, values: [view.getUint16(2, true), view.getUint16(4, true)] };
}
