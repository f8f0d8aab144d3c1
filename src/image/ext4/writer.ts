/** Makes an ext4 file system of a tree: first the bytes of files, as they come, then everything that leads to them. */

import { UserError } from "../../base/assert.ts";
import { BLOCK_SIZE, BLOCKS_PER_GROUP, FILE_TYPE, INODE, INODE_NUMBER, SUPERBLOCK } from "../../spec/fs/ext4.ts";
import { BlockAllocator, countFree } from "./allocator.ts";
import { type BlockRun, blocksFor, blocksIn, RunWriter, type WriteTarget } from "./block-run.ts";
import { type DirectoryEntry, encodeDirectory, encodeEmptyDirectory } from "./directory.ts";
import { buildExtentTree } from "./extent-tree.ts";
import { encodeDevice, encodeInode } from "./inode.ts";
import { InodeTable } from "./inode-table.ts";
import { encodeJournalSuperblock, journalBlocks } from "./journal.ts";
import { hasSuperblock, type Layout, planLayout } from "./layout.ts";
import { encodeDescriptors, encodeSuperblock, type FileSystemIdentity, type GroupCounts } from "./superblock.ts";
import { type Attributes, type DirectoryNode, type FileNode, newDirectory, type TreeNode } from "./tree.ts";
import { encodeXattrs } from "./xattr.ts";

export interface FileSystemOptions extends FileSystemIdentity {
  /** Bytes of the disk. */
  readonly size: number;
  /** There is room for at least so many files. */
  readonly inodes?: number | undefined;
}

const LOST_AND_FOUND = "lost+found";
const LOST_AND_FOUND_BLOCKS = 4;
const NOTHING: Attributes = { mode: 0o600, uid: 0, gid: 0, mtime: 0 };

/** Takes the bytes of one file. */
export interface FileSink {
  write(data: Uint8Array): void;
  /** What a FileNode needs, once all bytes are written. */
  readonly content: Pick<FileNode, "size" | "runs">;
}

/** What an inode's blocks are made of, beside its attributes. */
interface Body {
  readonly size: number;
  readonly content: Uint8Array;
  readonly flags: number;
  readonly blocks: number;
}

/** Writes one file system to a target that reads as zeros. */
export class Ext4Writer {
  readonly #target: WriteTarget;
  readonly #options: FileSystemOptions;
  readonly #layout: Layout;
  readonly #allocator: BlockAllocator;
  readonly #journal: readonly BlockRun[];
  readonly #inodes: InodeTable;
  readonly #encoder = new TextEncoder();

  /** Throws UserError for a size that is too small. */
  constructor(target: WriteTarget, options: FileSystemOptions) {
    this.#target = target;
    this.#options = options;
    this.#layout = planLayout(options.size, options.inodes);
    this.#allocator = new BlockAllocator(this.#layout);
    this.#inodes = new InodeTable(this.#layout);
    this.#journal = this.#take(journalBlocks(this.#layout.blocks));
  }

