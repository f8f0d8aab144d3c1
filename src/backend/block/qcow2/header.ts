import { UserError } from "../../../base/assert.ts";
import {
  BACKING_NAME_MAXIMUM,
  CLUSTER_BITS,
  COMPRESSION,
  EXTENSION,
  FEATURE_NAME,
  HEADER,
  HEADER_LENGTH,
  INCOMPATIBLE,
  QCOW2_MAGIC,
  REFCOUNT_ORDER,
} from "../../../spec/block/qcow2.ts";
import { getU64, setU64, viewOf } from "../big-endian.ts";
import type { Storage } from "../block.ts";

/** What a qcow2 header says, checked. Offsets and sizes are bytes. */
export interface Qcow2Header {
  readonly version: 2 | 3;
  readonly backingFile: string | undefined;
  readonly backingFormat: string | undefined;
  readonly clusterBits: number;
  readonly size: number;
  readonly l1Size: number;
  readonly l1Offset: number;
  readonly refcountOffset: number;
  readonly refcountClusters: number;
  readonly snapshotCount: number;
  readonly snapshotsOffset: number;
  /** Lower words of the feature bits; a bit above is refused where it matters. */
  readonly incompatible: number;
  readonly compatible: number;
  readonly autoclear: number;
  readonly refcountOrder: number;
  readonly compression: "zlib" | "zstd";
}

/** The largest L1 table we take: 32 MiB, as QEMU does. */
const L1_MAXIMUM = 4 * 2 ** 20;
/** The largest refcount table: 8 MiB. */
const REFCOUNT_TABLE_MAXIMUM = 8 * 2 ** 20;
const SNAPSHOTS_MAXIMUM = 65_536;

const UNSUPPORTED: readonly (readonly [bit: number, what: string])[] = [
  [INCOMPATIBLE.externalData, "keeps its data in an external file"],
  [INCOMPATIBLE.extendedL2, "has extended L2 entries (subclusters)"],
];
const KNOWN_INCOMPATIBLE = INCOMPATIBLE.dirty | INCOMPATIBLE.corrupt | INCOMPATIBLE.compressionType;

/** A damaged image, told in the words of what is wrong with it. */
export function damaged(storage: Storage, what: string): UserError {
  return new UserError(
    `${storage.name} is damaged: ${what}`,
    `\`tskvm disk check ${storage.name}\` tells more; restore it from a copy if that cannot repair it.`,
  );
}

/** Whether the first bytes of a file are those of a qcow2 image. */
export function isQcow2(start: Uint8Array): boolean {
  return start.length >= 8 && viewOf(start).getUint32(0) === QCOW2_MAGIC;
}

/** Reads and checks a header. Throws UserError. */
export function readHeader(storage: Storage): Qcow2Header {
  const bytes = new Uint8Array(HEADER_LENGTH.withCompression);
  storage.read(0, bytes);
  const view = viewOf(bytes);
  if (!isQcow2(bytes)) throw new UserError(`${storage.name} is no qcow2 image`, "Give its format, for instance raw.");
  const version = view.getUint32(HEADER.version);
  if (version !== 2 && version !== 3)
    throw new UserError(`${storage.name} is a qcow image of version ${version}`, "Convert it with qemu-img first.");
  if (view.getUint32(HEADER.crypt_method) !== 0)
    throw new UserError(`${storage.name} is encrypted`, "Convert it to a plain image with qemu-img first.");
  const header = fieldsOf(view, version, storage);
  check(header, view, storage);
  return header;
}

