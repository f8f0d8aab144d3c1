import { HEADER, HEADER_LENGTH, INCOMPATIBLE } from "../../../spec/block/qcow2.ts";
import { setU64, viewOf } from "../big-endian.ts";
import type { BlockBackend, Extent, Storage } from "../block.ts";
import { ClusterMap, clearEntry, entryOffset, isCopied, setCompressed, setEntry, type Table } from "./cluster-map.ts";
import { compressCluster, decompressCluster } from "./compression.ts";
import { damaged, type Qcow2Header } from "./header.ts";
import { Refcounts } from "./refcounts.ts";

/** Clusters that are allocated and written at once. */
const BATCH = 64;

/** Header fields that change: offset and width. */
const CHANGEABLE = {
  size: [HEADER.size, 8],
  l1Size: [HEADER.l1_size, 4],
  l1Offset: [HEADER.l1_table_offset, 8],
  snapshotCount: [HEADER.nb_snapshots, 4],
  snapshotsOffset: [HEADER.snapshots_offset, 8],
  incompatible: [HEADER.incompatible_features, 8],
  autoclear: [HEADER.autoclear_features, 8],
} as const;

/** Part of a request that lies in one L2 table. */
interface Span {
  readonly cluster: number;
  /** Offset inside the first cluster. */
  readonly skip: number;
  readonly length: number;
}

/**
 * A qcow2 image as a disk, with its backing disk under it. While it is changed the dirty bit stands in a version 3
 * header, so that refcounts are repaired after a crash. Writes reach the file in the order data, then the mapping to it.
 */
export class Qcow2Image implements BlockBackend {
  readonly storage: Storage;
  readonly backing: BlockBackend | undefined;
  readonly refcounts: Refcounts;
  readonly map: ClusterMap;
  #header: Qcow2Header;
  #dirty = false;
  /** The compressed cluster that was read last. */
  #unpacked: { readonly offset: number; readonly bytes: Uint8Array } | undefined;
  /** Where the next compressed cluster may begin, inside a cluster that holds others. */
  #compressedEnd = 0;

