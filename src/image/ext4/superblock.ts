import {
  BLOCKS_PER_GROUP,
  FEATURES,
  GROUP_DESCRIPTOR_SIZE,
  INODE,
  INODE_NUMBER,
  LOG_GROUPS_PER_FLEX,
  SUPERBLOCK,
} from "../../spec/fs/ext4.ts";
import type { Layout } from "./layout.ts";

/** What identifies a file system. */
export interface FileSystemIdentity {
  /** 16 bytes. */
  readonly uuid: Uint8Array;
  /** Up to 16 characters. */
  readonly label: string;
  /** Seconds since 1970, when it was made. */
  readonly time: number;
  readonly hashSeed: Uint32Array;
}

/** What is counted once all files are there. */
export interface GroupCounts {
  readonly freeBlocks: number;
  readonly freeInodes: number;
  readonly directories: number;
}

const LOG_BLOCK_SIZE = 2; // 1024 << 2

function sum(features: Readonly<Record<string, number>>): number {
  return Object.values(features).reduce((all, bit) => all | bit, 0);
}

/** The superblock's 1024 bytes, as `group` has them. `journal` is the journal's inode. [super.rst] */
export function encodeSuperblock(
  layout: Layout,
  identity: FileSystemIdentity,
  counts: readonly GroupCounts[],
  journal: Uint8Array,
  group: number,
): Uint8Array {
  const bytes = new Uint8Array(SUPERBLOCK.size);
  const view = new DataView(bytes.buffer);
  const put32 = (at: number, value: number) => view.setUint32(at, value, true);
  const put16 = (at: number, value: number) => view.setUint16(at, value, true);
  put32(0x00, layout.groups.length * layout.inodesPerGroup);
  put32(0x04, layout.blocks);
  put32(
    0x0c,
    counts.reduce((all, { freeBlocks }) => all + freeBlocks, 0),
  );
  put32(
    0x10,
    counts.reduce((all, { freeInodes }) => all + freeInodes, 0),
  );
  put32(0x18, LOG_BLOCK_SIZE);
  put32(0x1c, LOG_BLOCK_SIZE);
  put32(0x20, BLOCKS_PER_GROUP);
  put32(0x24, BLOCKS_PER_GROUP);
  put32(0x28, layout.inodesPerGroup);
  put32(0x30, identity.time);
  put16(0x36, 0xffff); // no check after a number of mounts
  put16(0x38, SUPERBLOCK.magic);
  put16(0x3a, SUPERBLOCK.stateClean);
  put16(0x3c, SUPERBLOCK.errorsContinue);
  put32(0x40, identity.time);
  put32(0x4c, SUPERBLOCK.dynamicRevision);
  put32(0x54, INODE_NUMBER.firstFree);
  put16(0x58, INODE.size);
  put16(0x5a, group);
  put32(0x5c, sum(FEATURES.compatible));
  put32(0x60, sum(FEATURES.incompatible));
  put32(0x64, sum(FEATURES.readOnlyCompatible));
  bytes.set(identity.uuid, 0x68);
  bytes.set(new TextEncoder().encode(identity.label).subarray(0, 16), 0x78);
  put32(0xe0, INODE_NUMBER.journal);
  identity.hashSeed.forEach((word, i) => {
    put32(0xec + 4 * i, word);
  });
  bytes[0xfc] = SUPERBLOCK.hashHalfMd4;
  bytes[0xfd] = SUPERBLOCK.journalBackupBlocks;
  put32(0x108, identity.time);
  bytes.set(journalBackup(journal), 0x10c);
  put16(0x15c, INODE.extra);
  put16(0x15e, INODE.extra);
  put32(0x160, SUPERBLOCK.unsignedHash);
  bytes[0x174] = LOG_GROUPS_PER_FLEX;
  return bytes;
}

/** s_jnl_blocks: the journal's i_block, and its size with the high half first. */
function journalBackup(inode: Uint8Array): Uint8Array {
  const backup = new Uint8Array(INODE.blockSize + 8);
  backup.set(inode.subarray(INODE.blockOffset, INODE.blockOffset + INODE.blockSize));
  backup.set(inode.subarray(0x6c, 0x70), INODE.blockSize);
  backup.set(inode.subarray(0x04, 0x08), INODE.blockSize + 4);
  return backup;
}

/** The table of group descriptors [group_descr.rst]. */
export function encodeDescriptors(layout: Layout, counts: readonly GroupCounts[]): Uint8Array {
  const bytes = new Uint8Array(layout.groups.length * GROUP_DESCRIPTOR_SIZE);
  const view = new DataView(bytes.buffer);
  layout.groups.forEach(({ blockBitmap, inodeBitmap, inodeTable }, group) => {
    const at = group * GROUP_DESCRIPTOR_SIZE;
    view.setUint32(at, blockBitmap, true);
    view.setUint32(at + 4, inodeBitmap, true);
    view.setUint32(at + 8, inodeTable, true);
    view.setUint16(at + 12, counts[group]!.freeBlocks, true);
    view.setUint16(at + 14, counts[group]!.freeInodes, true);
    view.setUint16(at + 16, counts[group]!.directories, true);
  });
  return bytes;
}
