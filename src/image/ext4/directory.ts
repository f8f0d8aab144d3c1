/** The blocks of a directory: a list of entries, or, when it needs more than one block, a hash tree. */

import { UserError } from "../../base/assert.ts";
import { BLOCK_SIZE, DIRECTORY, FILE_TYPE, SUPERBLOCK } from "../../spec/fs/ext4.ts";
import { directoryHash } from "./directory-hash.ts";

/** A name in a directory. */
export interface DirectoryEntry {
  readonly name: Uint8Array;
  readonly inode: number;
  /** The file type's number in entries. */
  readonly type: number;
}

/** A directory's bytes, whole blocks, and whether they are a hash tree. */
export interface DirectoryBlocks {
  readonly data: Uint8Array;
  readonly isIndexed: boolean;
}

/** Where a part of the tree is, and the smallest hash in it. */
interface Indexed {
  readonly hash: number;
  readonly block: number;
}

const DOT = Uint8Array.of(0x2e);
const DOT_DOT = Uint8Array.of(0x2e, 0x2e);

/** Lays out a directory; `entries` has neither "." nor "..". */
export function encodeDirectory(
  entries: readonly DirectoryEntry[],
  self: number,
  parent: number,
  seed: Uint32Array,
): DirectoryBlocks {
  const dots = dotEntries(self, parent);
  const all = [...dots, ...entries];
  const size = all.reduce((sum, entry) => sum + entrySize(entry), 0);
  if (size <= BLOCK_SIZE) return { data: listBlock(all), isIndexed: false };
  return { data: hashTree(entries, dots, seed), isIndexed: true };
}

/** An empty directory of several blocks, so that what a check of the file system finds has room. */
export function encodeEmptyDirectory(self: number, parent: number, blocks: number): Uint8Array {
  const data = new Uint8Array(blocks * BLOCK_SIZE);
  data.set(listBlock(dotEntries(self, parent)));
  for (let at = BLOCK_SIZE; at < data.length; at += BLOCK_SIZE) data.set(listBlock([]), at);
  return data;
}

function dotEntries(self: number, parent: number): DirectoryEntry[] {
  const type = FILE_TYPE.directory.entry;
  return [
    { name: DOT, inode: self, type },
    { name: DOT_DOT, inode: parent, type },
  ];
}

function entrySize({ name }: DirectoryEntry): number {
  return (DIRECTORY.entryHeader + name.length + 3) & ~3;
}

/** One block of entries; the last one reaches to its end. */
function listBlock(entries: readonly DirectoryEntry[]): Uint8Array {
  const block = new Uint8Array(BLOCK_SIZE);
  let at = 0;
  entries.forEach((entry, index) => {
    const length = index === entries.length - 1 ? BLOCK_SIZE - at : entrySize(entry);
    putEntry(block, at, entry, length);
    at += length;
  });
  if (entries.length === 0) new DataView(block.buffer).setUint16(4, BLOCK_SIZE, true);
  return block;
}

function putEntry(block: Uint8Array, at: number, { name, inode, type }: DirectoryEntry, length: number): void {
  const view = new DataView(block.buffer);
  view.setUint32(at, inode, true);
  view.setUint16(at + 4, length, true);
  block[at + 6] = name.length;
  block[at + 7] = type;
  block.set(name, at + DIRECTORY.entryHeader);
}

/** Block 0 is the root, then come the leaves, then inner blocks if there must be some. */
function hashTree(entries: readonly DirectoryEntry[], dots: readonly DirectoryEntry[], seed: Uint32Array): Uint8Array {
  const leaves = leafBlocks(entries, seed);
  const index = leaves.map(({ hash }, i) => ({ hash, block: 1 + i }));
  const isDeep = index.length >= DIRECTORY.rootLimit;
  const inner = isDeep ? innerBlocks(index) : [];
  if (inner.length >= DIRECTORY.rootLimit)
    throw new UserError("a directory has too many files", "Spread them over several directories.");
  const top = isDeep ? inner.map(({ hash }, i) => ({ hash, block: 1 + leaves.length + i })) : index;
  const data = new Uint8Array((1 + leaves.length + inner.length) * BLOCK_SIZE);
  data.set(rootBlock(dots, top, isDeep ? 1 : 0));
  [...leaves, ...inner].forEach(({ bytes }, i) => {
    data.set(bytes, (1 + i) * BLOCK_SIZE);
  });
  return data;
}

/** Entries in the order of their hashes. A hash that begins in the block before has its lowest bit set. */
function leafBlocks(entries: readonly DirectoryEntry[], seed: Uint32Array): { hash: number; bytes: Uint8Array }[] {
  const hashed = entries.map((entry) => ({ entry, hash: directoryHash(entry.name, seed) }));
  hashed.sort((a, b) => a.hash - b.hash);
  const leaves: { hash: number; bytes: Uint8Array }[] = [];
  let part: DirectoryEntry[] = [];
  let first = 0;
  let size = 0;
  const finish = () => leaves.push({ hash: first, bytes: listBlock(part) });
  hashed.forEach(({ entry, hash }, i) => {
    if (size + entrySize(entry) > BLOCK_SIZE) {
      finish();
      part = [];
      size = 0;
      first = hash === hashed[i - 1]!.hash ? hash + 1 : hash;
    }
    part.push(entry);
    size += entrySize(entry);
  });
  finish();
  return leaves;
}

function innerBlocks(index: readonly Indexed[]): { hash: number; bytes: Uint8Array }[] {
  const blocks: { hash: number; bytes: Uint8Array }[] = [];
  for (let at = 0; at < index.length; at += DIRECTORY.nodeLimit) {
    const part = index.slice(at, at + DIRECTORY.nodeLimit);
    const bytes = new Uint8Array(BLOCK_SIZE);
    new DataView(bytes.buffer).setUint16(4, BLOCK_SIZE, true);
    putIndex(bytes, DIRECTORY.nodeEntriesOffset, DIRECTORY.nodeLimit, part);
    blocks.push({ hash: part[0]!.hash, bytes });
  }
  return blocks;
}

function rootBlock(dots: readonly DirectoryEntry[], index: readonly Indexed[], levels: number): Uint8Array {
  const block = new Uint8Array(BLOCK_SIZE);
  const first = entrySize(dots[0]!);
  putEntry(block, 0, dots[0]!, first);
  putEntry(block, first, dots[1]!, BLOCK_SIZE - first);
  block[DIRECTORY.rootInfoOffset + 4] = SUPERBLOCK.hashHalfMd4;
  block[DIRECTORY.rootInfoOffset + 5] = DIRECTORY.rootInfoSize;
  block[DIRECTORY.rootInfoOffset + 6] = levels;
  putIndex(block, DIRECTORY.rootEntriesOffset, DIRECTORY.rootLimit, index);
  return block;
}

/** Limit and count stand where the first entry's hash would, which is known to be the smallest. */
function putIndex(block: Uint8Array, at: number, limit: number, index: readonly Indexed[]): void {
  const view = new DataView(block.buffer);
  index.forEach(({ hash, block: number }, i) => {
    view.setUint32(at + i * 8, hash, true);
    view.setUint32(at + i * 8 + 4, number, true);
  });
  view.setUint16(at, limit, true);
  view.setUint16(at + 2, index.length, true);
}