  constructor(storage: Storage, backing: BlockBackend | undefined, header: Qcow2Header) {
    this.storage = storage;
    this.backing = backing;
    this.#header = header;
    this.refcounts = new Refcounts(storage, this.#header);
    this.map = new ClusterMap(storage, this.#header, this.refcounts);
  }

  get header(): Qcow2Header {
    return this.#header;
  }

  get size(): number {
    return this.#header.size;
  }

  get readOnly(): boolean {
    return this.storage.readOnly;
  }

  get clusterSize(): number {
    return 2 ** this.#header.clusterBits;
  }

  read(offset: number, into: Uint8Array): void {
    for (let done = 0; done < into.length; ) {
      const { kind, length, host } = this.#run(offset + done, into.length - done);
      const part = into.subarray(done, done + length);
      if (kind === "data") this.storage.read(host, part);
      else if (kind === "compressed") part.set(this.#decompress(offset + done, host).subarray(0, length));
      else if (kind === "zero") part.fill(0);
      else this.#readBacking(offset + done, part);
      done += length;
    }
  }

  write(offset: number, data: Uint8Array): void {
    for (let done = 0; done < data.length; ) {
      const span = this.#span(offset + done, data.length - done);
      done += this.#writeSpan(span, data.subarray(done, done + span.length));
    }
  }

  writeZeroes(offset: number, length: number, unmap: boolean): void {
    this.#wholeClusters(
      offset,
      length,
      (at, part) => this.write(at, new Uint8Array(part)),
      (span) => {
        this.#zeroClusters(span, unmap);
      },
    );
  }

  discard(offset: number, length: number): void {
    this.#wholeClusters(
      offset,
      length,
      () => {},
      (span) => this.#zeroClusters(span, true),
    );
  }

  flush(): void {
    this.storage.flush();
  }

  extent(offset: number, length: number): Extent {
    const run = this.#run(offset, length);
    return { kind: run.kind === "compressed" ? "data" : run.kind, length: run.length };
  }

  close(): void {
    if (this.#dirty) {
      this.storage.flush();
      this.updateHeader({ incompatible: this.#header.incompatible & ~INCOMPATIBLE.dirty });
      this.storage.flush();
    }
    this.storage.close();
    this.backing?.close();
  }

  /** Forgets all that this layer stores. */
  discardAll(): void {
    this.beforeChange();
    for (let at = 0; at < this.size; ) {
      const span = this.#span(at, this.size - at);
      const table = this.map.table(span.cluster) && this.map.tableForWrite(span.cluster);
      if (table !== undefined) this.#forget(table, span);
      at += span.length;
    }
    this.flush();
  }

  /** Stores one whole cluster compressed, if that makes it smaller. Only for clusters that are not stored yet. */
  writeCompressed(offset: number, data: Uint8Array): void {
    const packed = compressCluster(this.#header.compression, data);
    if (packed === undefined) return this.write(offset, data);
    this.beforeChange();
    const cluster = offset / this.clusterSize;
    const table = this.map.tableForWrite(cluster);
    const place = { offset: this.#allocateBytes(packed.length), length: packed.length };
    this.storage.write(place.offset, packed);
    const index = cluster % this.map.perTable;
    setCompressed(table.view, index, this.#header.clusterBits, place);
    this.map.writeEntries(table, index, index + 1);
  }

  /** What must happen before anything in the file changes: the dirty bit is durable. */
  beforeChange(): void {
    if (this.#dirty || this.#header.version < 3) return;
    this.#dirty = true;
    this.updateHeader({ incompatible: this.#header.incompatible | INCOMPATIBLE.dirty, autoclear: 0 });
    this.storage.flush();
  }

  /** Changes fields of the header, in memory and in the file, there in one write. */
  updateHeader(change: Partial<Pick<Qcow2Header, keyof typeof CHANGEABLE>>): void {
    this.#header = { ...this.#header, ...change };
    const bytes = new Uint8Array(this.#header.version === 2 ? HEADER_LENGTH.v2 : HEADER_LENGTH.v3);
    this.storage.read(0, bytes);
    for (const [name, [at, width]] of Object.entries(CHANGEABLE)) {
      const value = change[name as keyof typeof CHANGEABLE];
      if (value === undefined || at >= bytes.length) continue;
      if (width === 8) setU64(viewOf(bytes), at, value);
      else viewOf(bytes).setUint32(at, value);
    }
    this.storage.write(0, bytes);
  }

  /** Frees what an entry points to. */
  release(table: Table, index: number): void {
    const kind = this.map.kindOf(table, index);
    if (kind === "compressed") {
      const { offset, length } = this.map.compressedPlace(table, index);
      const first = Math.floor(offset / this.clusterSize);
      this.refcounts.add(first, Math.floor((offset + length - 1) / this.clusterSize) - first + 1, -1);
      return;
    }
    const offset = this.map.clusterOffset(table, index);
    if (offset !== 0) this.refcounts.add(offset / this.clusterSize, 1, -1);
  }

  /** What stands at an offset, for at most `length` bytes, and where in the file; for compressed clusters the entry's index. */
  #run(offset: number, length: number) {
    const span = this.#span(offset, length);
    const table = this.map.table(span.cluster);
    if (table === undefined) return { kind: "absent" as const, length: span.length, host: 0 };
    const index = span.cluster % this.map.perTable;
    const kind = this.map.kindOf(table, index);
    if (kind === "compressed")
      return { kind, length: Math.min(span.length, this.clusterSize - span.skip), host: offset - span.skip };
    const host = this.map.clusterOffset(table, index);
    let clusters = 1;
    const wanted = Math.ceil((span.skip + span.length) / this.clusterSize);
    while (clusters < wanted && this.#continues(table, index + clusters, kind, host + clusters * this.clusterSize))
      clusters++;
    return { kind, length: Math.min(span.length, clusters * this.clusterSize - span.skip), host: host + span.skip };
  }

  #continues(table: Table, index: number, kind: string, host: number): boolean {
    return this.map.kindOf(table, index) === kind && (kind !== "data" || entryOffset(table.view, index) === host);
  }

  #span(offset: number, length: number): Span {
    const cluster = Math.floor(offset / this.clusterSize);
    const skip = offset - cluster * this.clusterSize;
    const room = (this.map.perTable - (cluster % this.map.perTable)) * this.clusterSize - skip;
    return { cluster, skip, length: Math.min(length, room) };
  }

  #readBacking(offset: number, into: Uint8Array): void {
    const inside = Math.max(0, Math.min(into.length, (this.backing?.size ?? 0) - offset));
    if (inside > 0) this.backing!.read(offset, into.subarray(0, inside));
    into.fill(0, inside);
  }

  /** The bytes of a compressed cluster from `offset` on. */
  #decompress(offset: number, clusterOffset: number): Uint8Array {
    if (this.#unpacked?.offset !== clusterOffset) {
      const cluster = clusterOffset / this.clusterSize;
      const table = this.map.table(cluster)!;
      const place = this.map.compressedPlace(table, cluster % this.map.perTable);
      const packed = new Uint8Array(place.length);
      this.storage.read(place.offset, packed);
      this.#unpacked = { offset: clusterOffset, bytes: this.#unpack(packed) };
    }
    return this.#unpacked.bytes.subarray(offset - clusterOffset);
  }

  #unpack(packed: Uint8Array): Uint8Array {
    try {
      return decompressCluster(this.#header.compression, packed, this.clusterSize);
    } catch (error) {
      throw damaged(this.storage, `a compressed cluster cannot be unpacked (${(error as Error).message})`);
    }
  }

  /** Writes the part of a span that goes to clusters of one kind: those that may be changed in place, or new ones. */
  #writeSpan(span: Span, data: Uint8Array): number {
    this.beforeChange();
    const table = this.map.tableForWrite(span.cluster);
    const index = span.cluster % this.map.perTable;
    const { kind, length, host } = this.#run(span.cluster * this.clusterSize + span.skip, span.length);
    if (kind === "data" && isCopied(table.view, index)) {
      const inPlace = Math.min(length, this.#copiedLength(table, index, length, span.skip));
      this.storage.write(host, data.subarray(0, inPlace));
      return inPlace;
    }
    return this.#writeNew(table, span, data);
  }

  #copiedLength(table: Table, index: number, length: number, skip: number): number {
    let clusters = 1;
    while (clusters * this.clusterSize - skip < length && isCopied(table.view, index + clusters)) clusters++;
    return clusters * this.clusterSize - skip;
  }

  /** Writes to new clusters; what the request does not cover of the first and the last is copied. */
  #writeNew(table: Table, span: Span, data: Uint8Array): number {
    const index = span.cluster % this.map.perTable;
    const wanted = Math.min(BATCH, Math.ceil((span.skip + span.length) / this.clusterSize));
    let count = 1;
    while (count < wanted && !this.#isInPlace(table, index + count)) count++;
    const bytes = count * this.clusterSize;
    const length = Math.min(data.length, bytes - span.skip);
    const whole = length === bytes ? data.subarray(0, length) : this.#filled(span, data.subarray(0, length), bytes);
    const host = this.refcounts.allocate(count);
    this.storage.write(host, whole);
    this.#remap(table, index, count, (n) => setEntry(table.view, index + n, host + n * this.clusterSize));
    return length;
  }

  #isInPlace(table: Table, index: number): boolean {
    return this.map.kindOf(table, index) === "data" && isCopied(table.view, index);
  }

  /** Clusters as they are now, with new data in them; beyond the disk's end they are zeros. */
  #filled({ cluster, skip }: Span, data: Uint8Array, length: number): Uint8Array {
    const start = cluster * this.clusterSize;
    const whole = new Uint8Array(length);
    const end = Math.min(length, this.size - start);
    if (skip > 0) this.read(start, whole.subarray(0, skip));
    if (skip + data.length < end) this.read(start + skip + data.length, whole.subarray(skip + data.length, end));
    whole.set(data, skip);
    return whole;
  }

  /** Changes entries, and frees what they pointed to once the file no longer says so. */
  #remap(table: Table, index: number, count: number, change: (n: number) => void): void {
    const old = { ...table, bytes: table.bytes.slice(index * 8, (index + count) * 8) };
    const before: Table = { ...old, view: viewOf(old.bytes) };
    for (let n = 0; n < count; n++) change(n);
    this.map.writeEntries(table, index, index + count);
    for (let n = 0; n < count; n++) this.release(before, n);
    this.#unpacked = undefined;
  }

  /** Splits a range into whole clusters and the pieces before and after them. The last cluster of the disk counts as whole. */
  #wholeClusters(
    offset: number,
    length: number,
    piece: (at: number, length: number) => void,
    whole: (span: Span) => void,
  ) {
    const end = offset + length;
    const first = Math.min(end, Math.ceil(offset / this.clusterSize) * this.clusterSize);
    const last = end === this.size ? end : Math.max(first, Math.floor(end / this.clusterSize) * this.clusterSize);
    if (first > offset) piece(offset, first - offset);
    for (let at = first; at < last; ) {
      const span = this.#span(at, last - at);
      whole(span);
      at += span.length;
    }
    if (end > last) piece(last, end - last);
  }

  /** Makes whole clusters read as zeros. Without a backing disk, or in version 2, that is what absent ones do. */
  #zeroClusters(span: Span, unmap: boolean): void {
    const { version } = this.#header;
    if (this.backing === undefined && this.map.table(span.cluster) === undefined) return;
    if (version < 3 && this.backing !== undefined)
      return this.write(span.cluster * this.clusterSize, new Uint8Array(span.length));
    this.beforeChange();
    const table = this.map.tableForWrite(span.cluster);
    const index = span.cluster % this.map.perTable;
    const count = Math.ceil(span.length / this.clusterSize);
    if (!unmap) return this.#zeroInPlace(table, index, count);
    this.#remap(table, index, count, (n) => clearEntry(table.view, index + n, this.backing !== undefined));
  }

