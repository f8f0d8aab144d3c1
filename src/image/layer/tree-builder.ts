/** Makes one tree of archives that are laid over one another: the layers of a container image, or packages. */

import { UserError } from "../../base/assert.ts";
import { DIRECTORY } from "../../spec/fs/ext4.ts";
import { WHITEOUT } from "../../spec/fs/tar.ts";
import { type Attributes, type DirectoryNode, newDirectory, type TreeNode } from "../ext4/tree.ts";
import type { FileSink } from "../ext4/writer.ts";
import type { BodySink, TarEntry } from "../tar/tar-parser.ts";

export interface TreeBuilderOptions {
  /** Makes room for a file of so many bytes. */
  readonly createFile: (size: number) => FileSink;
  /** Whether names that begin with ".wh." delete [OCI image-spec, layer.md]. */
  readonly whiteouts: boolean;
  /** Whether a link to a directory stays when an archive has a directory of its name, as dpkg has it. */
  readonly keepDirectoryLinks: boolean;
}

const LINKS_MAXIMUM = 40;
/** Directories within one another; a path that the kernel takes has no more. */
const DEPTH_MAXIMUM = 2048;
/** Bytes of a symbolic link's target, which must fit into a block. */
const TARGET_MAXIMUM = 4095;

export class TreeBuilder {
  readonly root: DirectoryNode = newDirectory();
  readonly #options: TreeBuilderOptions;
  readonly #encoder = new TextEncoder();
  /** Nodes that came with the present layer: what it deletes are those of layers below. */
  #added = new Set<TreeNode>();

  constructor(options: TreeBuilderOptions) {
    this.#options = options;
  }

  /** Begins a layer above those before. */
  startLayer(): void {
    this.#added = new Set();
  }

  /** Takes an entry; returns what takes its bytes. Throws UserError for a name that leads outside, or a link to nothing. */
  readonly add = (entry: TarEntry): BodySink | undefined => {
    const parts = this.#split(entry.path);
    const name = parts.at(-1);
    if (name === undefined) {
      if (entry.kind === "directory") Object.assign(this.root, attributesOf(entry));
      return undefined;
    }
    const directory = this.#directory(parts.slice(0, -1));
    if (this.#options.whiteouts && name.startsWith(WHITEOUT.prefix)) {
      this.#delete(directory, name);
      return undefined;
    }
    return this.#put(directory, name, entry);
  };

  /** The node of a path, links in all but its last part followed; undefined if there is none. */
  find(path: string): TreeNode | undefined {
    const parts = this.#split(path);
    const name = parts.at(-1);
    if (name === undefined) return this.root;
    return this.#walk([this.root], parts.slice(0, -1), { left: LINKS_MAXIMUM }, false)?.at(-1)?.entries.get(name);
  }

  /** Puts a node at a path; what is missing above it is made. */
  set(path: string, node: TreeNode): void {
    const parts = this.#split(path);
    this.#directory(parts.slice(0, -1)).entries.set(parts.at(-1)!, node);
  }

  /** Makes a directory, and what is missing above it. */
  makeDirectory(path: string): void {
    this.#directory(this.#split(path));
  }

  /** Puts a file with these bytes at a path. */
  putFile(path: string, data: Uint8Array, attributes: Pick<Attributes, "mode" | "mtime">): void {
    const sink = this.#options.createFile(data.length);
    sink.write(data);
    this.set(path, { uid: 0, gid: 0, ...attributes, kind: "file", ...sink.content });
  }

