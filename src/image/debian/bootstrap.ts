/** A Debian root from an archive: required packages and apt, unpacked here, to be configured in a guest. */

import { createHash } from "node:crypto";
import { join } from "node:path";
import { inParallel } from "../../base/parallel.ts";
import { downloadDirectory, makeDirectory } from "../cache.ts";
import type { Arch } from "../catalog.ts";
import { newSymlink } from "../ext4/tree.ts";
import type { TreeBuilder } from "../layer/tree-builder.ts";
import type { Progress } from "../progress.ts";
import { newDiskOptions, type RootOptions } from "../roots/resolve.ts";
import { makeRootDisk } from "../roots/root-disk.ts";
import { type RootRecord, writeRecord } from "../roots/store.ts";
import { isLoopback, readAptProxies } from "./apt-proxy.ts";
import { type Archive, mirrorArchives, readAptSources } from "./apt-sources.ts";
import { type IndexContext, type Package, readIndexes } from "./archive.ts";
import { resolveDependencies } from "./dependencies.ts";
import { discardDownload, withDownload } from "./download.ts";
import { type PutFile, type UnpackedPackage, writeDatabase } from "./dpkg-database.ts";
import { Transport } from "./transport.ts";
import { unpackPackage } from "./unpack-package.ts";

/** What every Debian system has, as the index says it. */
const REQUIRED = /^(Essential: yes|Priority: required)$/m;
/** What is wanted beside it; usr-is-merged says that there is nothing to do for usrmerge, which needs all of perl. */
const WANTED = ["usr-is-merged", "apt"];
const PARALLEL = 4;
/** Links to directories below /usr, as Debian has had them since release 12. */
const MERGED: Readonly<Record<Arch, readonly string[]>> = {
  amd64: ["bin", "sbin", "lib", "lib32", "lib64", "libx32"],
  i386: ["bin", "sbin", "lib"],
};
const CONFIG = {
  env: [],
  entrypoint: [],
  cmd: ["/bin/bash"],
  user: "",
  workingDirectory: "/root",
  diffIds: [],
};

type BootstrapOptions = RootOptions & {
  readonly arch: Arch;
  readonly progress: Progress;
  readonly cacheDirectory: string;
};

/** Makes the root of a release in a directory; its packages are not configured. Throws UserErrors. */
export async function makeDebianRoot(
  { name, suite }: { name: string; suite: string },
  options: BootstrapOptions,
  directory: string,
): Promise<RootRecord> {
  const { arch, progress, cacheDirectory, aptDirectory = "/etc/apt" } = options;
  const downloads = downloadDirectory(cacheDirectory);
  await makeDirectory(downloads);
  const proxies = await readAptProxies();
  const transport = new Transport(proxies);
  try {
    const archives = await archivesOf(suite, options.mirror, aptDirectory);
    const context = { transport, directory: downloads, aptDirectory, progress, now: Date.now() };
    const indexes = await readIndexes(archives, arch, context);
    const packages = resolveDependencies(indexes, [...WANTED, ...indexes.select(REQUIRED)]);
    const digest = `sha256:${digestOf(packages)}`;
    const disk = `disk-${digest.slice(-12)}.qcow2`;
    const diskOptions = { ...newDiskOptions(), whiteouts: false, keepDirectoryLinks: true };
    const facts = await makeRootDisk(join(directory, disk), diskOptions, async (builder) => {
      const put = putter(builder, diskOptions.time);
      prepare(builder, arch);
      writeDatabase(await unpackAll(packages, builder, context), arch, put);
      writeFiles(put, archives, proxies);
    });
    for (const { deb } of packages) await discardDownload(deb, downloads);
    return await writeRecord(directory, { ...facts, name, arch, digest, disk, stage: "unpacked", config: CONFIG });
  } finally {
    await transport.close();
  }
}

/** The archives that apt is configured for, if they have the release, else the same servers' archive of it. */
async function archivesOf(suite: string, mirror: string | undefined, aptDirectory: string): Promise<Archive[]> {
  if (mirror !== undefined) return mirrorArchives(mirror);
  const configured = await readAptSources(aptDirectory);
  const fitting = configured.filter((archive) => archive.suite.startsWith(suite));
  return fitting.length > 0 ? fitting : mirrorArchives(configured[0]!.uri);
}

function digestOf(packages: readonly Package[]): string {
  const hash = createHash("sha256");
  for (const { deb } of packages) hash.update(deb.sha256);
  return hash.digest("hex");
}

/** Downloads several at a time, and unpacks in order. */
async function unpackAll(
  packages: readonly Package[],
  builder: TreeBuilder,
  context: IndexContext,
): Promise<UnpackedPackage[]> {
  const unpacked: UnpackedPackage[] = [];
  const { transport, directory, progress } = context;
  let unpacking: Promise<unknown> = Promise.resolve();
  await inParallel(packages, PARALLEL, ({ deb, name }) =>
    withDownload(transport, deb, directory, progress, (path) => {
      const mine = unpacking.then(async () => {
        progress.advance(`unpacking ${name}`, unpacked.length, packages.length);
        unpacked.push(await unpackPackage(path, builder));
      });
      unpacking = mine.catch(() => {});
      return mine;
    }),
  );
  return unpacked;
}

function prepare(builder: TreeBuilder, arch: Arch): void {
  for (const name of MERGED[arch]) {
    builder.makeDirectory(`usr/${name}`);
    builder.set(name, newSymlink(`usr/${name}`));
  }
}

function putter(builder: TreeBuilder, mtime: number): PutFile {
  return (path, data, mode = 0o644) =>
    builder.putFile(path, typeof data === "string" ? new TextEncoder().encode(data) : data, { mode, mtime });
}

/** What no package brings. */
function writeFiles(put: PutFile, archives: readonly Archive[], proxies: ReadonlyMap<string, string>): void {
  put("etc/apt/sources.list", sourcesList(archives));
  const useful = [...proxies].filter(([, value]) => URL.canParse(value) && !isLoopback(new URL(value).hostname));
  if (useful.length > 0)
    put("etc/apt/apt.conf.d/01proxy", useful.map(([name, value]) => `${name} "${value}";\n`).join(""));
  put("etc/apt/apt.conf.d/01languages", 'Acquire::Languages "none";\n');
  put("etc/fstab", "/dev/vda / ext4 defaults 0 1\n");
  put("etc/hostname", "tskvm\n");
}

/** Archives that a guest can reach. */
function sourcesList(archives: readonly Archive[]): string {
  const remote = archives.filter(({ uri }) => /^https?:/.test(uri) && !isLoopback(new URL(uri).hostname));
  const usable =
    remote.length > 0
      ? remote
      : mirrorArchives("http://deb.debian.org/debian").filter(
          ({ uri, suite }) => uri.endsWith("security") === suite.endsWith("security"),
        );
  return usable
    .map(
      ({ uri, suite, components, trusted }) =>
        `deb ${trusted ? "[trusted=yes] " : ""}${uri} ${suite} ${components.join(" ")}\n`,
    )
    .join("");
}
