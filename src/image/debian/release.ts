/** An archive's release file: the hashes of its indexes, and the signature that they rest on. */

import { UserError } from "../../base/assert.ts";
import { isLoopback } from "./apt-proxy.ts";
import type { Archive } from "./apt-sources.ts";
import { parseStanzas, type Stanza } from "./control.ts";
import { downloadSmall } from "./download.ts";
import { type CheckedText, checkSignature, clearsignedText, isClearsigned } from "./signature.ts";
import { NotFoundError, type Transport } from "./transport.ts";

/** A file that a release file lists. */
export interface ListedFile {
  sha256: string;
  size: number;
}

export interface Release {
  archive: Archive;
  fields: Stanza;
  /** Paths under dists/SUITE to hash and size. */
  files: ReadonlyMap<string, ListedFile>;
  signatureChecked: boolean;
}

/** The directory of an archive's indexes. */
export function distsUrl(archive: Archive): string {
  return `${archive.uri}/dists/${archive.suite}`;
}

/** Reads an archive's InRelease, or Release and Release.gpg. Throws NotFoundError if it has none, UserError if it is bad. */
export async function readRelease(
  transport: Transport,
  archive: Archive,
  aptDirectory: string,
  now: number,
): Promise<Release> {
  const base = distsUrl(archive);
  const { text, signatureChecked } = await readChecked(transport, archive, aptDirectory, base);
  const fields = parseStanzas(text)[0] ?? new Map();
  const files = parseFileList(fields.get("sha256") ?? "");
  if (files.size === 0) throw new UserError(`${base} has no SHA256 hashes`, "Name another mirror with --mirror.");
  if (archive.checkValidUntil) requireValid(fields, base, now);
  return { archive, fields, files, signatureChecked };
}

async function readChecked(
  transport: Transport,
  archive: Archive,
  aptDirectory: string,
  base: string,
): Promise<CheckedText> {
  const inline = await unlessMissing(downloadSmall(transport, `${base}/InRelease`));
  const data = inline ?? (await downloadSmall(transport, `${base}/Release`));
  const detached = inline ? undefined : await unlessMissing(downloadSmall(transport, `${base}/Release.gpg`));
  const clearsigned = isClearsigned(data);
  const plain = { text: clearsigned ? clearsignedText(data) : data.toString("utf8"), signatureChecked: false };
  if (archive.trusted) return plain;
  const url = `${base}/${inline ? "InRelease" : "Release"}`;
  if (clearsigned || detached) return checkSignature({ data, detached, signedBy: archive.signedBy, url }, aptDirectory);
  if (isLocal(archive.uri)) return plain;
  throw new UserError(
    `${url} is not signed, so nothing says that what comes from ${archive.uri} is genuine`,
    `If you trust it and the way to it, say --mirror '[trusted=yes] ${archive.uri}'.`,
  );
}

async function unlessMissing(download: Promise<Buffer>): Promise<Buffer | undefined> {
  return download.catch((error: unknown) => {
    if (error instanceof NotFoundError) return undefined;
    throw error;
  });
}

/** Nobody can get in between on the way to this machine itself. */
function isLocal(uri: string): boolean {
  const { protocol, hostname } = new URL(uri);
  return protocol === "file:" || protocol === "copy:" || isLoopback(hostname);
}

/** " hash size path" lines. */
function parseFileList(text: string): Map<string, ListedFile> {
  const matches = text.matchAll(/^\s*([0-9a-f]{64})\s+(\d+)\s+(\S+)\s*$/gm);
  return new Map([...matches].map(([, sha256, size, path]) => [path!, { sha256: sha256!, size: Number(size) }]));
}

function requireValid(fields: Stanza, base: string, now: number): void {
  const until = fields.get("valid-until");
  if (until === undefined || !(Date.parse(until) < now)) return;
  throw new UserError(
    `${base} was valid until ${until}`,
    "Check this machine's clock, or name another mirror: --mirror '[check-valid-until=no] URL' takes an old one.",
  );
}
