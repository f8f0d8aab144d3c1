import { UserError } from "../../base/assert.ts";
import { BLOCKS_PER_GROUP } from "../../spec/fs/ext4.ts";
import type { BlockRun } from "./block-run.ts";
import type { Layout } from "./layout.ts";

/** Gives out the blocks of a file system in ascending order, around what is reserved, and knows which are in use. */
export class BlockAllocator {
  readonly #layout: Layout;
  /** A bit for every block that is in use. */
  readonly #used: Uint8Array;
  #next = 0;
  /** The first reserved run that is not passed yet. */
  #ahead = 0;

  constructor(layout: Layout) {
    this.#layout = layout;
    this.#used = new Uint8Array((layout.groups.length * BLOCKS_PER_GROUP) / 8);
    this.markUsed(layout.reserved);
  }

  /** Blocks that nobody got before; they count as in use when markUsed is told of them. Throws UserError if there are not enough. */
  allocate(count: number): BlockRun[] {
    const runs: BlockRun[] = [];
    for (let left = count; left > 0; ) {
      const run = this.#take(left);
      runs.push(run);
      left -= run.count;
    }
    return runs;
  }

  markUsed(runs: readonly BlockRun[]): void {
    for (const { start, count } of runs)
      for (let block = start; block < start + count; block++) this.#used[block >> 3]! |= 1 << (block & 7);
  }

  /** A group's bitmap; blocks beyond the end of the disk are in use. */
  bitmap(group: number): Uint8Array {
    const bitmap = this.#used.slice((group * BLOCKS_PER_GROUP) / 8, ((group + 1) * BLOCKS_PER_GROUP) / 8);
    const end = this.#layout.blocks - group * BLOCKS_PER_GROUP;
    for (let block = end; block < BLOCKS_PER_GROUP; block++) bitmap[block >> 3]! |= 1 << (block & 7);
    return bitmap;
  }

  #take(most: number): BlockRun {
    const { reserved, blocks } = this.#layout;
    for (; reserved[this.#ahead]?.start === this.#next; this.#ahead++) this.#next += reserved[this.#ahead]!.count;
    const end = reserved[this.#ahead]?.start ?? blocks;
    const count = Math.min(most, end - this.#next);
    if (count <= 0) throw new UserError("the files do not fit on the disk", "Give it a larger size.");
    const run = { start: this.#next, count };
    this.#next += count;
    return run;
  }
}

/** Bits of a bitmap that are 0. */
export function countFree(bitmap: Uint8Array): number {
  let free = 0;
  for (const byte of bitmap) for (let bits = ~byte & 0xff; bits !== 0; bits &= bits - 1) free++;
  return free;
}
