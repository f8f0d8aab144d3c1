/** Reading files out of a binary package: an ar archive with a data.tar inside [deb(5)]. */

import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { Readable } from "node:stream";
import type { ReadableStream } from "node:stream/web";
import { createTarDecoder } from "modern-tar";
import { UserError } from "../../base/assert.ts";
import { decompress } from "./compression.ts";

const AR_MAGIC = "!<arch>\n";
const AR_HEADER_BYTES = 60;

/** The files wanted, by a pattern for their path in the package; the result has the same keys. */
export type Wanted<Key extends string> = Record<Key, RegExp>;

/** Every file that fits a pattern, besides those that are wanted. */
export interface Collection {
  readonly pattern: RegExp;
  readonly files: UnpackedFile[];
}

/**
 * The first file that fits each pattern; undefined for one that no file fits. Reads no further than needed, but to the
 * end if there is something to collect. Throws a UserError if the file is no package.
 */
export async function readDeb<Key extends string>(
  path: string,
  wanted: Wanted<Key>,
  collect?: Collection,
): Promise<Partial<Record<Key, UnpackedFile>>> {
  const handle = await open(path);
  try {
    const data = await findMember(handle, "data.tar");
    const input = createReadStream(path, { start: data.start, end: data.start + data.size - 1 });
    return await pickFiles(decompress(input, data.suffix), wanted, collect);
  } catch (error) {
    if (error instanceof UserError || (error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    throw new UserError(`cannot unpack a package: ${(error as Error).message}`, "Name another mirror with --mirror.");
  } finally {
    await handle.close();
  }
}

export interface UnpackedFile {
  /** Path in the package, without "./". */
  path: string;
  data: Uint8Array;
}

interface Member {
  start: number;
  size: number;
  /** ".xz" and the like. */
  suffix: string;
}

/** The archive in a package that has its files, or that describes it, unpacked, as it comes. Throws a UserError if there is none. */
export async function readMember(path: string, name: "control.tar" | "data.tar"): Promise<AsyncIterable<Uint8Array>> {
  const handle = await open(path);
  try {
    const { start, size, suffix } = await findMember(handle, name);
    return decompress(createReadStream(path, { start, end: start + size - 1, highWaterMark: 1 << 18 }), suffix);
  } catch (error) {
    throw new UserError(`cannot unpack ${path}: ${(error as Error).message}`, "Name another mirror with --mirror.");
  } finally {
    await handle.close();
  }
}

async function findMember(handle: FileHandle, wanted: string): Promise<Member> {
  if ((await readText(handle, 0, AR_MAGIC.length)) !== AR_MAGIC) throw new Error("it is no ar archive");
  let offset = AR_MAGIC.length;
  for (;;) {
    const header = await readText(handle, offset, AR_HEADER_BYTES);
    if (header.length < AR_HEADER_BYTES || !header.endsWith("`\n")) throw new Error(`it holds no ${wanted}`);
    const name = header.slice(0, 16).trim().replace(/\/$/, "");
    const size = Number.parseInt(header.slice(48, 58), 10);
    const start = offset + AR_HEADER_BYTES;
    if (name.startsWith(wanted)) return { start, size, suffix: name.slice(wanted.length) };
    if (!(size >= 0)) throw new Error("its ar archive is malformed");
    offset = start + size + (size & 1);
  }
}

async function readText(handle: FileHandle, position: number, length: number): Promise<string> {
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, position);
  return buffer.toString("latin1", 0, bytesRead);
}

async function pickFiles<Key extends string>(
  tar: AsyncIterable<Uint8Array>,
  wanted: Wanted<Key>,
  collect: Collection | undefined,
): Promise<Partial<Record<Key, UnpackedFile>>> {
  const found: Partial<Record<Key, UnpackedFile>> = {};
  const keys = Object.keys(wanted) as Key[];
  const plain = Readable.toWeb(Readable.from(tar)) as unknown as globalThis.ReadableStream<Uint8Array>;
  const entries = plain.pipeThrough(createTarDecoder()) as unknown as ReadableStream<TarEntry>;
  for await (const { header, body } of entries) {
    const path = header.name.replace(/^\.?\//, "");
    const key = keys.find((item) => found[item] === undefined && wanted[item].test(path));
    const isCollected = collect?.pattern.test(path) ?? false;
    if ((key === undefined && !isCollected) || (header.type ?? "file") !== "file") {
      await drain(body);
      continue;
    }
    const file = { path, data: new Uint8Array(await new Response(body).arrayBuffer()) };
    if (key !== undefined) found[key] = file;
    if (isCollected) collect!.files.push(file);
    if (!collect && keys.every((item) => found[item] !== undefined)) break;
  }
  return found;
}

/** Reads a body that nobody wants. Cancelling one that is small takes the next entry's body away from modern-tar, for good. */
async function drain(body: globalThis.ReadableStream<Uint8Array>): Promise<void> {
  const reader = body.getReader();
  while (!(await reader.read()).done);
}

interface TarEntry {
  header: { name: string; type?: string };
  body: globalThis.ReadableStream<Uint8Array>;
}