  #split(path: string): string[] {
    const parts = path.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.includes("..")) throw hostile(`an archive has the file "${path}", which would be outside`);
    for (const part of parts) this.#checkName(part);
    if (parts.length > DEPTH_MAXIMUM) throw hostile("an archive has too many directories within one another");
    return parts;
  }

  #checkName(name: string): void {
    if (name.includes("\0")) throw hostile("an archive has a file with a zero byte in its name");
    if (this.#encoder.encode(name).length > DIRECTORY.nameMaximum)
      throw new UserError(`an archive has a file with too long a name: ${name}`, "255 bytes are the limit.");
  }

  /** A link's target is never looked at here, but it must be one that a file system can hold. */
  #checkTarget({ path, link }: TarEntry): string {
    const length = this.#encoder.encode(link).length;
    if (length > 0 && length <= TARGET_MAXIMUM && !link.includes("\0")) return link;
    throw hostile(`an archive has the symbolic link ${path}, whose target cannot be`);
  }

  #put(directory: DirectoryNode, name: string, entry: TarEntry): BodySink | undefined {
    const enter = (node: TreeNode) => {
      directory.entries.set(name, node);
      this.#added.add(node);
      return undefined;
    };
    const attributes = attributesOf(entry);
    switch (entry.kind) {
      case "file":
        return this.#file(entry.size, attributes, enter);
      case "directory":
        return this.#putDirectory(directory, name, attributes, enter);
      case "symlink":
        return enter({ ...attributes, mode: 0o777, kind: "symlink", target: this.#checkTarget(entry) });
      case "hardlink":
        return enter(this.#target(entry));
      default:
        return enter({ ...attributes, kind: entry.kind, device: entry.device });
    }
  }

  #file(size: number, attributes: Attributes, enter: (node: TreeNode) => undefined): BodySink {
    const sink = this.#options.createFile(size);
    return { write: (data) => sink.write(data), end: () => enter({ ...attributes, kind: "file", ...sink.content }) };
  }

  #putDirectory(
    parent: DirectoryNode,
    name: string,
    attributes: Attributes,
    enter: (node: TreeNode) => undefined,
  ): undefined {
    const there = parent.entries.get(name);
    if (there?.kind === "directory") return enter({ ...attributes, kind: "directory", entries: there.entries });
    if (there?.kind === "symlink" && this.#options.keepDirectoryLinks) return undefined;
    return enter({ ...newDirectory(attributes) });
  }

  #target({ path, link }: TarEntry): TreeNode {
    const found = this.find(link);
    if (found === undefined || found.kind === "directory")
      throw new UserError(`an archive has the hard link ${path} to ${link}, which is no file`, "Get it once more.");
    return found;
  }

  #delete(directory: DirectoryNode, name: string): void {
    if (name === WHITEOUT.opaque) return this.#deleteLower(directory);
    if (name.startsWith(WHITEOUT.reserved)) return;
    const hidden = name.slice(WHITEOUT.prefix.length);
    const node = directory.entries.get(hidden);
    if (node === undefined) return;
    if (node.kind === "directory") this.#deleteLower(node);
    if (!this.#added.has(node) && !(node.kind === "directory" && node.entries.size > 0))
      directory.entries.delete(hidden);
  }

  /** Deletes what layers below have put into a directory. */
  #deleteLower(directory: DirectoryNode): void {
    for (const [name, node] of directory.entries) {
      if (node.kind === "directory") this.#deleteLower(node);
      const isKept = this.#added.has(node) || (node.kind === "directory" && node.entries.size > 0);
      if (!isKept) directory.entries.delete(name);
    }
  }

  /** The directory of a path, made if it is missing. */
  #directory(parts: readonly string[]): DirectoryNode {
    return this.#walk([this.root], parts, { left: LINKS_MAXIMUM }, true)!.at(-1)!;
  }

  /** Goes down from the last directory of `path`; returns the directories passed. Links lead nowhere outside the root. */
  #walk(
    path: readonly DirectoryNode[],
    parts: readonly string[],
    links: { left: number },
    make: boolean,
  ): DirectoryNode[] | undefined {
    let passed = [...path];
    for (const part of parts) {
      if (part === "..") {
        passed = passed.slice(0, Math.max(1, passed.length - 1));
        continue;
      }
      const next = this.#step(passed, part, links, make);
      if (next === undefined) return undefined;
      passed = next;
    }
    return passed;
  }

  #step(
    passed: readonly DirectoryNode[],
    part: string,
    links: { left: number },
    make: boolean,
  ): DirectoryNode[] | undefined {
    const directory = passed.at(-1)!;
    const node = directory.entries.get(part);
    if (node?.kind === "directory") return [...passed, node];
    if (node?.kind === "symlink") {
      if (links.left-- <= 0) throw hostile(`an archive's links go round in a circle at ${part}`);
      const start = node.target.startsWith("/") ? [this.root] : passed;
      const parts = node.target.split("/").filter((each) => each !== "" && each !== ".");
      return this.#walk(start, parts, links, make);
    }
    if (!make) return undefined;
    this.#checkName(part);
    if (passed.length > DEPTH_MAXIMUM) throw hostile("an archive has too many directories within one another");
    const made = newDirectory();
    directory.entries.set(part, made);
    this.#added.add(made);
    return [...passed, made];
  }
}

function hostile(message: string): UserError {
  return new UserError(message, "Do not use what it belongs to.");
}

function attributesOf({ mode, uid, gid, mtime, xattrs }: TarEntry): Attributes {
  return { mode, uid, gid, mtime, ...(xattrs.size > 0 && { xattrs }) };
}
