import { UserError } from "../../../base/assert.ts";
import { CLUSTER_BITS, COMPATIBLE, INCOMPATIBLE } from "../../../spec/block/qcow2.ts";
import { setU64, viewOf } from "../big-endian.ts";
import type { Storage } from "../block.ts";
import { encodeHeader, type NewHeader } from "./header.ts";

export interface Qcow2Options {
  /** Bytes of the disk. */
  readonly size: number;
  readonly backingFile?: string | undefined;
  readonly backingFormat?: string | undefined;
  /** Bytes, a power of two from 512 to 2 MiB; 64 KiB if not given. */
  readonly clusterSize?: number | undefined;
  /** 2 or 3 (qemu-img: compat 0.10 or 1.1); 3 if not given. */
  readonly version?: 2 | 3 | undefined;
  readonly compression?: "zlib" | "zstd" | undefined;
}

const DEFAULT_CLUSTER_SIZE = 65_536;
const REFCOUNT_ORDER = 4;
/** Names for tools that do not know a bit: type (0 incompatible, 1 compatible), bit, name. */
const FEATURE_NAMES = [
  [0, 0, "dirty bit"],
  [0, 1, "corrupt bit"],
  [0, 3, "compression type"],
  [1, 0, "lazy refcounts"],
] as const;

/** Writes an empty image: header, refcount table, one refcount block, L1 table. Throws UserError for options that do not fit. */
export function createQcow2(storage: Storage, options: Qcow2Options): void {
  const header = headerOf(options);
  const clusterSize = 2 ** header.clusterBits;
  const used = (header.l1Offset + Math.ceil((header.l1Size * 8) / clusterSize) * clusterSize) / clusterSize;
  const table = new Uint8Array(clusterSize);
  const perBlock = clusterSize / 2;
  const blocks = Math.ceil(used / perBlock);
  if (blocks > 1) throw tooLarge(options.size, clusterSize);
  setU64(viewOf(table), 0, 2 * clusterSize);
  const block = new Uint8Array(clusterSize);
  for (let cluster = 0; cluster < used; cluster++) viewOf(block).setUint16(cluster * 2, 1);
  storage.truncate(0);
  storage.truncate(used * clusterSize);
  storage.write(clusterSize, table);
  storage.write(2 * clusterSize, block);
  storage.write(0, encodeHeader(header));
  storage.flush();
}

function headerOf(options: Qcow2Options): NewHeader {
  const { size, clusterSize = DEFAULT_CLUSTER_SIZE, version = 3, compression = "zlib" } = options;
  const clusterBits = Math.log2(clusterSize);
  if (!Number.isInteger(clusterBits) || clusterBits < CLUSTER_BITS.minimum || clusterBits > CLUSTER_BITS.maximum)
    throw new UserError(`clusters of ${clusterSize} bytes do not exist`, "Give a power of two from 512 to 2M.");
  if (compression === "zstd" && version === 2)
    throw new UserError("version 2 images compress with zlib only", "Leave the version or the compression out.");
  return {
    version,
    backingFile: options.backingFile,
    backingFormat: options.backingFormat,
    clusterBits,
    size,
    l1Size: Math.max(1, Math.ceil(size / (clusterSize * (clusterSize / 8)))),
    l1Offset: 3 * clusterSize,
    refcountOffset: clusterSize,
    refcountClusters: 1,
    snapshotCount: 0,
    snapshotsOffset: 0,
    incompatible: compression === "zstd" ? INCOMPATIBLE.compressionType : 0,
    compatible: version === 3 ? COMPATIBLE.lazyRefcounts : 0,
    autoclear: 0,
    refcountOrder: REFCOUNT_ORDER,
    compression,
    featureNames: version === 3 && clusterSize > 512 ? FEATURE_NAMES : [],
  };
}

function tooLarge(size: number, clusterSize: number): UserError {
  return new UserError(
    `a disk of ${size} bytes is too large for clusters of ${clusterSize} bytes`,
    "Give a larger --cluster-size.",
  );
}
