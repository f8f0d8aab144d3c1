/** Finding packages in a set of Debian archives. */

import { createReadStream } from "node:fs";
import { UserError } from "../../base/assert.ts";
import type { Progress } from "../progress.ts";
import type { Archive } from "./apt-sources.ts";
import { decompress } from "./compression.ts";
import { findPackage, type Stanza, selectPackages } from "./control.ts";
import { type Promised, withDownload } from "./download.ts";
import { distsUrl, type ListedFile, type Release, readRelease } from "./release.ts";
import { NotFoundError, type Transport } from "./transport.ts";
import { compareVersions } from "./version.ts";

/** A package as an index describes it. */
export interface Package {
  name: string;
  version: string;
  depends: string;
  preDepends: string;
  provides: string;
  /** Root URL of the archive it is in. */
  archiveUri: string;
  /** Its .deb. */
  deb: Promised;
}

/** The indexes of one architecture from every archive that has one. */
export interface PackageIndexes {
  /** The newest version of a package, or of those with exactly this version. Throws a UserError if there is none. */
  find(name: string, version?: string): Package;
  /** Whether there is a package of this name. */
  has(name: string): boolean;
  /** The names of packages whose description in an index fits a pattern. */
  select(pattern: RegExp): string[];
  /** Whether every index rests on a checked signature. */
  signatureChecked: boolean;
}

/** What reading indexes needs. */
export interface IndexContext {
  transport: Transport;
  /** Where downloads are kept. */
  directory: string;
  /** apt's configuration, for its keys. */
  aptDirectory: string;
  progress: Progress;
  /** ms since 1970. */
  now: number;
}

interface Index {
  release: Release;
  data: Buffer;
}

/** Packages indexes by preference. */
const SUFFIXES = [".xz", ".gz", ".zst", ""];

/**
 * Reads the indexes of an architecture. Like apt it goes on without an archive that fails, and says so; an archive that
 * lacks the architecture, or that asks not to be upgraded from (backports), is passed over.
 */
export async function readIndexes(
  archives: readonly Archive[],
  arch: string,
  context: IndexContext,
): Promise<PackageIndexes> {
  const failures: UserError[] = [];
  const indexes: Index[] = [];
  const releases = await Promise.allSettled(
    archives.map((archive) => readRelease(context.transport, archive, context.aptDirectory, context.now)),
  );
  for (const [i, result] of releases.entries()) {
    const read = result.status === "fulfilled" ? readIndex(result.value, arch, context) : Promise.reject(result.reason);
    await read.then(
      (index) => index && indexes.push(index),
      (error: unknown) => failures.push(tolerable(error, archives[i]!)),
    );
  }
  const errors = failures.filter((error) => error !== ABSENT);
  if (indexes.length === 0) throw errors[0] ?? noIndexes(archives, arch);
  for (const error of errors) context.progress.note(`warning: going on without an archive: ${error.message}`);
  return packageIndexes(indexes, arch, archives, errors[0]);
}

/** Stands for an archive that need not be there. */
const ABSENT = new UserError("absent");

function tolerable(error: unknown, archive: Archive): UserError {
  if (error instanceof NotFoundError) return archive.optional ? ABSENT : missing(archive, error);
  if (error instanceof UserError) return error;
  throw error;
}

function missing(archive: Archive, cause: NotFoundError): UserError {
  const remedy = "Give the root of a Debian archive, the directory that holds dists and pool.";
  return new UserError(`${archive.uri} is no Debian archive with ${archive.suite}: ${cause.message}`, remedy, {
    cause,
  });
}

function noIndexes(archives: readonly Archive[], arch: string): UserError {
  const tried = archives.map((archive) => `${archive.uri} ${archive.suite}`).join(", ");
  return new UserError(`no archive has packages for ${arch} (tried ${tried})`, "Name another mirror with --mirror.");
}

