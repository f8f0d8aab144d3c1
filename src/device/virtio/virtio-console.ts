import {
  CONSOLE_NOTE,
  CONSOLE_REQUEST,
  type ConsoleMessage,
  type GuestConsole,
} from "../../backend/console/console-link.ts";
import { VIRTIO_ID } from "../../spec/virtio/virtio.ts";
import {
  CONSOLE_CFG,
  CONSOLE_CONTROL,
  CONSOLE_EVENT,
  CONSOLE_QUEUE,
  CONSOLE_RESIZE,
  VIRTIO_CONSOLE_F,
} from "../../spec/virtio/virtio-console.ts";
import { QueueError } from "./descriptor-chain.ts";
import type { BufferQueue, VirtioFunction } from "./virtio-device.ts";

const QUEUE_SIZE = 16;
const CONTROL_QUEUE_SIZE = 64;
/** More control messages than a driver that takes them lets wait; further ones are lost. */
const WAITING_MAXIMUM = 1024;
const PIECE = 4096;

/** A port as the driver knows it. */
interface Port {
  added: boolean;
  isTerminal: boolean;
  /** The driver has it and was told of it. */
  ready: boolean;
  /** Somebody in the guest has opened it: Linux drops what comes while nobody has. */
  open: boolean;
  /** Its output found no room outside. */
  blocked: boolean;
  size: readonly [rows: number, cols: number] | undefined;
}

/** A console with ports that come as they are asked for, streams of bytes and terminals. [virtio 1.2 5.3] */
export class VirtioConsole implements VirtioFunction {
  readonly name = "virtio-console";
  readonly type = VIRTIO_ID.CONSOLE;
  readonly queueSizes: readonly number[];
  readonly features = [VIRTIO_CONSOLE_F.SIZE, VIRTIO_CONSOLE_F.MULTIPORT];
  readonly config = new Uint8Array(CONSOLE_CFG.length);
  /** Makes the device look at a queue; set by who makes the device. */
  wake: (queue: number) => void = () => {};
  readonly #outside: GuestConsole;
  readonly #ports: Port[];
  readonly #piece = new Uint8Array(PIECE);
  readonly #control = new Uint8Array(CONSOLE_CONTROL.BYTES);
  /** Control messages that wait for the driver's buffers. */
  #waiting: Uint8Array[] = [];
  #driverReady = false;

