import { BLOCK_SIZE } from "../../spec/fs/ext4.ts";

/** Blocks that lie one after another on the disk. */
export interface BlockRun {
  readonly start: number;
  readonly count: number;
}

/** Where a file system is written to: bytes that read as zeros until they are written. */
export interface WriteTarget {
  write(offset: number, data: Uint8Array): void;
}

/** Blocks that hold so many bytes. */
export function blocksFor(bytes: number): number {
  return Math.ceil(bytes / BLOCK_SIZE);
}

/** Blocks in all of some runs. */
export function blocksIn(runs: readonly BlockRun[]): number {
  return runs.reduce((sum, run) => sum + run.count, 0);
}

/** Writes bytes to the blocks of some runs, which are enough for them, one piece after another. */
export class RunWriter {
  readonly #target: WriteTarget;
  readonly #runs: readonly BlockRun[];
  #run = 0;
  /** Bytes of the current run that are written. */
  #done = 0;

  constructor(target: WriteTarget, runs: readonly BlockRun[]) {
    this.#target = target;
    this.#runs = runs;
  }

  write(data: Uint8Array): void {
    for (let at = 0; at < data.length; ) {
      const run = this.#runs[this.#run];
      if (run === undefined) throw new RangeError("more bytes than blocks");
      const part = Math.min(data.length - at, run.count * BLOCK_SIZE - this.#done);
      this.#target.write(run.start * BLOCK_SIZE + this.#done, data.subarray(at, at + part));
      at += part;
      this.#advance(part, run);
    }
  }

  #advance(bytes: number, run: BlockRun): void {
    this.#done += bytes;
    if (this.#done < run.count * BLOCK_SIZE) return;
    this.#run++;
    this.#done = 0;
  }
}