function fieldsOf(view: DataView, version: 2 | 3, storage: Storage): Qcow2Header {
  const length = version === 2 ? HEADER_LENGTH.v2 : view.getUint32(HEADER.header_length);
  const feature = (at: number) => (version === 2 ? 0 : view.getUint32(at + 4));
  const incompatible = feature(HEADER.incompatible_features);
  const compression = incompatible & INCOMPATIBLE.compressionType ? view.getUint8(HEADER.compression_type) : 0;
  if (compression > COMPRESSION.zstd) throw damaged(storage, `compression type ${compression} does not exist`);
  const clusterBits = view.getUint32(HEADER.cluster_bits);
  if (clusterBits < CLUSTER_BITS.minimum || clusterBits > CLUSTER_BITS.maximum)
    throw damaged(storage, `clusters of 2^${clusterBits} bytes do not exist`);
  return {
    version,
    backingFile: backingFileOf(view, storage),
    backingFormat: backingFormatOf(storage, length, 2 ** clusterBits),
    clusterBits,
    size: getU64(view, HEADER.size),
    l1Size: view.getUint32(HEADER.l1_size),
    l1Offset: getU64(view, HEADER.l1_table_offset),
    refcountOffset: getU64(view, HEADER.refcount_table_offset),
    refcountClusters: view.getUint32(HEADER.refcount_table_clusters),
    snapshotCount: view.getUint32(HEADER.nb_snapshots),
    snapshotsOffset: getU64(view, HEADER.snapshots_offset),
    incompatible,
    compatible: feature(HEADER.compatible_features),
    autoclear: feature(HEADER.autoclear_features),
    refcountOrder: version === 2 ? REFCOUNT_ORDER.v2 : view.getUint32(HEADER.refcount_order),
    compression: compression === COMPRESSION.zstd ? "zstd" : "zlib",
  };
}

function check(header: Qcow2Header, view: DataView, storage: Storage): void {
  refuseFeatures(header, view, storage);
  const clusterSize = 2 ** header.clusterBits;
  if (header.refcountOrder > REFCOUNT_ORDER.maximum)
    throw damaged(storage, `refcounts of 2^${header.refcountOrder} bits do not exist`);
  if (!Number.isSafeInteger(header.size)) throw damaged(storage, "its size is beyond reason");
  if (header.l1Size > L1_MAXIMUM) throw damaged(storage, "its L1 table is too large");
  if (header.refcountClusters * clusterSize > REFCOUNT_TABLE_MAXIMUM)
    throw damaged(storage, "its refcount table is too large");
  if (header.refcountClusters === 0) throw damaged(storage, "it has no refcount table");
  if (header.snapshotCount > SNAPSHOTS_MAXIMUM) throw damaged(storage, "it has too many snapshots");
  const reach = header.l1Size * (clusterSize / 8) * clusterSize;
  if (reach < header.size) throw damaged(storage, "its L1 table is too small for its size");
  for (const [name, offset] of [
    ["L1 table", header.l1Offset],
    ["refcount table", header.refcountOffset],
    ["snapshot table", header.snapshotsOffset],
  ] as const)
    if (!Number.isSafeInteger(offset) || offset % clusterSize !== 0)
      throw damaged(storage, `its ${name} is not at the start of a cluster`);
}

function refuseFeatures({ version, incompatible }: Qcow2Header, view: DataView, storage: Storage): void {
  const remedy = "Convert it with qemu-img to a plain qcow2 image.";
  for (const [bit, what] of UNSUPPORTED)
    if (incompatible & bit) throw new UserError(`${storage.name} ${what}, which is not supported`, remedy);
  const upper = version === 3 && view.getUint32(HEADER.incompatible_features) !== 0;
  if (upper || incompatible & ~KNOWN_INCOMPATIBLE)
    throw new UserError(`${storage.name} needs features that are not known here`, remedy);
}

function backingFileOf(view: DataView, storage: Storage): string | undefined {
  const offset = getU64(view, HEADER.backing_file_offset);
  if (offset === 0) return undefined;
  const length = view.getUint32(HEADER.backing_file_size);
  if (length === 0 || length > BACKING_NAME_MAXIMUM || !Number.isSafeInteger(offset))
    throw damaged(storage, "the name of its backing file is out of place");
  const name = new Uint8Array(length);
  storage.read(offset, name);
  return new TextDecoder().decode(name);
}

