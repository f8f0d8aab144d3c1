import type { Arch } from "tskvm";
import type { TestContext } from "vitest";
import { UserError } from "../../src/base/assert.ts";
import { defaultCacheDirectory, downloadDirectory, makeDirectory } from "../../src/image/cache.ts";
import { readAptProxies } from "../../src/image/debian/apt-proxy.ts";
import { readAptSources } from "../../src/image/debian/apt-sources.ts";
import { readIndexes } from "../../src/image/debian/archive.ts";
import { readDeb, type UnpackedFile } from "../../src/image/debian/deb.ts";
import { withDownload } from "../../src/image/debian/download.ts";
import { Transport } from "../../src/image/debian/transport.ts";
import { SILENT } from "../../src/image/progress.ts";

const APT = "/etc/apt";

/**
 * Files out of the newest packages of these names, by a pattern for each package; links are left out. Skips the test if
 * there is no archive. What was downloaded stays in the cache for the next time.
 */
export async function debianFiles(
  context: TestContext,
  arch: Arch,
  wanted: Readonly<Record<string, RegExp>>,
): Promise<UnpackedFile[]> {
  const files = await fetchFiles(arch, wanted).catch((error: unknown) => {
    if (error instanceof UserError) return error;
    throw error;
  });
  context.skip(files instanceof UserError, `no packages: ${files instanceof UserError ? files.message : ""}`);
  return files as UnpackedFile[];
}

async function fetchFiles(arch: Arch, wanted: Readonly<Record<string, RegExp>>): Promise<UnpackedFile[]> {
  const directory = downloadDirectory(defaultCacheDirectory());
  await makeDirectory(directory);
  const transport = new Transport(await readAptProxies());
  const files: UnpackedFile[] = [];
  try {
    const context = { transport, directory, aptDirectory: APT, progress: SILENT, now: Date.now() };
    const indexes = await readIndexes(await readAptSources(APT), arch, context);
    for (const [name, pattern] of Object.entries(wanted)) {
      const { deb } = indexes.find(name);
      await withDownload(transport, deb, directory, SILENT, (path) => readDeb(path, {}, { pattern, files }));
    }
    return files;
  } finally {
    await transport.close();
  }
}
