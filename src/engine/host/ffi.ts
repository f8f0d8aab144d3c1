import { createRequire } from "node:module";
import { UserError } from "../../base/assert.ts";
import {
  CLOCK_MONOTONIC,
  POLLIN,
  SIGEV_THREAD_ID,
  SYS_TIMER_CREATE,
  SYS_TIMER_DELETE,
  SYS_TIMER_SETTIME,
} from "../../spec/linux.ts";

/*
 * The only file that calls C. Everything else of the host engine speaks of descriptors, requests and byte arrays.
 * Pointers are numbers: user addresses on x86-64 are below 2^47.
 */

type CFunction = (...values: unknown[]) => number;

/** What is used of koffi. */
interface Koffi {
  load(path: null): {
    func(name: string, result: string, parameters: string[]): CFunction;
    symbol(name: string): unknown;
  };
  errno(): number;
  address(value: unknown): unknown;
  view(pointer: unknown, length: number): ArrayBuffer;
  node: {
    poll(fd: number, options: { readable: boolean }, callback: () => void): { close(): void };
  };
}

/** The system calls of this thread. A call that fails returns a negative errno, as the kernel itself does. */
export class Ffi {
  readonly #koffi: Koffi;
  readonly #ioctl: CFunction;
  readonly #ioctlNumber: CFunction;
  readonly #open: CFunction;
  readonly #close: CFunction;
  readonly #mmap: CFunction;
  readonly #munmap: CFunction;
  readonly #madvise: CFunction;
  readonly #eventfd: CFunction;
  readonly #read: CFunction;
  readonly #write: CFunction;
  readonly #poll: CFunction;
  readonly #gettid: CFunction;
  readonly #tgkill: CFunction;
  readonly #signal: CFunction;
  readonly #syscall: CFunction;
  /** A C function of one int that does nothing to be seen: what a signal handler must be that only interrupts. */
  readonly #harmless: unknown;
  readonly #pollfd = new DataView(new ArrayBuffer(8));

  constructor(koffi: Koffi) {
    this.#koffi = koffi;
    const c = koffi.load(null);
    this.#ioctl = c.func("ioctl", "int", ["int", "ulong", "void *"]);
    this.#ioctlNumber = c.func("ioctl", "int", ["int", "ulong", "uintptr_t"]);
    this.#open = c.func("open", "int", ["str", "int"]);
    this.#close = c.func("close", "int", ["int"]);
    this.#mmap = c.func("mmap", "intptr_t", ["uintptr_t", "size_t", "int", "int", "int", "long"]);
    this.#munmap = c.func("munmap", "int", ["uintptr_t", "size_t"]);
    this.#madvise = c.func("madvise", "int", ["uintptr_t", "size_t", "int"]);
    this.#eventfd = c.func("eventfd", "int", ["uint", "int"]);
    this.#read = c.func("read", "long", ["int", "void *", "size_t"]);
    this.#write = c.func("write", "long", ["int", "void *", "size_t"]);
    this.#poll = c.func("poll", "int", ["void *", "ulong", "int"]);
    this.#gettid = c.func("gettid", "int", []);
    this.#tgkill = c.func("tgkill", "int", ["int", "int", "int"]);
    this.#signal = c.func("signal", "void *", ["int", "void *"]);
    this.#syscall = c.func("syscall", "long", ["long", "uintptr_t", "uintptr_t", "uintptr_t", "uintptr_t"]);
    this.#harmless = c.symbol("abs");
  }

  /** `argument`: the record that the request reads or fills. */
  ioctl(fd: number, request: number, argument: Uint8Array): number {
    return this.#checked(this.#ioctl(fd, request, argument));
  }

  /** A request whose argument is a number. */
  ioctlNumber(fd: number, request: number, argument: number): number {
    return this.#checked(this.#ioctlNumber(fd, request, argument));
  }

  open(path: string, flags: number): number {
    return this.#checked(this.#open(path, flags));
  }

  close(fd: number): void {
    this.#close(fd);
  }

  /** Returns the address. */
  mmap(address: number, length: number, protection: number, flags: number, fd: number, offset = 0): number {
    return this.#checked(this.#mmap(address, length, protection, flags, fd, offset));
  }

