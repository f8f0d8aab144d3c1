/** A tree of files as an archive describes it and a file system stores it. */

import type { BlockRun } from "./block-run.ts";

/** What every kind of node has. */
export interface Attributes {
  /** Permission bits, those for set-user-ID and the like among them. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  /** By full name, for instance "security.capability". */
  readonly xattrs?: ReadonlyMap<string, Uint8Array>;
}

export interface DirectoryNode extends Attributes {
  readonly kind: "directory";
  readonly entries: Map<string, TreeNode>;
}

/** A file. Hard links are one node with several names. */
export interface FileNode extends Attributes {
  readonly kind: "file";
  /** Bytes. */
  readonly size: number;
  /** Where its bytes are, in their order. */
  readonly runs: readonly BlockRun[];
}

export interface SymlinkNode extends Attributes {
  readonly kind: "symlink";
  readonly target: string;
}

export interface SpecialNode extends Attributes {
  readonly kind: "character" | "block" | "fifo" | "socket";
  /** Major and minor number of a device. */
  readonly device: readonly [major: number, minor: number];
}

export type TreeNode = DirectoryNode | FileNode | SymlinkNode | SpecialNode;

const ROOT: Attributes = { mode: 0o755, uid: 0, gid: 0, mtime: 0 };

/** An empty directory, of root's and with 0755 unless told otherwise. */
export function newDirectory(attributes: Partial<Attributes> = {}): DirectoryNode {
  return { ...ROOT, ...attributes, kind: "directory", entries: new Map() };
}

/** A symbolic link of root's. */
export function newSymlink(target: string, attributes: Partial<Attributes> = {}): SymlinkNode {
  return { ...ROOT, ...attributes, mode: 0o777, kind: "symlink", target };
}
