/** Roots in the cache: what there is, and removing it. */

import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { defaultCacheDirectory, listDirectory, withCacheErrors } from "../cache.ts";
import type { Arch } from "../catalog.ts";
import type { RootName } from "./image-name.ts";
import { rootNameText } from "./resolve.ts";
import { blobDirectory, listRecords, readRecord, rootDirectory, unneededFiles } from "./store.ts";

export interface ListedRoot {
  readonly name: string;
  readonly arch: Arch;
  readonly digest: string;
  /** What its disk takes. */
  readonly bytes: number;
}

interface Options {
  readonly arch?: Arch | undefined;
  readonly cacheDirectory?: string | undefined;
}

/** Every root in the cache. No network. */
export async function listRoots({ cacheDirectory = defaultCacheDirectory() }: Options = {}): Promise<ListedRoot[]> {
  const records = await listRecords(cacheDirectory);
  return Promise.all(
    records.map(async ({ record: { name, arch, digest, disk }, directory }) => {
      const { size } = await stat(join(directory, disk));
      return { name, arch, digest, bytes: size };
    }),
  );
}

/** Removes a root; returns whether it was there. Overlays that stand on its disk are of no use afterwards. */
export async function removeRoot(
  name: RootName,
  { arch = "amd64", cacheDirectory = defaultCacheDirectory() }: Options = {},
): Promise<boolean> {
  const directory = rootDirectory(cacheDirectory, rootNameText(name), arch);
  return withCacheErrors(cacheDirectory, async () => {
    const record = await readRecord(directory);
    await rm(directory, { recursive: true, force: true });
    return record !== undefined;
  });
}

/** Removes what no root needs: blobs of registries, disks of earlier versions. Returns the bytes freed. */
export async function pruneRoots({ cacheDirectory = defaultCacheDirectory() }: Options = {}): Promise<number> {
  return withCacheErrors(cacheDirectory, async () => {
    const blobs = blobDirectory(cacheDirectory);
    const paths = (await listDirectory(blobs)).map((name) => join(blobs, name));
    paths.push(...(await unneededFiles(cacheDirectory)));
    let freed = 0;
    for (const path of paths) {
      freed += (await stat(path).catch(() => undefined))?.size ?? 0;
      await rm(path, { force: true });
    }
    return freed;
  });
}