async function readIndex(release: Release, arch: string, context: IndexContext): Promise<Index | undefined> {
  if (release.fields.get("notautomatic") === "yes") return undefined;
  const stem = `main/binary-${arch}/Packages`;
  let missingFile: NotFoundError | undefined;
  for (const suffix of SUFFIXES) {
    const listed = release.files.get(stem + suffix);
    if (listed === undefined) continue;
    try {
      return { release, data: await readListed(release, stem + suffix, listed, suffix, context) };
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      missingFile = error;
    }
  }
  if (missingFile) throw missingFile;
  return undefined;
}

async function readListed(
  release: Release,
  path: string,
  listed: ListedFile,
  suffix: string,
  context: IndexContext,
): Promise<Buffer> {
  const base = distsUrl(release.archive);
  const byHash = `${base}/${path.slice(0, path.lastIndexOf("/"))}/by-hash/SHA256/${listed.sha256}`;
  const urls = release.fields.get("acquire-by-hash") === "yes" ? [byHash, `${base}/${path}`] : [`${base}/${path}`];
  const promised = { ...listed, urls, label: `package index of ${release.archive.suite}` };
  return withDownload(context.transport, promised, context.directory, context.progress, async (file) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of decompress(createReadStream(file), suffix)) chunks.push(chunk);
    return Buffer.concat(chunks);
  });
}

function packageIndexes(
  indexes: readonly Index[],
  arch: string,
  archives: readonly Archive[],
  failure: UserError | undefined,
): PackageIndexes {
  return {
    signatureChecked: indexes.every(({ release }) => release.signatureChecked),
    has: (name) => indexes.some(({ data }) => findPackage(data, name).length > 0),
    select: (pattern) => [...new Set(indexes.flatMap(({ data }) => selectPackages(data, pattern)))],
    find(name, version) {
      const all = indexes.flatMap(({ release, data }) =>
        findPackage(data, name).flatMap((stanza) => toPackage(stanza, release.archive.uri) ?? []),
      );
      const fitting = all.filter((item) => version === undefined || item.version === version);
      const newest = fitting.sort((a, b) => compareVersions(b.version, a.version))[0];
      if (newest) return newest;
      if (failure) throw failure;
      const what = version === undefined ? name : `${name} ${version}`;
      const where = archives.map((archive) => `${archive.uri} ${archive.suite}`).join(", ");
      throw new UserError(
        `there is no package ${what} for ${arch} in ${where}`,
        "Name a Debian archive with --mirror.",
      );
    },
  };
}

/** Undefined for a stanza that lacks what a download needs. */
function toPackage(stanza: Stanza, archiveUri: string): Package | undefined {
  const [name, version, path] = ["package", "version", "filename"].map((field) => stanza.get(field));
  const sha256 = stanza.get("sha256") ?? "";
  const size = Number(stanza.get("size"));
  const safe = path !== undefined && !path.split("/").includes("..") && /^[0-9a-f]{64}$/.test(sha256);
  if (!name || !version || !safe || !Number.isSafeInteger(size)) return undefined;
  const deb = { urls: [`${archiveUri}/${encodeURI(path)}`], size, sha256, label: `${name} ${version}` };
  const [depends = "", preDepends = "", provides = ""] = ["depends", "pre-depends", "provides"].map((field) =>
    stanza.get(field),
  );
  return { name, version, depends, preDepends, provides, archiveUri, deb };
}

/** The kernel package that a meta package stands for: "linux-image-6.1.0-9-amd64 (= 6.1.27-1)". */
export function kernelDependency(meta: Package): { name: string; version?: string } {
  const match = /(linux-image-\d[^\s,(|]*)\s*(?:\(=\s*([^)\s]+)\s*\))?/.exec(meta.depends);
  if (!match)
    throw new UserError(`${meta.name} ${meta.version} depends on no kernel`, "Name another mirror with --mirror.");
  return { name: match[1]!, ...(match[2] !== undefined && { version: match[2] }) };
}
