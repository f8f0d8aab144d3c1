/** The tree that maps a file's blocks to the disk's. */

import { BLOCK_SIZE, EXTENT } from "../../spec/fs/ext4.ts";
import type { BlockRun, WriteTarget } from "./block-run.ts";

/** An entry of the tree: what it says of the file's blocks from `logical` on. */
interface Entry {
  readonly logical: number;
  /** Of the data, or of the block with the entries below. */
  readonly physical: number;
  /** Blocks; 0 in inner entries. */
  readonly length: number;
}

/** The root of a tree, for an inode, and the blocks that hold the rest of it. */
export interface ExtentTree {
  readonly root: Uint8Array;
  readonly blocks: readonly BlockRun[];
}

/** Builds the tree of a file whose bytes are in these runs. `allocate` gives a block for what does not fit into the root. */
export function buildExtentTree(runs: readonly BlockRun[], allocate: () => BlockRun, target: WriteTarget): ExtentTree {
  const blocks: BlockRun[] = [];
  let entries = leafEntries(runs);
  let depth = 0;
  for (; entries.length > EXTENT.inInode; depth++) {
    const above: Entry[] = [];
    for (let i = 0; i < entries.length; i += EXTENT.inBlock) {
      const block = allocate();
      const part = entries.slice(i, i + EXTENT.inBlock);
      target.write(block.start * BLOCK_SIZE, encodeNode(part, depth, EXTENT.inBlock));
      blocks.push(block);
      above.push({ logical: part[0]!.logical, physical: block.start, length: 0 });
    }
    entries = above;
  }
  return { root: encodeNode(entries, depth, EXTENT.inInode), blocks };
}

function leafEntries(runs: readonly BlockRun[]): Entry[] {
  const entries: Entry[] = [];
  let logical = 0;
  for (const { start, count } of runs)
    for (let done = 0; done < count; ) {
      const length = Math.min(EXTENT.lengthMaximum, count - done);
      entries.push({ logical, physical: start + done, length });
      done += length;
      logical += length;
    }
  return entries;
}

function encodeNode(entries: readonly Entry[], depth: number, limit: number): Uint8Array {
  const bytes = new Uint8Array(EXTENT.headerSize + limit * EXTENT.entrySize);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, EXTENT.magic, true);
  view.setUint16(2, entries.length, true);
  view.setUint16(4, limit, true);
  view.setUint16(6, depth, true);
  entries.forEach(({ logical, physical, length }, index) => {
    const at = EXTENT.headerSize + index * EXTENT.entrySize;
    view.setUint32(at, logical, true);
    if (depth > 0) view.setUint32(at + 4, physical, true);
    else {
      view.setUint16(at + 4, length, true);
      view.setUint32(at + 8, physical, true);
    }
  });
  return bytes;
}
