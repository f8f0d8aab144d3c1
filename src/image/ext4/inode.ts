import { BLOCK_SIZE, FILE_TYPE, INODE } from "../../spec/fs/ext4.ts";
import type { Attributes } from "./tree.ts";

/** What an inode says. */
export interface Inode {
  readonly type: keyof typeof FILE_TYPE;
  readonly attributes: Attributes;
  readonly links: number;
  /** Bytes. */
  readonly size: number;
  /** Blocks of data, of the extent tree and of attributes. */
  readonly blocks: number;
  /** INODE.flags. */
  readonly flags: number;
  /** i_block: the extent tree's root, a short link's target, a device's number. */
  readonly content: Uint8Array;
  /** What stands behind the fields. */
  readonly xattrs: Uint8Array | undefined;
  /** The block with attributes; 0 if there is none. */
  readonly xattrBlock: number;
}

const SECTORS_PER_BLOCK = BLOCK_SIZE / 512;

/** An inode's 256 bytes [inodes.rst]. */
export function encodeInode(inode: Inode): Uint8Array {
  const bytes = new Uint8Array(INODE.size);
  const view = new DataView(bytes.buffer);
  const { mode, uid, gid, mtime } = inode.attributes;
  const sectors = inode.blocks * SECTORS_PER_BLOCK;
  view.setUint16(0x00, FILE_TYPE[inode.type].mode | (mode & 0o7777), true);
  view.setUint16(0x02, uid, true);
  view.setUint32(0x04, inode.size, true);
  view.setUint16(0x18, gid, true);
  view.setUint16(0x1a, inode.links < INODE.linksMaximum ? inode.links : 1, true);
  view.setUint32(0x1c, sectors, true);
  view.setUint32(0x20, inode.flags, true);
  bytes.set(inode.content, INODE.blockOffset);
  view.setUint32(0x68, inode.xattrBlock, true);
  view.setUint32(0x6c, Math.floor(inode.size / 2 ** 32), true);
  view.setUint16(0x74, Math.floor(sectors / 2 ** 32), true);
  view.setUint16(0x78, uid >>> 16, true);
  view.setUint16(0x7a, gid >>> 16, true);
  view.setUint16(0x80, INODE.extra, true);
  for (const [at, extra] of TIMES) putTime(view, at, extra, mtime);
  if (inode.xattrs) bytes.set(inode.xattrs, INODE.base + INODE.extra);
  return bytes;
}

/** Access, change, modification, creation: seconds, and where the bits above them are. */
const TIMES = [
  [0x08, 0x8c],
  [0x0c, 0x84],
  [0x10, 0x88],
  [0x90, 0x94],
] as const;

/** Seconds are signed 32 bits, to which the two lowest bits of the extra field add multiples of 2^32 [inodes.rst, "Inode Timestamps"]. */
function putTime(view: DataView, at: number, extra: number, time: number): void {
  const seconds = Math.max(-(2 ** 31), Math.min(Math.floor(time), 2 ** 34 - 2 ** 31 - 1));
  view.setInt32(at, seconds | 0, true);
  view.setUint32(extra, Math.floor((seconds - (seconds | 0)) / 2 ** 32) & 3, true);
}

/** i_block of a device: the old form if the numbers fit, else the new one [include/linux/kdev_t.h]. */
export function encodeDevice([major, minor]: readonly [number, number]): Uint8Array {
  const content = new Uint8Array(INODE.blockSize);
  const view = new DataView(content.buffer);
  if (major < 256 && minor < 256) view.setUint32(0, (major << 8) | minor, true);
  else view.setUint32(4, ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0, true);
  return content;
}
