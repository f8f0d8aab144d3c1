import { UserError } from "../../base/assert.ts";
import { BLOCK_SIZE, INODE, INODE_NUMBER } from "../../spec/fs/ext4.ts";
import type { WriteTarget } from "./block-run.ts";
import type { Layout } from "./layout.ts";
import type { DirectoryNode, TreeNode } from "./tree.ts";

/** A node with its number, how many names it has, and a directory's parent (itself for the root). */
export interface NumberedNode {
  readonly node: TreeNode;
  readonly number: number;
  links: number;
  readonly parent: number;
}

/** The inodes of a file system: their numbers, and their bytes. */
export class InodeTable {
  readonly #layout: Layout;
  readonly #numbers = new Map<TreeNode, NumberedNode>();
  readonly #encoded: (Uint8Array | undefined)[] = [];
  #next: number = INODE_NUMBER.firstFree;

  constructor(layout: Layout) {
    this.#layout = layout;
  }

  /** Gives a directory in the root, or the root itself, a number of its own choice. */
  assign(number: number, node: DirectoryNode): void {
    this.#enter(node, number, INODE_NUMBER.root);
    this.#next = Math.max(this.#next, number + 1);
  }

  /** Numbers what is below a directory, which has a number, and counts names. Throws UserError if there are too many. */
  number(root: DirectoryNode): void {
    const waiting = [root];
    for (let directory = waiting.pop(); directory !== undefined; directory = waiting.pop()) {
      const self = this.#numbers.get(directory)!;
      self.links += 2; // "." and its name, or the root's ".."
      for (const child of directory.entries.values()) {
        if (child.kind === "directory") {
          self.links++;
          waiting.push(child);
        }
        const known = this.#numbers.get(child) ?? this.#enter(child, this.#next++, self.number);
        if (child.kind !== "directory") known.links++;
      }
    }
  }

  numberOf(node: TreeNode): number {
    return this.#numbers.get(node)!.number;
  }

  all(): Iterable<NumberedNode> {
    return this.#numbers.values();
  }

  put(number: number, bytes: Uint8Array): void {
    this.#encoded[number - 1] = bytes;
  }

  /** Numbers below the first free one are in use whether they have bytes or not; so is what lies beyond the group's inodes. */
  bitmap(group: number): Uint8Array {
    const { inodesPerGroup } = this.#layout;
    const bitmap = new Uint8Array(BLOCK_SIZE);
    const used = this.#next - 1 - group * inodesPerGroup;
    for (let i = 0; i < 8 * BLOCK_SIZE; i++) if (i < used || i >= inodesPerGroup) bitmap[i >> 3]! |= 1 << (i & 7);
    return bitmap;
  }

  /** Directories in each group. */
  directories(): number[] {
    const counts = this.#layout.groups.map(() => 0);
    for (const { node, number } of this.#numbers.values())
      if (node.kind === "directory") counts[Math.floor((number - 1) / this.#layout.inodesPerGroup)]!++;
    return counts;
  }

  write(target: WriteTarget): void {
    const { inodesPerGroup, groups } = this.#layout;
    for (let first = 0; first < this.#encoded.length; first += inodesPerGroup) {
      const part = this.#encoded.slice(first, first + inodesPerGroup);
      const bytes = new Uint8Array(part.length * INODE.size);
      part.forEach((inode, i) => {
        if (inode) bytes.set(inode, i * INODE.size);
      });
      target.write(groups[first / inodesPerGroup]!.inodeTable * BLOCK_SIZE, bytes);
    }
  }

  #enter(node: TreeNode, number: number, parent: number): NumberedNode {
    if (number > this.#layout.groups.length * this.#layout.inodesPerGroup)
      throw new UserError("the disk has too few inodes for all files", "Give it a larger size.");
    const numbered = { node, number, links: 0, parent };
    this.#numbers.set(node, numbered);
    return numbered;
  }
}
