/** The images a machine can boot: their names, and their files, gotten from a Debian archive once and then cached. */

import { readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  defaultCacheDirectory,
  downloadDirectory,
  filesOf,
  imageDirectory,
  imagesDirectory,
  listDirectory,
  type Manifest,
  readManifest,
  withCacheErrors,
  writeAtomically,
} from "./cache.ts";
import { type Arch, CATALOG, type CatalogEntry, findCatalogEntry } from "./catalog.ts";
import { MODULES_NAME } from "./guest-modules.ts";
import { type Progress, SILENT } from "./progress.ts";
import { buildRoot, rootRecipe } from "./root.ts";

export interface ImageOptions {
  /** Must be the image's architecture; without a name it chooses the default image. */
  arch?: Arch | undefined;
  /** Root of a Debian archive, instead of those that apt is configured for, for instance http://deb.debian.org/debian. */
  mirror?: string | undefined;
  /** Default: $XDG_CACHE_HOME/tskvm or ~/.cache/tskvm. */
  cacheDirectory?: string | undefined;
  /** apt's configuration; default /etc/apt. */
  aptDirectory?: string | undefined;
  /** Whether drivers are needed: then an image that was pulled without them is pulled again. */
  modules?: boolean | undefined;
  /** Whether it must be able to mount folders of the host's. */
  sharesFolders?: boolean | undefined;
  /** Told of downloads; default: nobody. */
  progress?: Progress | undefined;
}

/** An image ready to boot. */
export interface Image {
  name: string;
  arch: Arch;
  /** Path of the bzImage. */
  kernel: string;
  /** Path of the ELF executable that it unpacks itself to; undefined if it could not be unpacked or kept. */
  unpackedKernel?: string | undefined;
  /** Path of the root's initramfs. */
  initrd: string;
  /** Path of an initramfs with the drivers for virtio devices and file systems. */
  modules?: string;
  /** Path of the kernel's symbols, if its package has them. */
  systemMap?: string;
  /** Kernel parameters that suit it: the console, and no self-tests of ciphers, which take half of a boot. */
  append: string;
  kernelPackage: string;
  kernelVersion: string;
  busyboxVersion: string;
}

export interface ListedImage extends CatalogEntry {
  /** What is in the cache; undefined if nothing is. */
  cached?: { kernelPackage: string; kernelVersion: string; bytes: number };
}

const APPEND = "console=ttyS0 cryptomgr.notests";

/** Every image there is, and what of it is in the cache. No network. */
export async function listImages(options: ImageOptions = {}): Promise<ListedImage[]> {
  const cache = cacheOf(options);
  return Promise.all(
    CATALOG.map(async (entry) => {
      const manifest = await readManifest(cache, entry.name);
      if (!manifest) return entry;
      const { kernelPackage, kernelVersion } = manifest;
      return { ...entry, cached: { kernelPackage, kernelVersion, bytes: await sizeOf(cache, entry.name) } };
    }),
  );
}

/**
 * The image of a name (by default debian-cloud, or the architecture's default), from the cache if it is there: then no
 * network is used. Else it is pulled. Throws UserErrors.
 */
export async function resolveImage(name?: string, options: ImageOptions = {}): Promise<Image> {
  const entry = findCatalogEntry(name, options.arch, options.sharesFolders);
  const manifest = await readManifest(cacheOf(options), entry.name);
  const isEnough = manifest && (manifest.modules?.name.startsWith(MODULES_NAME) || !options.modules);
  return isEnough ? ready(manifest, cacheOf(options)) : pullImage(entry.name, options);
}

/** Gets the newest packages of an image, whether it is in the cache or not. Throws UserErrors. */
export async function pullImage(name?: string, options: ImageOptions = {}): Promise<Image> {
  const entry = findCatalogEntry(name, options.arch);
  const cacheDirectory = cacheOf(options);
  const manifest = await withCacheErrors(cacheDirectory, async () => {
    const { pull } = await import("./pull.ts");
    const { mirror, aptDirectory = "/etc/apt", progress = SILENT } = options;
    return pull(entry, { cacheDirectory, mirror, aptDirectory, progress, now: Date.now() });
  });
  return ready(manifest, cacheDirectory);
}

