import * as zlib from "node:zlib";
import { decompress as decompressZstd } from "fzstd";
import { UserError } from "../../../base/assert.ts";

/** QEMU's window for compressed clusters. [qcow2 "compression_type": deflate, RFC 1951] */
const WINDOW_BITS = 12;

/** Newer versions of Node have it. */
const { zstdCompressSync } = zlib as { zstdCompressSync?: (data: Uint8Array) => Uint8Array };

/** Unpacks a cluster; behind the stream there may be other bytes. Throws Error if it is damaged or of another size. */
export function decompressCluster(kind: "zlib" | "zstd", packed: Uint8Array, size: number): Uint8Array {
  const plain =
    kind === "zlib"
      ? zlib.inflateRawSync(packed, { finishFlush: zlib.constants.Z_SYNC_FLUSH, maxOutputLength: size })
      : decompressZstd(packed.subarray(0, zstdFrameLength(packed)));
  if (plain.length !== size) throw new Error(`a compressed cluster has ${plain.length} bytes`);
  return plain;
}

/** Packs a cluster; undefined if it would not become smaller. */
export function compressCluster(kind: "zlib" | "zstd", plain: Uint8Array): Uint8Array | undefined {
  const packed = kind === "zlib" ? zlib.deflateRawSync(plain, { windowBits: WINDOW_BITS }) : zstd()(plain);
  return packed.length < plain.length ? packed : undefined;
}

function zstd(): (data: Uint8Array) => Uint8Array {
  if (zstdCompressSync) return zstdCompressSync;
  throw new UserError("this version of Node cannot compress with zstd", "Use zlib, or Node 22.15 or newer.");
}

/** [RFC 8878 3.1.1] */
const ZSTD = {
  magic: 4,
  singleSegment: 0x20,
  checksum: 0x04,
  contentSize: [0, 2, 4, 8],
  dictionaryId: [0, 1, 2, 4],
  checksumLength: 4,
} as const;
/** Type of a block that is one byte repeated. [RFC 8878 3.1.1.2] */
const RLE_BLOCK = 1;

/** Bytes of the frame at the start; the length of the whole if it does not end. */
function zstdFrameLength(data: Uint8Array): number {
  const descriptor = data[ZSTD.magic] ?? 0;
  const single = (descriptor & ZSTD.singleSegment) !== 0;
  const sizeFlag = descriptor >>> 6;
  const contentSize = single && sizeFlag === 0 ? 1 : ZSTD.contentSize[sizeFlag]!;
  let at = ZSTD.magic + 1 + (single ? 0 : 1) + ZSTD.dictionaryId[descriptor & 3]! + contentSize;
  while (at + 3 <= data.length) {
    const header = data[at]! | (data[at + 1]! << 8) | (data[at + 2]! << 16);
    at += 3 + (((header >>> 1) & 3) === RLE_BLOCK ? 1 : header >>> 3);
    if (header & 1) return Math.min(data.length, at + (descriptor & ZSTD.checksum ? ZSTD.checksumLength : 0));
  }
  return data.length;
}
