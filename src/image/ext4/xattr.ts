/** Extended attributes: in the room behind an inode's fields, or in a block of their own. */

import { UserError } from "../../base/assert.ts";
import { BLOCK_SIZE, INODE, XATTR } from "../../spec/fs/ext4.ts";

interface Attribute {
  readonly prefix: number;
  /** Without the prefix. */
  readonly name: Uint8Array;
  readonly value: Uint8Array;
}

/** What an inode holds behind its fields, or else what goes into a block; neither if there are no attributes. */
export interface EncodedXattrs {
  readonly inInode?: Uint8Array;
  readonly block?: Uint8Array;
}

const IN_INODE = INODE.size - INODE.base - INODE.extra;

/** Attributes of other kinds than user, trusted and security (access lists) are left out. Throws UserError if they are too long. */
export function encodeXattrs(xattrs: ReadonlyMap<string, Uint8Array> = new Map()): EncodedXattrs {
  const attributes = [...xattrs].flatMap(([name, value]) => split(name, value)).sort(compare);
  if (attributes.length === 0) return {};
  const entries = attributes.reduce((sum, { name }) => sum + entrySize(name), 4);
  const values = attributes.reduce((sum, { value }) => sum + aligned(value.length), 0);
  if (4 + entries + values <= IN_INODE) return { inInode: encodeInInode(attributes) };
  if (XATTR.blockHeader + entries + values <= BLOCK_SIZE) return { block: encodeBlock(attributes) };
  throw new UserError("a file's extended attributes are too long", "A block of 4096 bytes must hold them.");
}

function split(fullName: string, value: Uint8Array): Attribute[] {
  for (const [text, prefix] of Object.entries(XATTR.prefixes))
    if (fullName.startsWith(text))
      return [{ prefix, name: new TextEncoder().encode(fullName.slice(text.length)), value }];
  return [];
}

/** The order that the kernel searches in: prefix, length, name. */
function compare(a: Attribute, b: Attribute): number {
  const order = a.prefix - b.prefix || a.name.length - b.name.length;
  const different = a.name.findIndex((byte, i) => byte !== b.name[i]);
  return order || (different < 0 ? 0 : a.name[different]! - b.name[different]!);
}

const aligned = (length: number) => (length + 3) & ~3;
const entrySize = (name: Uint8Array) => aligned(XATTR.entryHeader + name.length);

function encodeInInode(attributes: readonly Attribute[]): Uint8Array {
  const bytes = new Uint8Array(IN_INODE);
  new DataView(bytes.buffer).setUint32(0, XATTR.magic, true);
  putAttributes(bytes, 4, 4, attributes);
  return bytes;
}

function encodeBlock(attributes: readonly Attribute[]): Uint8Array {
  const bytes = new Uint8Array(BLOCK_SIZE);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, XATTR.magic, true);
  view.setUint32(4, 1, true); // inodes that use it
  view.setUint32(8, 1, true); // blocks
  const hashes = putAttributes(bytes, XATTR.blockHeader, 0, attributes);
  view.setUint32(12, hashes.reduce((hash, next) => rotate(hash, XATTR.valueHashShift) ^ next, 0) >>> 0, true);
  return bytes;
}

/** Entries go up from `start`, values down from the end; a value's offset counts from `base`. Returns the entries' hashes. */
function putAttributes(bytes: Uint8Array, start: number, base: number, attributes: readonly Attribute[]): number[] {
  const view = new DataView(bytes.buffer);
  let at = start;
  let end = bytes.length;
  return attributes.map(({ prefix, name, value }) => {
    const hash = entryHash(name, value);
    end -= aligned(value.length);
    bytes.set(value, end);
    bytes[at] = name.length;
    bytes[at + 1] = prefix;
    view.setUint16(at + 2, value.length === 0 ? 0 : end - base, true);
    view.setUint32(at + 8, value.length, true);
    view.setUint32(at + 12, hash, true);
    bytes.set(name, at + XATTR.entryHeader);
    at += entrySize(name);
    return hash;
  });
}

/** [fs/ext4/xattr.c, ext4_xattr_hash_entry] */
function entryHash(name: Uint8Array, value: Uint8Array): number {
  const ofName = name.reduce((hash, byte) => rotate(hash, XATTR.nameHashShift) ^ byte, 0);
  const words = new DataView(new ArrayBuffer(aligned(value.length)));
  new Uint8Array(words.buffer).set(value);
  let hash = ofName;
  for (let i = 0; i < words.byteLength; i += 4) hash = rotate(hash, XATTR.valueHashShift) ^ words.getUint32(i, true);
  return hash >>> 0;
}

function rotate(word: number, bits: number): number {
  return (word << bits) | (word >>> (32 - bits));
}
