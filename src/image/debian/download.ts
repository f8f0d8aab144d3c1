/** Downloads into the cache: resumed where they stopped, and never taken without their hash. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../base/assert.ts";
import { formatBytes, type Progress } from "../progress.ts";
import { claimPart, releasedPath, releasePart } from "./part-file.ts";
import { ConnectionError, NotFoundError, type Opener } from "./transport.ts";

/** A file that an index promises. */
export interface Promised {
  /** Where it may be, in the order to try. */
  urls: readonly string[];
  /** Bytes. */
  size: number;
  /** Lower-case hex. */
  sha256: string;
  /** What to call it before the user. */
  label: string;
}

/** Waits before further tries, in ms; a try that got further than any before starts them afresh. */
const RETRY_MS = [200, 1000];
const MAX_SMALL_BYTES = 32 << 20;

/** A whole small file, such as a release file. */
export async function downloadSmall(transport: Opener, url: string): Promise<Buffer> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await readSmall(transport, url);
    } catch (error) {
      const wait = RETRY_MS[attempt];
      if (!(error instanceof ConnectionError) || wait === undefined) throw error;
      await sleep(wait);
    }
  }
}

async function readSmall(transport: Opener, url: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (await transport.open(url)).body) {
    size += chunk.length;
    if (size > MAX_SMALL_BYTES) throw new UserError(`${url} is far too big`, "Name another mirror with --mirror.");
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/**
 * Lends a promised file, gotten into a directory, to `use`. It stays there for the next time, when nothing is read from
 * the network any more; discardDownload removes it. What `use` sees always has the promised hash. Throws a UserError
 * when the download breaks (what has arrived is kept for the next run) or is not what was promised (it is deleted).
 */
export async function withDownload<T>(
  transport: Opener,
  promised: Promised,
  directory: string,
  progress: Progress,
  use: (path: string) => Promise<T>,
): Promise<T> {
  const path = join(directory, promised.sha256);
  const part = await claimPart(path);
  try {
    const resumed = await fetchFromAny(transport, promised, part, progress);
    if (resumed && (await sha256File(part)) !== promised.sha256) {
      await rm(part);
      await fetchFromAny(transport, promised, part, progress);
    }
    await requireMatch(part, promised);
    return await use(part);
  } finally {
    await releasePart(part, path);
  }
}

/** Removes what withDownload left; a process that is using the file now has it under a name of its own. */
export async function discardDownload(promised: Promised, directory: string): Promise<void> {
  await rm(releasedPath(join(directory, promised.sha256)), { force: true });
}

async function requireMatch(part: string, promised: Promised): Promise<void> {
  const found = await sha256File(part);
  if (found === promised.sha256) return;
  const { size } = await stat(part);
  await rm(part, { force: true });
  throw new ChecksumError(promised, found, size);
}

/** A file that is not what the signed index says. */
export class ChecksumError extends UserError {
  constructor(promised: Promised, found: string, size: number) {
    super(
      `checksum mismatch: ${promised.urls.at(-1)} should have SHA256 ${promised.sha256} (${promised.size} bytes), ` +
        `but ${found} (${size} bytes) was found`,
      "The bad file was deleted. Run the command again; if it stays so, name another mirror with --mirror.",
    );
  }
}

/** Tries the addresses in turn; returns whether an earlier part was continued. */
async function fetchFromAny(transport: Opener, promised: Promised, part: string, progress: Progress): Promise<boolean> {
  let missing: unknown;
  for (const url of promised.urls) {
    try {
      return await fetchRest(transport, url, promised, part, progress);
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error;
      missing = error;
    }
  }
  throw missing;
}

async function fetchRest(
  transport: Opener,
  url: string,
  promised: Promised,
  part: string,
  progress: Progress,
): Promise<boolean> {
  const file = await open(part, "a+");
  try {
    const before = (await file.stat()).size;
    if (before > promised.size) await file.truncate(0);
    let furthest = before;
    for (let failures = 0; ; ) {
      const error = await fetchOnce(transport, url, promised, file, progress);
      const { size } = await file.stat();
      if (!error) return before > 0;
      failures = size > furthest ? 1 : failures + 1;
      furthest = Math.max(furthest, size);
      const wait = RETRY_MS[failures - 1];
      if (wait === undefined) throw interrupted(promised, size, error);
      await sleep(wait);
    }
  } finally {
    await file.close();
  }
}

/** Appends what is missing. Returns the connection's error if it broke. */
async function fetchOnce(
  transport: Opener,
  url: string,
  promised: Promised,
  file: FileHandle,
  progress: Progress,
): Promise<ConnectionError | undefined> {
  let { size } = await file.stat();
  if (size === promised.size) return undefined;
  try {
    const source = await transport.open(url, size);
    if (source.start !== size) {
      size = 0;
      await file.truncate(0);
    }
    progress.advance(promised.label, size, promised.size);
    for await (const chunk of source.body) {
      await file.write(chunk);
      size += chunk.length;
      progress.advance(promised.label, Math.min(size, promised.size), promised.size);
      if (size > promised.size) return undefined;
    }
  } catch (error) {
    if (error instanceof ConnectionError) return error;
    throw error;
  }
  return undefined;
}

function interrupted(promised: Promised, size: number, cause: ConnectionError): UserError {
  if (size === 0) return cause;
  return new UserError(
    `the download of ${promised.label} stopped at ${formatBytes(size)} of ${formatBytes(promised.size)}: ${cause.message}`,
    "What has arrived is kept: run the command again and it goes on from there.",
    { cause },
  );
}

async function sha256File(path: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}