  munmap(address: number, length: number): void {
    this.#munmap(address, length);
  }

  madvise(address: number, length: number, advice: number): number {
    return this.#checked(this.#madvise(address, length, advice));
  }

  eventfd(flags: number): number {
    return this.#checked(this.#eventfd(0, flags));
  }

  read(fd: number, into: Uint8Array): number {
    return this.#checked(this.#read(fd, into, into.length));
  }

  write(fd: number, from: Uint8Array): number {
    return this.#checked(this.#write(fd, from, from.length));
  }

  /** Blocks until `fd` can be read or the time is over (-1: forever); true if it can. */
  waitReadable(fd: number, milliseconds: number): boolean {
    this.#pollfd.setInt32(0, fd, true);
    this.#pollfd.setInt16(4, POLLIN, true);
    return this.#poll(this.#pollfd, 1, milliseconds) > 0;
  }

  /** Calls `listener` from the event loop whenever `fd` can be read; the function returned stops that. */
  onReadable(fd: number, listener: () => void): () => void {
    const handle = this.#koffi.node.poll(fd, { readable: true }, listener);
    return () => handle.close();
  }

  /** The kernel's number of this thread. */
  gettid(): number {
    return this.#gettid();
  }

  /** Sends a signal to a thread of this process. */
  tgkill(tid: number, signal: number): number {
    return this.#checked(this.#tgkill(process.pid, tid, signal));
  }

  /** Lets a signal interrupt system calls of whatever thread it is sent to, and do nothing else. */
  interruptBy(signal: number): void {
    this.#signal(signal, this.#harmless);
  }

  /**
   * Sends this thread a signal again and again, so that no system call of it lasts longer; the function returned ends
   * that. Throws nothing: without timers calls last as long as they do.
   */
  interruptEvery(milliseconds: number, signal: number): () => void {
    const event = new Int32Array(16);
    event.set([signal, SIGEV_THREAD_ID, this.gettid()], 2);
    const timer = new Int32Array(1);
    this.#syscall(SYS_TIMER_CREATE, CLOCK_MONOTONIC, this.address(bytesOf(event)), this.address(bytesOf(timer)), 0);
    const nanoseconds = milliseconds * 1e6;
    // the interval and the first time, each in whole seconds and nanoseconds, 64 bits each
    const time = [Math.floor(nanoseconds / 1e9), 0, nanoseconds % 1e9, 0];
    const words = Int32Array.from([...time, ...time]);
    this.#syscall(SYS_TIMER_SETTIME, timer[0], 0, this.address(bytesOf(words)), 0);
    return () => this.#syscall(SYS_TIMER_DELETE, timer[0], 0, 0, 0);
  }

  /** Where bytes lie; those of a shared WebAssembly.Memory never move. */
  address(bytes: Uint8Array): number {
    return Number(this.#koffi.address(bytes));
  }

  /** The bytes at an address, without a copy. They must stay mapped as long as anybody holds the view. */
  view(address: number, length: number): Uint8Array {
    return new Uint8Array(this.#koffi.view(BigInt(address), length)); // bigint: koffi's pointers; once a mapping
  }

  #checked(result: number): number {
    return result === -1 ? -this.#koffi.errno() : result;
  }
}

function bytesOf(words: Int32Array): Uint8Array {
  return new Uint8Array(words.buffer);
}

let loaded: Ffi | undefined;

/** The system calls. Throws UserError if this system is none of the kind, or koffi is not installed. */
export function loadFfi(): Ffi {
  loaded ??= new Ffi(loadKoffi());
  return loaded;
}

function loadKoffi(): Koffi {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new UserError(`the host engine needs Linux on x86-64, not ${process.platform} on ${process.arch}`);
  try {
    return createRequire(import.meta.url)("koffi") as Koffi;
  } catch (error) {
    throw new UserError(
      "the npm package koffi, by which the host engine calls the kernel, cannot be loaded",
      "Run `npm install koffi`; it is an optional dependency and comes compiled.",
      { cause: error },
    );
  }
}
