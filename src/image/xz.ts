/**
 * Unpacking xz as kernels are packed: LZMA2, mostly behind the x86 branch filter. The decoder library does not know that
 * filter, so it gets the same compressed data in a container that does not mention it, and the filter is undone here.
 */

import { Readable } from "node:stream";
import { decodeBcjX86 } from "./bcj-x86.ts";
import { crc32 } from "./crc32.ts";
import { decompress } from "./debian/compression.ts";
import { buildXz, parseXz, type XzBlock, type XzFilter } from "./xz-container.ts";

/** [xz 5.3] */
const FILTER_X86 = 0x04;
const FILTER_LZMA2 = 0x21;
/** Code of a 64 MiB dictionary, twice what Linux is packed with. [xz 5.3.1] */
const DICTIONARY_MAXIMUM = 28;

/** Unpacks a file to exactly fill `output`. Throws Error if it is damaged, or packed in a way that is not known. */
export async function decodeXz(file: Uint8Array, output: Uint8Array): Promise<void> {
  const block = parseXz(file);
  const [lzma2, ...others] = [...block.filters].reverse();
  if (!isKnownLzma2(lzma2) || others.length > 1 || !others.every(isPlainX86))
    throw new Error("the xz data was made with an unknown filter");
  await decodeLzma2(block, lzma2, output);
  if (others.length > 0) decodeBcjX86(output);
  if (block.crc32 !== undefined && block.crc32 !== crc32(output)) throw new Error("the xz data has a wrong checksum");
}

function isKnownLzma2(filter: XzFilter | undefined): filter is XzFilter {
  return filter?.id === FILTER_LZMA2 && filter.properties.length === 1 && filter.properties[0]! <= DICTIONARY_MAXIMUM;
}

/** One that counts positions from the start of the data. */
function isPlainX86({ id, properties }: XzFilter): boolean {
  return id === FILTER_X86 && properties.length === 0;
}

async function decodeLzma2({ data, plainSize }: XzBlock, lzma2: XzFilter, output: Uint8Array): Promise<void> {
  const plainFile = buildXz({ filters: [lzma2], data, plainSize });
  let filled = 0;
  for await (const chunk of decompress(Readable.from([plainFile]), ".xz")) {
    if (chunk.length > output.length - filled) throw new Error("the xz data is longer than it says");
    output.set(chunk, filled);
    filled += chunk.length;
  }
  if (filled !== output.length) throw new Error("the xz data is shorter than it says");
}