  /** Makes room for a file of `size` bytes. Throws UserError if there is none. */
  createFile(size: number): FileSink {
    const runs = this.#allocator.allocate(blocksFor(size));
    const writer = new RunWriter(this.#target, runs);
    return { write: (data) => writer.write(data), content: { size, runs } };
  }

  /** Writes the tree below `root`; files that are not in it are given up. Throws UserError if it does not fit. */
  finish(root: DirectoryNode): void {
    const lost = newDirectory({ mode: 0o700, mtime: this.#options.time });
    this.#inodes.assign(INODE_NUMBER.root, root);
    this.#inodes.assign(INODE_NUMBER.firstFree, lost);
    root.entries.set(LOST_AND_FOUND, lost);
    this.#inodes.number(root);
    this.#markFiles();
    for (const { node, number, links, parent } of this.#inodes.all())
      this.#inodes.put(number, this.#encode(node, number, links, parent));
    const journal = this.#writeJournal();
    this.#inodes.put(INODE_NUMBER.journal, journal);
    this.#inodes.write(this.#target);
    this.#writeGroups(journal);
  }

  /** Blocks that count as in use at once. */
  #take(count: number): BlockRun[] {
    const runs = this.#allocator.allocate(count);
    this.#allocator.markUsed(runs);
    return runs;
  }

  #markFiles(): void {
    for (const { node } of this.#inodes.all()) if (node.kind === "file") this.#allocator.markUsed(node.runs);
  }

  #encode(node: TreeNode, number: number, links: number, parent: number): Uint8Array {
    const { inInode, block } = encodeXattrs(node.xattrs);
    const xattrBlock = block ? this.#store(block)[0]!.start : 0;
    const body = this.#body(node, number, parent);
    const blocks = body.blocks + (block ? 1 : 0);
    return encodeInode({ ...body, blocks, type: node.kind, attributes: node, links, xattrs: inInode, xattrBlock });
  }

  #body(node: TreeNode, number: number, parent: number): Body {
    switch (node.kind) {
      case "file":
        return this.#mapped(node.runs, node.size);
      case "directory":
        return this.#directory(node, number, parent);
      case "symlink":
        return this.#symlink(this.#encoder.encode(node.target));
      default:
        return { size: 0, content: encodeDevice(node.device), flags: 0, blocks: 0 };
    }
  }

  #directory(node: DirectoryNode, number: number, parent: number): Body {
    if (number === INODE_NUMBER.firstFree) {
      const data = encodeEmptyDirectory(number, parent, LOST_AND_FOUND_BLOCKS);
      return this.#mapped(this.#store(data), data.length);
    }
    const entries = [...node.entries].map(([name, child]): DirectoryEntry => {
      const type = FILE_TYPE[child.kind].entry;
      return { name: this.#encoder.encode(name), inode: this.#inodes.numberOf(child), type };
    });
    const { data, isIndexed } = encodeDirectory(entries, number, parent, this.#options.hashSeed);
    const body = this.#mapped(this.#store(data), data.length);
    return isIndexed ? { ...body, flags: body.flags | INODE.flags.index } : body;
  }

  /** A short target stands in the inode itself. */
  #symlink(target: Uint8Array): Body {
    if (target.length >= BLOCK_SIZE) throw new UserError("a symbolic link is too long", "4095 bytes are the limit.");
    if (target.length >= INODE.blockSize) return this.#mapped(this.#store(target), target.length);
    return { size: target.length, content: target, flags: 0, blocks: 0 };
  }

  #mapped(runs: readonly BlockRun[], size: number): Body {
    const tree = buildExtentTree(runs, () => this.#take(1)[0]!, this.#target);
    const blocks = blocksIn(runs) + tree.blocks.length;
    return { size, content: tree.root, flags: INODE.flags.extents, blocks };
  }

  #store(data: Uint8Array): BlockRun[] {
    const runs = this.#take(blocksFor(data.length));
    new RunWriter(this.#target, runs).write(data);
    return runs;
  }

  /** Returns its inode. */
  #writeJournal(): Uint8Array {
    const blocks = blocksIn(this.#journal);
    new RunWriter(this.#target, this.#journal).write(encodeJournalSuperblock(blocks, this.#options.uuid));
    const body = this.#mapped(this.#journal, blocks * BLOCK_SIZE);
    const attributes = { ...NOTHING, mtime: this.#options.time };
    return encodeInode({ ...body, type: "file", attributes, links: 1, xattrs: undefined, xattrBlock: 0 });
  }

  #writeGroups(journal: Uint8Array): void {
    const directories = this.#inodes.directories();
    const counts = this.#layout.groups.map((place, group): GroupCounts => {
      const blocks = this.#allocator.bitmap(group);
      const inodes = this.#inodes.bitmap(group);
      this.#target.write(place.blockBitmap * BLOCK_SIZE, blocks);
      this.#target.write(place.inodeBitmap * BLOCK_SIZE, inodes);
      return { freeBlocks: countFree(blocks), freeInodes: countFree(inodes), directories: directories[group]! };
    });
    const descriptors = encodeDescriptors(this.#layout, counts);
    for (let group = this.#layout.groups.length - 1; group >= 0; group--) {
      if (!hasSuperblock(group)) continue;
      const start = group * BLOCKS_PER_GROUP * BLOCK_SIZE;
      this.#target.write(start + BLOCK_SIZE, descriptors);
      const bytes = encodeSuperblock(this.#layout, this.#options, counts, journal, group);
      this.#target.write(start + (group === 0 ? SUPERBLOCK.offset : 0), bytes);
    }
  }
}