/** Removes an image from the cache; returns whether it was there. Throws a UserError for an unknown name. */
export async function removeImage(name: string, options: ImageOptions = {}): Promise<boolean> {
  const entry = findCatalogEntry(name);
  const cache = cacheOf(options);
  return withCacheErrors(cache, async () => {
    const files = await listDirectory(imageDirectory(cache, entry.name));
    await rm(imageDirectory(cache, entry.name), { recursive: true, force: true });
    return files.length > 0;
  });
}

/** Removes what no image needs: downloads, and files of earlier versions. Returns the bytes freed. */
export async function pruneImages(options: ImageOptions = {}): Promise<number> {
  const cache = cacheOf(options);
  return withCacheErrors(cache, async () => {
    const paths = (await listDirectory(downloadDirectory(cache))).map((name) => join(downloadDirectory(cache), name));
    for (const name of await listDirectory(imagesDirectory(cache))) paths.push(...(await unneededFiles(cache, name)));
    const sizes = await Promise.all(paths.map(removeFile));
    return sizes.reduce((sum, size) => sum + size, 0);
  });
}

async function unneededFiles(cache: string, name: string): Promise<string[]> {
  const manifest = await readManifest(cache, name);
  const needed = manifest && [
    "manifest.json",
    rootName(manifest),
    unpackedName(manifest),
    ...filesOf(manifest).map((file) => file.name),
  ];
  const files = await listDirectory(imageDirectory(cache, name));
  return files.filter((file) => !needed?.includes(file)).map((file) => join(imageDirectory(cache, name), file));
}

async function removeFile(path: string): Promise<number> {
  const found = await stat(path).catch(() => undefined);
  await rm(path, { recursive: true, force: true });
  return found?.size ?? 0;
}

/** An image whose packages are in the cache; what is made of them is made if that has not been done by this version. */
async function ready(manifest: Manifest, cache: string): Promise<Image> {
  const directory = imageDirectory(cache, manifest.name);
  const initrd = join(directory, rootName(manifest));
  if (!(await isWhole(initrd))) {
    const root = buildRoot(await readFile(join(directory, manifest.busybox.name)));
    await withCacheErrors(cache, () => writeAtomically(initrd, root));
  }
  const { name, arch, kernelPackage, kernelVersion, busyboxVersion } = manifest;
  return {
    name,
    arch,
    kernel: join(directory, manifest.kernel.name),
    unpackedKernel: await unpackedKernel(manifest, directory),
    initrd,
    ...(manifest.modules && { modules: join(directory, manifest.modules.name) }),
    ...(manifest.systemMap && { systemMap: join(directory, manifest.systemMap.name) }),
    append: APPEND,
    kernelPackage,
    kernelVersion,
    busyboxVersion,
  };
}

/** Unpacks the kernel once. An image can do without, so a cache that cannot be written to is no error here. */
async function unpackedKernel(manifest: Manifest, directory: string): Promise<string | undefined> {
  const path = join(directory, unpackedName(manifest));
  if (await isWhole(path)) return path;
  const { unpackKernel } = await import("./kernel-payload.ts");
  const { elf } = await unpackKernel(await readFile(join(directory, manifest.kernel.name)));
  if (elf === undefined) return undefined;
  return writeAtomically(path, elf).then(
    () => path,
    () => undefined,
  );
}

/** Whether a file that is written atomically has been. */
async function isWhole(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found !== undefined && found.size > 0;
}

function unpackedName(manifest: Manifest): string {
  return `${manifest.kernel.name}.elf`;
}

function rootName(manifest: Manifest): string {
  return `root-${rootRecipe()}-${manifest.busybox.name}.cpio`;
}

async function sizeOf(cache: string, name: string): Promise<number> {
  const directory = imageDirectory(cache, name);
  const found = await Promise.all((await listDirectory(directory)).map((file) => stat(join(directory, file))));
  return found.reduce((sum, item) => sum + item.size, 0);
}

function cacheOf(options: ImageOptions): string {
  return options.cacheDirectory ?? defaultCacheDirectory();
}
