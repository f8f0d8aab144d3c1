import { closeSync, fdatasyncSync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from "node:fs";
import { UserError } from "../../base/assert.ts";
import type { Storage } from "./block.ts";
import { type FileLock, lockFile } from "./file-lock.ts";

export interface HostFileOptions {
  readonly readOnly?: boolean;
  /** false if the caller holds the file's lock. */
  readonly lock?: boolean | undefined;
  /** Make a new file; one that is there is an error. */
  readonly create?: boolean;
}

/** A file or block device of the host; while it is open for writing nobody else of us writes to it. */
export class HostFile implements Storage {
  readonly name: string;
  readonly readOnly: boolean;
  readonly #fd: number;
  readonly #lock: FileLock | undefined;
  #size: number;

  /** Opens a file. Throws UserError if it cannot be opened or somebody writes to it. */
  constructor(path: string, { readOnly = false, create = false, lock = true }: HostFileOptions = {}) {
    this.name = path;
    this.readOnly = readOnly;
    this.#fd = open(path, create ? "wx+" : readOnly ? "r" : "r+");
    try {
      this.#size = sizeOf(this.#fd, path);
      this.#lock = readOnly || !lock ? undefined : lockFile(path);
    } catch (error) {
      closeSync(this.#fd);
      throw error;
    }
  }

  size(): number {
    return this.#size;
  }

  read(offset: number, into: Uint8Array): void {
    let done = 0;
    while (done < into.length) {
      const count = readSync(this.#fd, into, done, into.length - done, offset + done);
      if (count === 0) break;
      done += count;
    }
    if (done < into.length) into.fill(0, done);
  }

  write(offset: number, data: Uint8Array): void {
    let done = 0;
    while (done < data.length) done += writeSync(this.#fd, data, done, data.length - done, offset + done);
    this.#size = Math.max(this.#size, offset + data.length);
  }

  truncate(size: number): void {
    ftruncateSync(this.#fd, size);
    this.#size = size;
  }

  flush(): void {
    if (!this.readOnly) fdatasyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
    this.#lock?.release();
  }
}

const REASONS: { readonly [code: string]: readonly [what: string, remedy: string] } = {
  ENOENT: ["does not exist", "Check the path, or make it with `tskvm disk create`."],
  EACCES: ["may not be opened", "Check its permissions; a disk that is only read can be opened read-only."],
  EPERM: ["may not be opened", "Check its permissions; a disk that is only read can be opened read-only."],
  EROFS: ["is on a read-only file system", "Open it read-only, or copy it elsewhere."],
  EEXIST: ["is there already", "Give another name, or remove it first."],
  EISDIR: ["is a directory", "Give the path of a disk image."],
  ETXTBSY: ["is being executed", "Give the path of a disk image."],
};

function open(path: string, flags: string): number {
  try {
    return openSync(path, flags);
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    const [what, remedy] = REASONS[code] ?? [`cannot be opened: ${message}`, "Check the path."];
    throw new UserError(`${path} ${what}`, remedy, { cause: error });
  }
}

/** A block device has no size in its inode: the end is found by reading. */
function sizeOf(fd: number, path: string): number {
  const stat = fstatSync(fd);
  if (stat.isFile()) return stat.size;
  if (!stat.isBlockDevice()) throw new UserError(`${path} is no file and no block device`, "Give a disk image.");
  const byte = new Uint8Array(1);
  const isInside = (offset: number) => readSync(fd, byte, 0, 1, offset) === 1;
  let end = 0;
  for (let step = 2 ** 50; step >= 512; step /= 2) if (isInside(end + step - 1)) end += step;
  return end;
}
