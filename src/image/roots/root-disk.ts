/** Makes the disk of a root: a qcow2 image with a file system, which appears when it is whole. */

import { randomBytes } from "node:crypto";
import { renameSync, rmSync } from "node:fs";
import type { BlockBackend } from "../../backend/block/block.ts";
import { openDisk } from "../../backend/block/open.ts";
import { BLOCK_SIZE } from "../../spec/fs/ext4.ts";
import { createDisk } from "../disk/make.ts";
import { BufferedTarget } from "../ext4/buffered-target.ts";
import type { FileNode } from "../ext4/tree.ts";
import { Ext4Writer } from "../ext4/writer.ts";
import { TreeBuilder, type TreeBuilderOptions } from "../layer/tree-builder.ts";

export interface RootDiskOptions extends Omit<TreeBuilderOptions, "createFile"> {
  /** Bytes of the disk; what is not used takes no room. */
  readonly size: number;
  readonly label: string;
  /** Seconds since 1970. */
  readonly time: number;
}

/** What a root needs beside its disk. */
export interface RootFacts {
  /** /etc/passwd and /etc/group. */
  readonly passwd: string;
  readonly group: string;
}

/** Makes the file `path` of what `fill` puts into the tree. Throws UserError, and what `fill` throws; then there is no file. */
export async function makeRootDisk(
  path: string,
  options: RootDiskOptions,
  fill: (builder: TreeBuilder) => Promise<void>,
): Promise<RootFacts> {
  const part = `${path}.${process.pid}.part`;
  rmSync(part, { force: true });
  try {
    createDisk(part, options.size);
    const disk = openDisk(part, { format: "qcow2" });
    const facts = await write(disk, options, fill).finally(() => disk.close());
    renameSync(part, path);
    return facts;
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}

async function write(
  disk: BlockBackend,
  options: RootDiskOptions,
  fill: (builder: TreeBuilder) => Promise<void>,
): Promise<RootFacts> {
  const target = new BufferedTarget(disk);
  const hashSeed = new Uint32Array(randomBytes(16).buffer.slice(0, 16));
  const writer = new Ext4Writer(target, { ...options, uuid: randomUuid(), hashSeed });
  const builder = new TreeBuilder({ ...options, createFile: (size) => writer.createFile(size) });
  await fill(builder);
  writer.finish(builder.root);
  target.flush();
  const read = (name: string) => {
    const node = builder.find(name);
    return node?.kind === "file" ? readText(disk, node) : "";
  };
  return { passwd: read("etc/passwd"), group: read("etc/group") };
}

/** A random one, version 4 [RFC 9562 5.4]. */
function randomUuid(): Uint8Array {
  const uuid = new Uint8Array(randomBytes(16));
  uuid[6] = (uuid[6]! & 0x0f) | 0x40;
  uuid[8] = (uuid[8]! & 0x3f) | 0x80;
  return uuid;
}

const TEXT_MAXIMUM = 1 << 20;

/** The beginning of a file, as text. */
function readText(disk: BlockBackend, { size, runs }: FileNode): string {
  const parts: Uint8Array[] = [];
  let left = Math.min(size, TEXT_MAXIMUM);
  for (const { start, count } of runs) {
    const part = new Uint8Array(Math.min(left, count * BLOCK_SIZE));
    disk.read(start * BLOCK_SIZE, part);
    parts.push(part);
    left -= part.length;
  }
  return Buffer.concat(parts).toString("utf8");
}