/** Extensions stand between the header and the end of the first cluster. [qcow2 "Header extensions"] */
function backingFormatOf(storage: Storage, start: number, clusterSize: number): string | undefined {
  const bytes = new Uint8Array(clusterSize);
  storage.read(0, bytes);
  const view = viewOf(bytes);
  for (let at = start; at + 8 <= clusterSize; ) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (type === EXTENSION.end) return undefined;
    if (at + 8 + length > clusterSize) throw damaged(storage, "a header extension is too long");
    if (type === EXTENSION.backingFormat) return new TextDecoder().decode(bytes.subarray(at + 8, at + 8 + length));
    at += 8 + ((length + 7) & ~7);
  }
  return undefined;
}

/** What a new image's header has besides the fields of Qcow2Header. */
export interface NewHeader extends Qcow2Header {
  readonly featureNames: readonly (readonly [type: number, bit: number, name: string])[];
}

/** The bytes of a header with its extensions and the backing file's name. */
export function encodeHeader(header: NewHeader): Uint8Array {
  const bytes = new Uint8Array(2 ** header.clusterBits);
  const view = viewOf(bytes);
  const length = headerLength(header);
  writeFields(view, header, length);
  let at = length;
  const extension = (type: number, data: Uint8Array) => {
    view.setUint32(at, type);
    view.setUint32(at + 4, data.length);
    bytes.set(data, at + 8);
    at += 8 + ((data.length + 7) & ~7);
  };
  if (header.backingFormat !== undefined)
    extension(EXTENSION.backingFormat, new TextEncoder().encode(header.backingFormat));
  if (header.featureNames.length > 0) extension(EXTENSION.featureNames, featureTable(header.featureNames));
  at += 8; // the end extension is zeros
  if (header.backingFile !== undefined) writeBackingName(bytes, view, at, header.backingFile);
  return bytes;
}

function headerLength({ version, incompatible }: Qcow2Header): number {
  if (version === 2) return HEADER_LENGTH.v2;
  return incompatible & INCOMPATIBLE.compressionType ? HEADER_LENGTH.withCompression : HEADER_LENGTH.v3;
}

function writeFields(view: DataView, header: Qcow2Header, length: number): void {
  view.setUint32(HEADER.magic, QCOW2_MAGIC);
  view.setUint32(HEADER.version, header.version);
  view.setUint32(HEADER.cluster_bits, header.clusterBits);
  setU64(view, HEADER.size, header.size);
  view.setUint32(HEADER.l1_size, header.l1Size);
  setU64(view, HEADER.l1_table_offset, header.l1Offset);
  setU64(view, HEADER.refcount_table_offset, header.refcountOffset);
  view.setUint32(HEADER.refcount_table_clusters, header.refcountClusters);
  if (header.version === 2) return;
  setU64(view, HEADER.incompatible_features, header.incompatible);
  setU64(view, HEADER.compatible_features, header.compatible);
  view.setUint32(HEADER.refcount_order, header.refcountOrder);
  view.setUint32(HEADER.header_length, length);
  if (header.incompatible & INCOMPATIBLE.compressionType)
    view.setUint8(HEADER.compression_type, COMPRESSION[header.compression]);
}

function featureTable(names: NewHeader["featureNames"]): Uint8Array {
  const table = new Uint8Array(names.length * FEATURE_NAME.size);
  for (const [index, [type, bit, name]] of names.entries()) {
    table.set([type, bit], index * FEATURE_NAME.size);
    table.set(new TextEncoder().encode(name), index * FEATURE_NAME.size + FEATURE_NAME.name);
  }
  return table;
}

function writeBackingName(bytes: Uint8Array, view: DataView, at: number, name: string): void {
  const encoded = new TextEncoder().encode(name);
  if (encoded.length > BACKING_NAME_MAXIMUM || at + encoded.length > bytes.length)
    throw new UserError("the name of the backing file is too long", "Use a shorter path, for instance a relative one.");
  bytes.set(encoded, at);
  view.setUint32(HEADER.backing_file_offset, 0);
  view.setUint32(HEADER.backing_file_offset + 4, at);
  view.setUint32(HEADER.backing_file_size, encoded.length);
}
