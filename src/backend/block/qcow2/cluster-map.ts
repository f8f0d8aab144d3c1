import { ENTRY_HIGH, ENTRY_LOW, SECTOR } from "../../../spec/block/qcow2.ts";
import { viewOf } from "../big-endian.ts";
import type { Storage } from "../block.ts";
import { damaged, type Qcow2Header } from "./header.ts";
import type { Refcounts } from "./refcounts.ts";

/** L2 tables kept in memory; with clusters of 64 KiB each maps 512 MiB of disk. */
const CACHED_TABLES = 64;

/** What an L2 entry says of a cluster. */
export type ClusterKind = "absent" | "zero" | "data" | "compressed";

/** An L1 or L2 table in memory. */
export interface Table {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Where the clusters of the disk are in the file: the two levels of tables. [qcow2 "Cluster mapping"] */
export class ClusterMap {
  readonly #storage: Storage;
  readonly #refcounts: Refcounts;
  readonly #clusterSize: number;
  readonly #version: number;
  /** Entries of an L2 table. */
  readonly perTable: number;
  #l1: Table;
  readonly #tables = new Map<number, Table>();

  constructor(storage: Storage, header: Qcow2Header, refcounts: Refcounts) {
    this.#storage = storage;
    this.#refcounts = refcounts;
    this.#clusterSize = 2 ** header.clusterBits;
    this.#version = header.version;
    this.perTable = this.#clusterSize / 8;
    this.#l1 = this.readTable(header.l1Offset, header.l1Size * 8);
  }

  get l1(): Table {
    return this.#l1;
  }

  /** Puts another L1 table into place. */
  replaceL1(table: Table): void {
    this.#l1 = table;
    this.#tables.clear();
  }

  /** Reads a table from the file. */
  readTable(offset: number, length: number): Table {
    const bytes = new Uint8Array(length);
    this.#storage.read(offset, bytes);
    return { offset, bytes, view: viewOf(bytes) };
  }

