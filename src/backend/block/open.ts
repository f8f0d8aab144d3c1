import { statSync } from "node:fs";
import { dirname, isAbsolute, join, resolve } from "node:path";
import { UserError } from "../../base/assert.ts";
import { INCOMPATIBLE } from "../../spec/block/qcow2.ts";
import type { BlockBackend } from "./block.ts";
import { HostFile } from "./host-file.ts";
import { repairQcow2 } from "./qcow2/check.ts";
import { isQcow2, readHeader } from "./qcow2/header.ts";
import { Qcow2Image } from "./qcow2/image.ts";
import { RawImage } from "./raw.ts";

export const DISK_FORMATS = ["raw", "qcow2"] as const;
export type DiskFormat = (typeof DISK_FORMATS)[number];

export interface OpenDiskOptions {
  /** Found out from the file's first bytes if not given. */
  readonly format?: DiskFormat | undefined;
  readonly readOnly?: boolean;
  /** false if the caller holds the file's lock. */
  readonly lock?: boolean;
  /** Open this layer alone; what it does not store then reads as zeros. */
  readonly withoutBacking?: boolean;
  /** Leave an image as it is that was not closed properly, instead of repairing it. */
  readonly withoutRepair?: boolean;
}

/** Longest chain of backing files. */
const CHAIN_MAXIMUM = 200;

/** Opens a disk image with the files under it, which are only read. Throws UserError. */
export function openDisk(path: string, options: OpenDiskOptions = {}): BlockBackend {
  return openLayer(path, options, () => checkChain(path));
}

/** Opens an image and those under it; `beforeBacking` is called if there are any, before they are opened. */
function openLayer(path: string, options: OpenDiskOptions, beforeBacking: () => void): BlockBackend {
  const file = new HostFile(path, { readOnly: options.readOnly ?? false, lock: options.lock });
  try {
    const format = options.format ?? probeFormat(file);
    if (format === "raw") return new RawImage(file, { probed: options.format === undefined });
    return openQcow2(file, path, options, beforeBacking);
  } catch (error) {
    file.close();
    throw error;
  }
}

/** Opens a qcow2 image as such, for what only this format can do. Throws UserError. */
export function openQcow2Image(path: string, options: OpenDiskOptions = {}): Qcow2Image {
  const disk = openDisk(path, options);
  if (disk instanceof Qcow2Image) return disk;
  disk.close();
  throw new UserError(`${path} is a raw image, which has no such thing`, "Convert it to qcow2 first.");
}

/** The format that a file's first bytes tell; whatever is not known is raw. */
export function probeFormat(file: HostFile): DiskFormat {
  const start = new Uint8Array(16);
  file.read(0, start);
  return isQcow2(start) ? "qcow2" : "raw";
}

/** A backing file of an image: where it is, seen from the image, and its format if the image names it. */
export interface BackingFile {
  readonly path: string;
  readonly format: DiskFormat | undefined;
}

/** Where the name of a backing file leads. Throws UserError for names that are no paths. */
export function backingFileOf(path: string, image: Pick<Qcow2Image, "header">): BackingFile | undefined {
  const { backingFile, backingFormat } = image.header;
  if (backingFile === undefined) return undefined;
  const name = backingFile.replace(/^file:(?!\/\/)/, "");
  if (/^(json:|[a-z0-9+.-]+:)/i.test(name) && !isAbsolute(name))
    throw new UserError(`${path} has the backing file ${backingFile}, which is no path`, "Convert it with qemu-img.");
  return { path: isAbsolute(name) ? name : join(dirname(path), name), format: formatOf(path, backingFormat) };
}

function formatOf(path: string, name: string | undefined): DiskFormat | undefined {
  if (name === undefined) return undefined;
  if (name === "file" || name === "host_device") return "raw";
  if ((DISK_FORMATS as readonly string[]).includes(name)) return name as DiskFormat;
  throw new UserError(`${path} has a backing file of format ${name}`, "Convert that to qcow2 or raw with qemu-img.");
}

function openQcow2(file: HostFile, path: string, options: OpenDiskOptions, beforeBacking: () => void): Qcow2Image {
  const header = readHeader(file);
  const isBad = (header.incompatible & (INCOMPATIBLE.dirty | INCOMPATIBLE.corrupt)) !== 0;
  if (header.incompatible & INCOMPATIBLE.corrupt && !file.readOnly && !options.withoutRepair)
    throw new UserError(`${path} is marked as corrupt`, `Try \`tskvm disk check --repair ${path}\`.`);
  const backing = options.withoutBacking ? undefined : openBacking(path, { header }, beforeBacking);
  const image = new Qcow2Image(file, backing, header);
  if (isBad && !file.readOnly && !options.withoutRepair) repair(image, path);
  return image;
}

function repair(image: Qcow2Image, path: string): void {
  const { corruptions } = repairQcow2(image);
  if (corruptions.length === 0) return;
  image.backing?.close();
  throw new UserError(
    `${path} was not closed properly and cannot be repaired: ${corruptions[0]}`,
    `\`tskvm disk check ${path}\` tells more.`,
  );
}

function openBacking(
  path: string,
  image: Pick<Qcow2Image, "header">,
  beforeBacking: () => void,
): BlockBackend | undefined {
  const backing = backingFileOf(path, image);
  if (backing === undefined) return undefined;
  beforeBacking();
  try {
    // the chain was looked at whole from its top
    return openLayer(backing.path, { readOnly: true, format: backing.format }, () => {});
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${path} stands on another image: ${error.message}`, error.remedy, { cause: error });
  }
}

/** Refuses a chain of backing files that comes back to itself, which would never end. */
function checkChain(path: string): void {
  const seen = new Set<string>();
  for (let current: string | undefined = path; current !== undefined; ) {
    const key = identity(current);
    if (seen.has(key) || seen.size >= CHAIN_MAXIMUM)
      throw new UserError(`${path} stands on itself by its backing files`, "Convert it with qemu-img.");
    seen.add(key);
    current = nextInChain(current);
  }
}

function nextInChain(path: string): string | undefined {
  try {
    const file = new HostFile(path, { readOnly: true });
    const next = probeFormat(file) === "qcow2" ? backingFileOf(path, { header: readHeader(file) })?.path : undefined;
    file.close();
    return next;
  } catch {
    return undefined;
  }
}

function identity(path: string): string {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return resolve(path);
  }
}