  #forget(table: Table, { cluster, length }: Span): void {
    const index = cluster % this.map.perTable;
    const count = Math.ceil(length / this.clusterSize);
    this.#remap(table, index, count, (n) => clearEntry(table.view, index + n, false));
  }

  /** Clusters that keep their place in the file are written; the others need no place. */
  #zeroInPlace(table: Table, index: number, count: number): void {
    const zeros = new Uint8Array(this.clusterSize);
    for (let n = index; n < index + count; n++) {
      if (this.#isInPlace(table, n)) this.storage.write(entryOffset(table.view, n), zeros);
      else this.#remap(table, n, 1, () => clearEntry(table.view, n, this.backing !== undefined));
    }
  }

  /** Room for a compressed cluster, behind the one before if it fits. */
  #allocateBytes(length: number): number {
    const end = this.#compressedEnd;
    const room = end === 0 ? 0 : (this.clusterSize - (end % this.clusterSize)) % this.clusterSize;
    if (length <= room) {
      this.refcounts.add(Math.floor(end / this.clusterSize), 1, 1);
      this.#compressedEnd = end + length;
      return end;
    }
    const next = this.refcounts.allocate(1);
    const joins = room > 0 && next === end + room;
    if (joins) this.refcounts.add(Math.floor(end / this.clusterSize), 1, 1);
    const start = joins ? end : next;
    this.#compressedEnd = start + length;
    return start;
  }
}