  /** The L2 table for a cluster of the disk; undefined if nothing is stored there. */
  table(cluster: number): Table | undefined {
    const offset = entryOffset(this.#l1.view, Math.floor(cluster / this.perTable));
    return offset === 0 ? undefined : this.#tableAt(offset);
  }

  /** The L2 table for a cluster of the disk, made or copied so that it may be changed. */
  tableForWrite(cluster: number): Table {
    const index = Math.floor(cluster / this.perTable);
    const offset = entryOffset(this.#l1.view, index);
    if (offset !== 0 && isCopied(this.#l1.view, index)) return this.#tableAt(offset);
    const bytes = offset === 0 ? new Uint8Array(this.#clusterSize) : this.#tableAt(offset).bytes.slice();
    const table = { offset: this.#refcounts.allocate(1), bytes, view: viewOf(bytes) };
    this.#storage.write(table.offset, bytes);
    this.#keep(table);
    setEntry(this.#l1.view, index, table.offset);
    this.#storage.write(this.#l1.offset + index * 8, this.#l1.bytes.subarray(index * 8, index * 8 + 8));
    if (offset !== 0) this.#release(offset);
    return table;
  }

  /** Writes entries of a table that were changed in memory. */
  writeEntries(table: Table, from: number, to: number): void {
    this.#storage.write(table.offset + from * 8, table.bytes.subarray(from * 8, to * 8));
  }

  /** Version 2 has no zero flag. */
  kindOf(table: Table, index: number): ClusterKind {
    const high = table.view.getUint32(index * 8);
    if (high & ENTRY_HIGH.compressed) return "compressed";
    if (this.#version >= 3 && table.view.getUint32(index * 8 + 4) & ENTRY_LOW.zero) return "zero";
    return entryOffset(table.view, index) === 0 ? "absent" : "data";
  }

  /** Where in the file the cluster of an L2 entry is, 0 if nowhere. Throws UserError if it cannot be there. */
  clusterOffset(table: Table, index: number): number {
    const offset = entryOffset(table.view, index);
    this.#checkPlace(offset, "a cluster");
    return offset;
  }

  /** Where a compressed cluster is. Throws UserError if it cannot be there. */
  compressedPlace(table: Table, index: number): CompressedPlace {
    const place = compressedPlace(table.view, index, Math.log2(this.#clusterSize));
    if (place.offset >= this.#storage.size()) throw damaged(this.#storage, "a compressed cluster is beyond the end");
    return place;
  }

  #checkPlace(offset: number, what: string): void {
    if (offset % this.#clusterSize !== 0) throw damaged(this.#storage, `${what} does not start where clusters do`);
    if (offset !== 0 && offset >= this.#storage.size())
      throw damaged(this.#storage, `${what} is beyond the file's end`);
  }

  #release(offset: number): void {
    this.#tables.delete(offset);
    this.#refcounts.add(offset / this.#clusterSize, 1, -1);
  }

  #tableAt(offset: number): Table {
    const known = this.#tables.get(offset);
    if (known !== undefined) return known;
    this.#checkPlace(offset, "an L2 table");
    return this.#keep(this.readTable(offset, this.#clusterSize));
  }

  #keep(table: Table): Table {
    if (this.#tables.size >= CACHED_TABLES) this.#tables.delete(this.#tables.keys().next().value!);
    this.#tables.set(table.offset, table);
    return table;
  }
}

/** The file offset in an entry of an L1 table, or of an L2 table for a cluster that is not compressed; 0: none. */
export function entryOffset(view: DataView, index: number): number {
  const high = view.getUint32(index * 8) & ENTRY_HIGH.offset;
  return high * 2 ** 32 + ((view.getUint32(index * 8 + 4) & ENTRY_LOW.offset) >>> 0);
}

/** Whether what an entry points to is referred to by it alone. */
export function isCopied(view: DataView, index: number): boolean {
  return (view.getUint32(index * 8) & ENTRY_HIGH.copied) !== 0;
}

/** Sets or clears the flag that what an entry points to is referred to by it alone. */
export function setCopied(view: DataView, index: number, copied: boolean): void {
  const high = view.getUint32(index * 8) & ~ENTRY_HIGH.copied;
  view.setUint32(index * 8, (copied ? high | ENTRY_HIGH.copied : high) >>> 0);
}

/** Points an entry to a cluster that it alone refers to. */
export function setEntry(view: DataView, index: number, offset: number): void {
  view.setUint32(index * 8, (Math.floor(offset / 2 ** 32) | ENTRY_HIGH.copied) >>> 0);
  view.setUint32(index * 8 + 4, offset >>> 0);
}

/** Makes an entry say nothing, or that its cluster reads as zeros. */
export function clearEntry(view: DataView, index: number, zero: boolean): void {
  view.setUint32(index * 8, 0);
  view.setUint32(index * 8 + 4, zero ? ENTRY_LOW.zero : 0);
}

/** Where a compressed cluster's bytes are: the stream begins at `offset` and ends within `length` bytes. */
export interface CompressedPlace {
  readonly offset: number;
  readonly length: number;
}

/** Reads a compressed cluster's descriptor. [qcow2 "Compressed Clusters Descriptor"] */
export function compressedPlace(view: DataView, index: number, clusterBits: number): CompressedPlace {
  const shift = 62 - (clusterBits - 8) - 32;
  const high = view.getUint32(index * 8) & 0x3fff_ffff;
  const offset = (high & (2 ** shift - 1)) * 2 ** 32 + view.getUint32(index * 8 + 4);
  return { offset, length: ((high >>> shift) + 1) * SECTOR - (offset % SECTOR) };
}

/** Writes a compressed cluster's descriptor. */
export function setCompressed(view: DataView, index: number, clusterBits: number, place: CompressedPlace): void {
  const shift = 62 - (clusterBits - 8) - 32;
  const end = place.offset + place.length - 1;
  const sectors = Math.floor(end / SECTOR) - Math.floor(place.offset / SECTOR);
  const high = Math.floor(place.offset / 2 ** 32) | (sectors << shift) | ENTRY_HIGH.compressed;
  view.setUint32(index * 8, high >>> 0);
  view.setUint32(index * 8 + 4, place.offset >>> 0);
}
