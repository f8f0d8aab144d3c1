/** The image cache: where it is, what it says is there, and how files get into it. */

import { randomUUID } from "node:crypto";
import { mkdir, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { UserError } from "../base/assert.ts";
import type { Arch } from "./catalog.ts";

/** A file in an image's directory. */
export interface CachedFile {
  name: string;
  /** Bytes; a file of another size is not taken. */
  size: number;
}

/** What an image name stands for at present; manifest.json in the image's directory. */
export interface Manifest {
  format: typeof MANIFEST_FORMAT;
  name: string;
  arch: Arch;
  /** The kernel's package and version, for instance linux-image-6.1.0-9-amd64 and 6.1.27-1. */
  kernelPackage: string;
  kernelVersion: string;
  busyboxVersion: string;
  /** Root URL of the archive that the kernel came from. */
  source: string;
  /** False if hashes alone were checked, for want of gpgv or a key. */
  signatureChecked: boolean;
  kernel: CachedFile;
  busybox: CachedFile;
  systemMap?: CachedFile;
  /** An initramfs of drivers; images that an older version pulled have none, or others. */
  modules?: CachedFile;
}

export const MANIFEST_FORMAT = 1;

/** $XDG_CACHE_HOME/tskvm, or ~/.cache/tskvm [XDG Base Directory Specification]. */
export function defaultCacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_CACHE_HOME;
  return join(base?.startsWith("/") ? base : join(homedir(), ".cache"), "tskvm");
}

export function imagesDirectory(cache: string): string {
  return join(cache, "images");
}

export function imageDirectory(cache: string, name: string): string {
  return join(imagesDirectory(cache), name);
}

/** Where unfinished downloads and package indexes are kept. */
export function downloadDirectory(cache: string): string {
  return join(cache, "downloads");
}

/** The manifest of an image that is in the cache whole, else undefined. */
export async function readManifest(cache: string, name: string): Promise<Manifest | undefined> {
  const directory = imageDirectory(cache, name);
  const text = await readFile(join(directory, "manifest.json"), "utf8").catch(() => undefined);
  const manifest = text === undefined ? undefined : parseManifest(text);
  if (manifest?.name !== name) return undefined;
  const files = filesOf(manifest);
  const present = await Promise.all(files.map((file) => isPresent(directory, file)));
  return present.every(Boolean) ? manifest : undefined;
}

/** The files of an image. */
export function filesOf({ kernel, busybox, systemMap, modules }: Manifest): CachedFile[] {
  return [kernel, busybox, ...(systemMap ? [systemMap] : []), ...(modules ? [modules] : [])];
}

/** Whether a file is there in its full size. */
export async function isPresent(directory: string, file: CachedFile): Promise<boolean> {
  const found = await stat(join(directory, file.name)).catch(() => undefined);
  return found?.isFile() === true && found.size === file.size;
}

/** Undefined for anything that is not a manifest of this format. */
function parseManifest(text: string): Manifest | undefined {
  try {
    const value = JSON.parse(text) as Manifest;
    return value.format === MANIFEST_FORMAT && filesOf(value).every(isCachedFile) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isCachedFile(file: CachedFile): boolean {
  return typeof file.name === "string" && !file.name.includes("/") && Number.isSafeInteger(file.size);
}

/** Writes a file so that others see all of it or nothing, whatever happens to this process. */
export async function writeAtomically(path: string, data: Uint8Array | string): Promise<void> {
  await makeDirectory(dirname(path));
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const handle = await open(temporary, "wx");
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Makes a directory and those above it. (Node's own recursive mkdir never returns on some file systems that refuse.) */
export async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "EEXIST" && (await stat(path)).isDirectory()) return;
    if (code !== "ENOENT" || dirname(path) === path) throw error;
    await makeDirectory(dirname(path));
    await mkdir(path).catch((again: NodeJS.ErrnoException) => {
      if (again.code !== "EEXIST") throw again;
    });
  }
}

/** The names in a directory; none if there is no directory. */
export async function listDirectory(path: string): Promise<string[]> {
  return readdir(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
}

const UNWRITABLE = ["EACCES", "EPERM", "EROFS", "ENOTDIR", "EEXIST", "ENOENT"];

/** Runs what writes to the cache; a full disk or an unwritable directory becomes a UserError. */
export async function withCacheErrors<T>(cache: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const { code = "", syscall } = error as NodeJS.ErrnoException;
    if (error instanceof UserError || syscall === undefined) throw error;
    if (code === "ENOSPC" || code === "EDQUOT") {
      const remedy =
        "Make room there, or name another place with XDG_CACHE_HOME; the download goes on where it stopped.";
      throw new UserError(`the disk that holds ${cache} is full`, remedy, { cause: error });
    }
    if (!UNWRITABLE.includes(code)) throw error;
    const remedy = "Make it writable, or name another place with the environment variable XDG_CACHE_HOME.";
    throw new UserError(`cannot write to the image cache ${cache} (${code})`, remedy, { cause: error });
  }
}
