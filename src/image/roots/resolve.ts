/** The root that a name stands for: from the cache, or made now. */

import { join } from "node:path";
import { defaultCacheDirectory, withCacheErrors } from "../cache.ts";
import type { Arch } from "../catalog.ts";
import type { ImageOptions } from "../image.ts";
import { openDockerArchive } from "../oci/docker-archive.ts";
import type { FoundImage, ImageSource } from "../oci/image-source.ts";
import { openLayout } from "../oci/layout.ts";
import { formatReference } from "../oci/reference.ts";
import { openRegistry } from "../oci/registry.ts";
import { unpackLayers } from "../oci/unpack.ts";
import { type Progress, SILENT } from "../progress.ts";
import type { RootName } from "./image-name.ts";
import { makeRootDisk } from "./root-disk.ts";
import { blobDirectory, type RootRecord, readRecord, rootDirectory, withRootLock, writeRecord } from "./store.ts";

export interface RootOptions
  extends Pick<ImageOptions, "arch" | "mirror" | "aptDirectory" | "cacheDirectory" | "progress"> {
  /** Whether to look for a newer one though one is in the cache. */
  readonly refresh?: boolean | undefined;
}

/** A root in the cache. */
export interface RootImage {
  readonly record: RootRecord;
  readonly directory: string;
  /** Path of the disk, on which overlays stand: it must not change. */
  readonly disk: string;
}

/** Bytes of a root's disk; what is not used takes no room. */
const DISK_BYTES = 16 * 1024 ** 3;

/** Gets a root. One that a registry or a Debian archive gave is taken from the cache without any network. Throws UserErrors. */
export async function resolveRoot(name: RootName, options: RootOptions = {}): Promise<RootImage> {
  const { arch = "amd64", progress = SILENT, cacheDirectory = defaultCacheDirectory() } = options;
  const directory = rootDirectory(cacheDirectory, rootNameText(name), arch);
  const isRemote = name.kind === "registry" || name.kind === "debian";
  const cached = isRemote && !options.refresh ? await readRecord(directory) : undefined;
  if (cached) return rootImage(cached, directory);
  return withCacheErrors(cacheDirectory, () =>
    withRootLock(directory, progress, async () => {
      const made = isRemote && !options.refresh ? await readRecord(directory) : undefined;
      const record = made ?? (await make(name, { ...options, arch, progress, cacheDirectory }, directory));
      progress.end();
      return rootImage(record, directory);
    }),
  );
}

/** The name under which a root is kept and listed. */
export function rootNameText(name: RootName): string {
  switch (name.kind) {
    case "debian":
      return name.name;
    case "registry":
      return formatReference(name.reference);
    case "layout":
      return `oci:${name.path}${name.tag === undefined ? "" : `:${name.tag}`}`;
    case "docker-archive":
      return `docker-archive:${name.path}${name.tag === undefined ? "" : `:${name.tag}`}`;
  }
}

function rootImage(record: RootRecord, directory: string): RootImage {
  return { record, directory, disk: join(directory, record.disk) };
}

type MakeOptions = RootOptions & { readonly arch: Arch; readonly progress: Progress; readonly cacheDirectory: string };

async function make(name: RootName, options: MakeOptions, directory: string): Promise<RootRecord> {
  if (name.kind === "debian") {
    const { makeDebianRoot } = await import("../debian/bootstrap.ts");
    return makeDebianRoot(name, options, directory);
  }
  const source = openSource(name, options);
  try {
    const found = await source.find(options.arch);
    const old = await readRecord(directory);
    if (old?.digest === found.digest) return old;
    return await makeOciRoot(name, found, options, directory);
  } finally {
    await source.close();
  }
}

function openSource(
  name: Exclude<RootName, { kind: "debian" }>,
  { cacheDirectory, progress }: MakeOptions,
): ImageSource {
  switch (name.kind) {
    case "registry":
      return openRegistry(name.reference, { blobs: blobDirectory(cacheDirectory), progress });
    case "layout":
      return openLayout(name.path, name.tag);
    case "docker-archive":
      return openDockerArchive(name.path, name.tag);
  }
}

async function makeOciRoot(
  name: RootName,
  found: FoundImage,
  { arch, progress }: MakeOptions,
  directory: string,
): Promise<RootRecord> {
  const layers = await found.layers();
  const disk = `disk-${found.digest.slice(-12)}.qcow2`;
  const options = { ...newDiskOptions(), whiteouts: true, keepDirectoryLinks: false };
  const facts = await makeRootDisk(join(directory, disk), options, (builder) =>
    unpackLayers(builder, layers, found.config.diffIds, progress),
  );
  const { digest, config } = found;
  return writeRecord(directory, { ...facts, name: rootNameText(name), arch, digest, disk, stage: "ready", config });
}

/** What the disk of any root is like. */
export function newDiskOptions() {
  return { size: DISK_BYTES, label: "tskvm-root", time: Math.floor(Date.now() / 1000) };
}
