import { KvmError } from "../../kvm/errno.ts";
import type { EventFd } from "../../kvm/eventfd.ts";
import { EBADF } from "../../spec/kvm/errno.ts";
import { O_CLOEXEC, O_NONBLOCK } from "../../spec/linux.ts";
import type { Ffi } from "./ffi.ts";
import { checked } from "./kvm-fd.ts";

/** A real eventfd(2). Threads share it by its descriptor. */
export class HostEventFd implements EventFd {
  readonly fd: number;
  readonly #ffi: Ffi;
  readonly #one = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
  readonly #count = new DataView(new ArrayBuffer(8));
  readonly #countBytes = new Uint8Array(this.#count.buffer);
  readonly #stops = new Set<() => void>();

  /** `fd`: an eventfd of another thread; without it a new one is made. */
  constructor(ffi: Ffi, fd = checked("eventfd", ffi.eventfd(O_CLOEXEC | O_NONBLOCK))) {
    this.#ffi = ffi;
    this.fd = fd;
  }

  signal(): void {
    this.#ffi.write(this.fd, this.#one);
  }

  take(): number {
    return this.#ffi.read(this.fd, this.#countBytes) === 8 ? this.#count.getUint32(0, true) : 0;
  }

  wait(milliseconds = -1): number {
    this.#ffi.waitReadable(this.fd, milliseconds);
    return this.take();
  }

  listen(listener: (event: EventFd) => void): () => void {
    const end = this.#ffi.onReadable(this.fd, () => listener(this));
    const stop = () => {
      if (this.#stops.delete(stop)) end();
    };
    this.#stops.add(stop);
    return stop;
  }

  close(): void {
    for (const stop of [...this.#stops]) stop();
    this.#ffi.close(this.fd);
  }
}

/** The descriptor of an eventfd of this engine. */
export function descriptorOf(ioctl: string, event: EventFd): number {
  if (!(event instanceof HostEventFd)) throw new KvmError(ioctl, EBADF, "an eventfd of another engine");
  return event.fd;
}
