/** Making an image: its packages from a Debian archive, unpacked into the cache. */

import { basename, join } from "node:path";
import { UserError } from "../base/assert.ts";
import {
  type CachedFile,
  downloadDirectory,
  imageDirectory,
  MANIFEST_FORMAT,
  type Manifest,
  makeDirectory,
  writeAtomically,
} from "./cache.ts";
import type { CatalogEntry } from "./catalog.ts";
import { readAptProxies } from "./debian/apt-proxy.ts";
import { mirrorArchives, readAptSources } from "./debian/apt-sources.ts";
import { type IndexContext, kernelDependency, type Package, readIndexes } from "./debian/archive.ts";
import { type Collection, readDeb, type UnpackedFile, type Wanted } from "./debian/deb.ts";
import { discardDownload, withDownload } from "./debian/download.ts";
import { Transport } from "./debian/transport.ts";
import { MODULE_FILE, MODULES_NAME, modulesArchive } from "./guest-modules.ts";
import type { Progress } from "./progress.ts";

export interface PullOptions {
  cacheDirectory: string;
  /** Root of a Debian archive to use instead of those that apt is configured for; see mirrorArchives. */
  mirror?: string | undefined;
  aptDirectory: string;
  progress: Progress;
  /** ms since 1970. */
  now: number;
}

/** Debian's kernel packages hold a System.map of one line that names another package. */
const SMALLEST_SYSTEM_MAP = 1000;

/** Downloads and unpacks the newest packages of an image, and enters it into the cache. Throws UserErrors. */
export async function pull(entry: CatalogEntry, options: PullOptions): Promise<Manifest> {
  const archives = options.mirror ? mirrorArchives(options.mirror) : await readAptSources(options.aptDirectory);
  const directory = downloadDirectory(options.cacheDirectory);
  await makeDirectory(directory);
  const { aptDirectory, progress, now } = options;
  const transport = new Transport(await readAptProxies());
  try {
    const context = { transport, directory, aptDirectory, progress, now };
    const indexes = await readIndexes(archives, entry.arch, context);
    if (!indexes.signatureChecked) {
      progress.note(
        "note: no signature of the archive was checked (it has none, or there is no gpgv or key); hashes were",
      );
    }
    const dependency = kernelDependency(indexes.find(entry.metaPackage));
    const kernel = indexes.find(dependency.name, dependency.version);
    const busybox = indexes.find("busybox-static");
    const files = await unpackAll(kernel, busybox, imageDirectory(options.cacheDirectory, entry.name), context);
    return await enter(entry, kernel, busybox, files, indexes.signatureChecked, options.cacheDirectory);
  } finally {
    progress.end();
    await transport.close();
  }
}

type ImageFiles = Pick<Manifest, "kernel" | "busybox" | "systemMap" | "modules">;

async function unpackAll(
  kernel: Package,
  busybox: Package,
  directory: string,
  context: IndexContext,
): Promise<ImageFiles> {
  const modules = { pattern: MODULE_FILE, files: [] as UnpackedFile[] };
  const wanted = { kernel: /^boot\/vmlinuz-/, systemMap: /^boot\/System\.map-/ };
  const fromKernel = await unpack(kernel, wanted, context, modules);
  const fromBusybox = await unpack(busybox, { busybox: /^(usr\/)?bin\/busybox$/ }, context);
  const systemMap = fromKernel.systemMap;
  const files = {
    kernel: await store(fromKernel.kernel, kernel, directory),
    busybox: await store(fromBusybox.busybox, busybox, directory),
    modules: await store({ path: MODULES_NAME, data: modulesArchive(modules.files) }, kernel, directory),
    ...(systemMap &&
      systemMap.data.length >= SMALLEST_SYSTEM_MAP && { systemMap: await store(systemMap, kernel, directory) }),
  };
  await discardDownload(kernel.deb, context.directory);
  await discardDownload(busybox.deb, context.directory);
  return files;
}

async function unpack<Key extends string>(
  source: Package,
  wanted: Wanted<Key>,
  context: IndexContext,
  collect?: Collection,
): Promise<Partial<Record<Key, UnpackedFile>>> {
  return withDownload(context.transport, source.deb, context.directory, context.progress, (path) => {
    context.progress.advance(`unpacking ${source.name}`, 0);
    return readDeb(path, wanted, collect);
  });
}

/** Puts a file into the image's directory under a name that is its package's alone. */
async function store(unpacked: UnpackedFile | undefined, source: Package, directory: string): Promise<CachedFile> {
  if (!unpacked) {
    throw new UserError(
      `the package ${source.name} ${source.version} lacks its file`,
      "Name another mirror with --mirror.",
    );
  }
  const name = `${basename(unpacked.path)}-${source.deb.sha256.slice(0, 8)}`;
  await writeAtomically(join(directory, name), unpacked.data);
  return { name, size: unpacked.data.length };
}

async function enter(
  entry: CatalogEntry,
  kernel: Package,
  busybox: Package,
  files: ImageFiles,
  signatureChecked: boolean,
  cache: string,
): Promise<Manifest> {
  const manifest: Manifest = {
    format: MANIFEST_FORMAT,
    name: entry.name,
    arch: entry.arch,
    kernelPackage: kernel.name,
    kernelVersion: kernel.version,
    busyboxVersion: busybox.version,
    source: kernel.archiveUri,
    signatureChecked,
    ...files,
  };
  const path = join(imageDirectory(cache, entry.name), "manifest.json");
  await writeAtomically(path, `${JSON.stringify(manifest, undefined, 2)}\n`);
  return manifest;
}
