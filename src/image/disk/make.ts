/** Making disk images, and making others of them. */

import { renameSync, rmSync, statSync } from "node:fs";
import { dirname, isAbsolute, resolve } from "node:path";
import type { BlockBackend } from "../../backend/block/block.ts";
import { commitDisk, copyDisk } from "../../backend/block/copy.ts";
import { HostFile } from "../../backend/block/host-file.ts";
import { backingFileOf, type DiskFormat, openDisk, openQcow2Image } from "../../backend/block/open.ts";
import { createQcow2 } from "../../backend/block/qcow2/create.ts";
import { Qcow2Image } from "../../backend/block/qcow2/image.ts";
import { resizeQcow2 } from "../../backend/block/qcow2/resize.ts";
import { RawImage } from "../../backend/block/raw.ts";
import { UserError } from "../../base/assert.ts";
import { type Progress, SILENT } from "../progress.ts";

/** Disks are made of whole sectors of 512 bytes. */
const SECTOR = 512;
/** Far beyond what is made by intent: 8 EiB less is what a file can have. */
const SIZE_MAXIMUM = 2 ** 53 - SECTOR;

/** How a new image is laid out. */
export interface DiskLayout {
  /** qcow2 if not given. */
  readonly format?: DiskFormat | undefined;
  /** Bytes of a qcow2 image's cluster. */
  readonly clusterSize?: number | undefined;
  /** Version of qcow2. */
  readonly version?: 2 | 3 | undefined;
  readonly compression?: "zlib" | "zstd" | undefined;
}

export interface CreateDiskOptions extends DiskLayout {
  /** The image that the new one is an overlay of: what is not written is read from there. A relative path is seen from the new image. */
  readonly backing?: string | undefined;
  readonly backingFormat?: DiskFormat | undefined;
}

/** Makes an empty disk, or an overlay. `size` in bytes; an overlay has its backing disk's by default. Throws UserError; a file that is there stays. */
export function createDisk(path: string, size: number | undefined, options: CreateDiskOptions = {}): void {
  const format = options.format ?? "qcow2";
  if (format === "raw" && options.backing !== undefined)
    throw new UserError("a raw image cannot be an overlay", "Leave --format out, or give qcow2.");
  const backing = options.backing === undefined ? undefined : backingOf(path, options.backing, options.backingFormat);
  const bytes = wholeSectors(size ?? backing?.size);
  const file = new HostFile(path, { create: true });
  try {
    if (format === "raw") file.truncate(bytes);
    else createQcow2(file, { ...options, size: bytes, backingFile: backing?.name, backingFormat: backing?.format });
  } catch (error) {
    rmSync(path, { force: true });
    throw error;
  } finally {
    file.close();
  }
}

/** The backing disk as the header names it. It is opened to see that it is there. */
function backingOf(path: string, name: string, format: DiskFormat | undefined) {
  const disk = openDisk(isAbsolute(name) ? name : resolve(dirname(path), name), { readOnly: true, format });
  const found: DiskFormat = disk instanceof Qcow2Image ? "qcow2" : "raw";
  disk.close();
  return { name, format: found, size: disk.size };
}

function wholeSectors(size: number | undefined): number {
  if (size === undefined) throw new UserError("the disk needs a size", "Write it behind the file, like 10G.");
  if (!(size >= 0 && size <= SIZE_MAXIMUM)) throw new UserError("no disk has that size", "Write it like 10G.");
  return Math.ceil(size / SECTOR) * SECTOR;
}

export interface ConvertOptions extends DiskLayout {
  readonly sourceFormat?: DiskFormat | undefined;
  readonly compress?: boolean | undefined;
  readonly progress?: Progress | undefined;
}

/** Makes a new image with the same content, without what the old one stands on. It appears when it is whole. Throws UserError. */
export function convertDisk(from: string, to: string, options: ConvertOptions = {}): void {
  const format = options.format ?? "qcow2";
  if (options.compress && format !== "qcow2")
    throw new UserError("only qcow2 images are compressed", "Leave --compress out, or give --format qcow2.");
  refuseExisting(to);
  const source = openDisk(from, { readOnly: true, format: options.sourceFormat });
  const part = `${to}.part`;
  rmSync(part, { force: true });
  try {
    createDisk(part, source.size, { ...options, format });
    const target = openDisk(part, { format });
    fill(source, target, to, options);
    renameSync(part, to);
  } finally {
    source.close();
    rmSync(part, { force: true });
  }
}

function fill(
  source: BlockBackend,
  target: BlockBackend,
  name: string,
  { compress, progress = SILENT }: ConvertOptions,
) {
  progress.advance(name, 0, source.size);
  try {
    copyDisk(source, target, { compress, onProgress: (done) => progress.advance(name, done, source.size) });
    target.flush();
  } finally {
    target.close();
  }
}

function refuseExisting(path: string): void {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined)
    throw new UserError(`${path} is there already`, "Give another name, or remove it first.");
}

/** Changes the size of a disk. `size` in bytes. Making it smaller must be allowed, since what is cut off is lost. Throws UserError. */
export function resizeDisk(
  path: string,
  size: (old: number) => number,
  { shrink = false, format }: ResizeOptions = {},
) {
  const disk = openDisk(path, { format });
  try {
    const bytes = wholeSectors(size(disk.size));
    if (bytes < disk.size && !shrink)
      throw new UserError(
        `${path} would lose its last ${disk.size - bytes} bytes`,
        "If no partition or file system reaches there, give --shrink.",
      );
    if (disk instanceof Qcow2Image) resizeQcow2(disk, bytes);
    else if (disk instanceof RawImage) disk.resize(bytes);
  } finally {
    disk.close();
  }
}

export interface ResizeOptions {
  readonly shrink?: boolean | undefined;
  readonly format?: DiskFormat | undefined;
}

/** Writes what an overlay stores into the image it stands on, and empties it. Returns the bytes moved. Throws UserError. */
export function commitOverlay(path: string, progress: Progress = SILENT): number {
  const overlay = openQcow2Image(path, { withoutBacking: true });
  try {
    const backing = backingFileOf(path, overlay);
    if (backing === undefined) throw new UserError(`${path} is no overlay`, "There is nothing that it could go into.");
    const base = openDisk(backing.path, { format: backing.format });
    try {
      growTo(base, overlay.size);
      const moved = commitDisk(overlay, base, (done) => progress.advance(backing.path, done, overlay.size));
      overlay.discardAll();
      return moved;
    } finally {
      base.close();
    }
  } finally {
    overlay.close();
  }
}

function growTo(base: BlockBackend, size: number): void {
  if (base.size >= size) return;
  if (base instanceof Qcow2Image) resizeQcow2(base, size);
  else if (base instanceof RawImage) base.resize(size);
}