  constructor(outside: GuestConsole) {
    this.#outside = outside;
    this.#ports = Array.from({ length: outside.ports }, newPort);
    const sizes = this.#ports.flatMap((_, port) =>
      (port === 1 ? [CONTROL_QUEUE_SIZE, CONTROL_QUEUE_SIZE] : []).concat([QUEUE_SIZE, QUEUE_SIZE]),
    );
    this.queueSizes = outside.ports === 1 ? [...sizes, CONTROL_QUEUE_SIZE, CONTROL_QUEUE_SIZE] : sizes;
    new DataView(this.config.buffer).setUint32(CONSOLE_CFG.max_nr_ports, outside.ports, true);
  }

  /** Does what was asked for outside, passes input on, and output that had to wait. */
  poll(): void {
    if (!this.#outside.takeAttention()) return;
    for (let request = this.#outside.takeRequest(); request; request = this.#outside.takeRequest())
      this.#carryOut(request);
    for (const [port, { open, blocked }] of this.#ports.entries()) {
      if (blocked) this.wake(transmitQueue(port));
      if (open && this.#outside.hasInput(port)) this.wake(receiveQueue(port));
    }
  }

  reset(): void {
    for (const port of this.#ports) Object.assign(port, { ready: false, open: false, blocked: false });
    this.#waiting = [];
    this.#driverReady = false;
    this.#outside.note(CONSOLE_NOTE.RESET);
  }

  process(queue: number, buffers: BufferQueue): void {
    if (queue === CONSOLE_QUEUE.CONTROL_RECEIVE) return this.#sendControl(buffers);
    if (queue === CONSOLE_QUEUE.CONTROL_TRANSMIT) return this.#hearControl(buffers);
    const port = queue < CONSOLE_QUEUE.CONTROL_RECEIVE ? 0 : (queue >>> 1) - 1;
    if ((queue & 1) === 0) this.#receive(port, buffers);
    else this.#transmit(port, buffers);
  }

  #receive(port: number, buffers: BufferQueue): void {
    while (this.#ports[port]!.open && this.#outside.hasInput(port)) {
      const chain = buffers.take();
      if (chain === undefined) return;
      const bytes = this.#piece.subarray(0, Math.min(PIECE, chain.writable));
      const length = this.#outside.read(port, bytes);
      chain.write(0, bytes.subarray(0, length));
      buffers.give(chain, length);
    }
  }

  #transmit(port: number, buffers: BufferQueue): void {
    const state = this.#ports[port]!;
    state.blocked = false;
    for (let chain = buffers.take(); chain; chain = buffers.take()) {
      if (!this.#outside.canSend(chain.readable)) throw new QueueError("an output is too long");
      const bytes = chain.readable <= PIECE ? this.#piece.subarray(0, chain.readable) : new Uint8Array(chain.readable);
      chain.read(0, bytes);
      if (!this.#outside.write(port, bytes)) {
        buffers.putBack();
        state.blocked = true;
        return;
      }
      buffers.give(chain, 0);
    }
  }

  #sendControl(buffers: BufferQueue): void {
    while (this.#waiting.length > 0) {
      const chain = buffers.take();
      if (chain === undefined) return;
      const message = this.#waiting.shift()!;
      const length = Math.min(message.length, chain.writable);
      chain.write(0, message.subarray(0, length));
      buffers.give(chain, length);
    }
  }

  #hearControl(buffers: BufferQueue): void {
    const view = new DataView(this.#control.buffer);
    for (let chain = buffers.take(); chain; chain = buffers.take()) {
      if (chain.readable < CONSOLE_CONTROL.BYTES) throw new QueueError("a control message is too short");
      chain.read(0, this.#control);
      const [event, value] = [view.getUint16(CONSOLE_CONTROL.EVENT, true), view.getUint16(CONSOLE_CONTROL.VALUE, true)];
      this.#hear(view.getUint32(CONSOLE_CONTROL.ID, true), event, value);
      buffers.give(chain, 0);
    }
    this.wake(CONSOLE_QUEUE.CONTROL_RECEIVE);
  }

  #hear(id: number, event: number, value: number): void {
    const port = this.#ports[id];
    if (event === CONSOLE_EVENT.DEVICE_READY) this.#introduce(value === 1);
    if (port === undefined || !port.added) return;
    if (event === CONSOLE_EVENT.PORT_READY && value === 1) this.#portReady(id, port);
    if (event === CONSOLE_EVENT.PORT_OPEN && port.ready) this.#portOpened(id, port, value === 1);
  }

  #introduce(ready: boolean): void {
    this.#driverReady = ready;
    if (!ready) return;
    for (const [id, { added }] of this.#ports.entries()) if (added) this.#say(id, CONSOLE_EVENT.DEVICE_ADD);
  }

  #portReady(id: number, port: Port): void {
    port.ready = true;
    if (port.isTerminal) this.#say(id, CONSOLE_EVENT.CONSOLE_PORT, 1);
    this.#say(id, CONSOLE_EVENT.PORT_OPEN, 1);
    this.#saySize(id, port);
    this.#outside.note(CONSOLE_NOTE.READY, id);
  }

  #portOpened(id: number, port: Port, open: boolean): void {
    port.open = open;
    this.#outside.note(open ? CONSOLE_NOTE.OPENED : CONSOLE_NOTE.CLOSED, id);
    if (open) this.wake(receiveQueue(id));
  }

  #carryOut({ op, port: id, values }: ConsoleMessage): void {
    const port = this.#ports[id];
    if (port === undefined) return;
    if (op === CONSOLE_REQUEST.DISCARD) this.#outside.discard(id);
    if (op === CONSOLE_REQUEST.RESIZE) {
      port.size = values;
      if (port.ready) this.#saySize(id, port);
    }
    if (op !== CONSOLE_REQUEST.ADD || port.added) return;
    Object.assign(port, { added: true, isTerminal: values[0] === 1 });
    if (this.#driverReady) this.#say(id, CONSOLE_EVENT.DEVICE_ADD);
  }

  #saySize(id: number, { isTerminal, size }: Port): void {
    if (!isTerminal || size === undefined) return;
    const message = control(id, CONSOLE_EVENT.RESIZE, 0, CONSOLE_RESIZE.BYTES);
    const view = new DataView(message.buffer);
    view.setUint16(CONSOLE_RESIZE.ROWS, size[0], true);
    view.setUint16(CONSOLE_RESIZE.COLS, size[1], true);
    this.#queueMessage(message);
  }

  #say(id: number, event: number, value = 0): void {
    this.#queueMessage(control(id, event, value));
  }

  #queueMessage(message: Uint8Array): void {
    if (this.#waiting.length >= WAITING_MAXIMUM) return;
    this.#waiting.push(message);
    this.wake(CONSOLE_QUEUE.CONTROL_RECEIVE);
  }
}

function newPort(): Port {
  return { added: false, isTerminal: false, ready: false, open: false, blocked: false, size: undefined };
}

function receiveQueue(port: number): number {
  return port === 0 ? 0 : 2 * port + 2;
}

function transmitQueue(port: number): number {
  return receiveQueue(port) + 1;
}

function control(id: number, event: number, value: number, length: number = CONSOLE_CONTROL.BYTES): Uint8Array {
  const message = new Uint8Array(length);
  const view = new DataView(message.buffer);
  view.setUint32(CONSOLE_CONTROL.ID, id, true);
  view.setUint16(CONSOLE_CONTROL.EVENT, event, true);
  view.setUint16(CONSOLE_CONTROL.VALUE, value, true);
  return message;
}
