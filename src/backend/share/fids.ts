import { closeSync } from "node:fs";
import { P9Error } from "./p9-message.ts";

/** What a fid of the guest's stands for. */
export interface Fid {
  /** A descriptor of it that neither reads nor writes. */
  readonly fd: number;
  /** The target, if it is a symbolic link. */
  readonly target: Buffer | undefined;
  /** The descriptor that reads or writes, once it was opened. */
  io: number | undefined;
  /** Names in a directory, as they were when it was read from its start. */
  names: readonly Buffer[] | undefined;
}

/** Descriptors are the host's and not plenty. */
const FIDS_MAXIMUM = 4096;

/** The fids that a guest holds, each with its descriptors. */
export class Fids {
  readonly #fids = new Map<number, Fid>();

  /** Throws P9Error. */
  get(number: number): Fid {
    const fid = this.#fids.get(number);
    if (fid === undefined) throw new P9Error("EBADF");
    return fid;
  }

  /** The descriptor that a fid reads or writes by. Throws P9Error. */
  io(number: number): number {
    const { io } = this.get(number);
    if (io === undefined) throw new P9Error("EBADF");
    return io;
  }

  /** Throws P9Error if a fid of that number cannot be made. */
  checkFree(number: number): void {
    if (this.#fids.has(number)) throw new P9Error("EBADF");
    if (this.#fids.size >= FIDS_MAXIMUM) throw new P9Error("EMFILE");
  }

  /** Enters a fid in place of the one that has its number. */
  set(number: number, fd: number, target?: Buffer, io?: number): void {
    this.remove(number);
    this.#fids.set(number, { fd, target, io, names: undefined });
  }

  remove(number: number): void {
    const fid = this.#fids.get(number);
    if (fid === undefined) return;
    this.#fids.delete(number);
    closeSync(fid.fd);
    if (fid.io !== undefined && fid.io !== fid.fd) closeSync(fid.io);
  }

  clear(): void {
    for (const number of [...this.#fids.keys()]) this.remove(number);
  }
}
