/** Layers into a tree, each checked by the digest of what it holds. */

import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import { UserError } from "../../base/assert.ts";
import { decompress } from "../debian/compression.ts";
import type { TreeBuilder } from "../layer/tree-builder.ts";
import type { Progress } from "../progress.ts";
import { TarParser } from "../tar/tar-parser.ts";
import type { LayerFile } from "./image-source.ts";

/** First bytes of packed files, and the suffix they would have [RFC 1952, RFC 8878, the .xz format]. */
const MAGICS = [
  [[0x1f, 0x8b], ".gz"],
  [[0x28, 0xb5, 0x2f, 0xfd], ".zst"],
  [[0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], ".xz"],
] as const;

/** Puts layers, the lowest one first, into a tree. `diffIds` are the digests of the unpacked archives. Throws UserError. */
export async function unpackLayers(
  builder: TreeBuilder,
  layers: readonly LayerFile[],
  diffIds: readonly string[],
  progress: Progress,
): Promise<void> {
  if (diffIds.length !== layers.length)
    throw new UserError("the image's configuration does not fit its layers", "Make the image once more.");
  for (const [index, layer] of layers.entries()) {
    progress.advance(`unpacking layer ${index + 1} of ${layers.length}`, 0);
    builder.startLayer();
    const digest = await unpackLayer(builder, layer);
    const wanted = diffIds[index];
    if (wanted !== undefined && wanted !== digest)
      throw new UserError(
        `layer ${index + 1} should be ${wanted} when unpacked, but is ${digest}`,
        "Get the image once more.",
      );
  }
}

async function unpackLayer(builder: TreeBuilder, layer: LayerFile): Promise<string> {
  const hash = createHash("sha256");
  const parser = new TarParser(builder.add);
  try {
    for await (const chunk of decompress(Readable.from(readLayer(layer)), await suffixOf(layer))) {
      hash.update(chunk);
      parser.push(chunk);
    }
  } catch (error) {
    if (error instanceof UserError || (error as NodeJS.ErrnoException).syscall !== undefined) throw error;
    throw new UserError(`a layer cannot be unpacked: ${(error as Error).message}`, "Get the image once more.", {
      cause: error,
    });
  }
  parser.end();
  return `sha256:${hash.digest("hex")}`;
}

function readLayer({ path, start, size }: LayerFile): AsyncIterable<Uint8Array> {
  if (size === 0) return Readable.from([]);
  return createReadStream(path, { start, end: start + size - 1, highWaterMark: 1 << 18 });
}

async function suffixOf({ path, start, size }: LayerFile): Promise<string> {
  const handle = await open(path);
  try {
    const first = new Uint8Array(Math.min(8, size));
    await handle.read(first, 0, first.length, start);
    const fitting = MAGICS.find(([magic]) => magic.every((byte, i) => byte === first[i]));
    return fitting?.[1] ?? "";
  } finally {
    await handle.close();
  }
}
