/** Where a file system of a given size has its parts. */

import { UserError } from "../../base/assert.ts";
import { BLOCK_SIZE, BLOCKS_PER_GROUP, GROUP_DESCRIPTOR_SIZE, INODE, LOG_GROUPS_PER_FLEX } from "../../spec/fs/ext4.ts";
import { type BlockRun, blocksFor } from "./block-run.ts";

/** Where a group's own blocks are; those of some groups lie together in the first one. */
export interface GroupPlace {
  readonly blockBitmap: number;
  readonly inodeBitmap: number;
  readonly inodeTable: number;
}

export interface Layout {
  readonly blocks: number;
  readonly inodesPerGroup: number;
  /** Blocks of a group's inode table. */
  readonly tableBlocks: number;
  /** Blocks of the group descriptors. */
  readonly descriptorBlocks: number;
  readonly groups: readonly GroupPlace[];
  /** What is not for files, ascending. */
  readonly reserved: readonly BlockRun[];
}

const BYTES_PER_INODE = 16_384;
const GROUPS_PER_FLEX = 1 << LOG_GROUPS_PER_FLEX;
const INODES_PER_BLOCK = BLOCK_SIZE / INODE.size;
/** A last group with less room than this for files is left out. */
const SMALLEST_ROOM = 64;
/** 16 TiB: block numbers have 32 bits. */
const BLOCKS_MAXIMUM = 2 ** 32 - 1;

/** Groups that have a copy of superblock and descriptors: 0, 1 and the powers of 3, 5 and 7. [sparse_super] */
export function hasSuperblock(group: number): boolean {
  return group < 2 || [3, 5, 7].some((base) => isPowerOf(base, group));
}

function isPowerOf(base: number, value: number): boolean {
  let power = base;
  while (power < value) power *= base;
  return power === value;
}

/** Places everything on a disk of `size` bytes with room for at least `inodes` files. Throws UserError if that is too small. */
export function planLayout(size: number, inodes = 0): Layout {
  const blocks = Math.floor(size / BLOCK_SIZE);
  if (blocks > BLOCKS_MAXIMUM) throw new UserError("the disk is too large for its file system", "16 TiB is the limit.");
  const layout = place(blocks, inodes);
  const inLast = ((layout.blocks - 1) % BLOCKS_PER_GROUP) + 1;
  const last = layout.groups.length - 1;
  const own = layout.reserved.filter(({ start }) => start >= last * BLOCKS_PER_GROUP);
  const room = inLast - own.reduce((sum, run) => sum + run.count, 0);
  if (room >= SMALLEST_ROOM) return layout;
  if (last === 0) throw new UserError(`a disk of ${size} bytes is too small`, "Give it more.");
  return place(last * BLOCKS_PER_GROUP, inodes);
}

function place(blocks: number, inodes: number): Layout {
  const groups = Math.max(1, Math.ceil(blocks / BLOCKS_PER_GROUP));
  const wanted = Math.max(inodes, (blocks * BLOCK_SIZE) / BYTES_PER_INODE, INODES_PER_BLOCK);
  const tableBlocks = Math.ceil(wanted / groups / INODES_PER_BLOCK);
  const inodesPerGroup = tableBlocks * INODES_PER_BLOCK;
  if (GROUPS_PER_FLEX * tableBlocks > BLOCKS_PER_GROUP / 2 && groups > 1)
    throw new UserError(`a disk of ${blocks * BLOCK_SIZE} bytes is too small for ${inodes} files`, "Give it more.");
  const descriptorBlocks = blocksFor(groups * GROUP_DESCRIPTOR_SIZE);
  const places: GroupPlace[] = [];
  const reserved: BlockRun[] = [];
  for (let first = 0; first < groups; first += GROUPS_PER_FLEX)
    placeFlex(first, Math.min(GROUPS_PER_FLEX, groups - first), { tableBlocks, descriptorBlocks }, places, reserved);
  return { blocks, inodesPerGroup, tableBlocks, descriptorBlocks, groups: places, reserved };
}

function placeFlex(
  first: number,
  count: number,
  { tableBlocks, descriptorBlocks }: Pick<Layout, "tableBlocks" | "descriptorBlocks">,
  places: GroupPlace[],
  reserved: BlockRun[],
): void {
  const copy = 1 + descriptorBlocks;
  const start = first * BLOCKS_PER_GROUP + (hasSuperblock(first) ? copy : 0);
  for (let i = 0; i < count; i++) {
    const inodeTable = start + 2 * count + i * tableBlocks;
    places.push({ blockBitmap: start + i, inodeBitmap: start + count + i, inodeTable });
    if (hasSuperblock(first + i)) reserved.push({ start: (first + i) * BLOCKS_PER_GROUP, count: copy });
    if (i === 0) reserved.push({ start, count: 2 * count + count * tableBlocks });
  }
}
