import { ENTRY_LOW, HEADER } from "../../../spec/block/qcow2.ts";
import { getU64, setU64, viewOf } from "../big-endian.ts";
import type { Storage } from "../block.ts";
import { damaged, type Qcow2Header } from "./header.ts";

/** Refcount blocks kept in memory. */
const CACHED_BLOCKS = 64;

/** A refcount block: a cluster of counters. */
interface RefcountBlock {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/**
 * How often each cluster of the file is referred to, and which are free. What is changed is written at once, so the file
 * is never ahead of it. [qcow2 "Host cluster management"]
 */
export class Refcounts {
  readonly #storage: Storage;
  readonly #clusterBits: number;
  readonly #order: number;
  #tableOffset: number;
  #table: Uint8Array;
  readonly #blocks = new Map<number, RefcountBlock>();
  /** No cluster below this one is free. */
  #firstFree = 0;

  constructor(storage: Storage, header: Qcow2Header) {
    this.#storage = storage;
    this.#clusterBits = header.clusterBits;
    this.#order = header.refcountOrder;
    this.#tableOffset = header.refcountOffset;
    this.#table = new Uint8Array(header.refcountClusters * this.#clusterSize);
    storage.read(this.#tableOffset, this.#table);
  }

  get #clusterSize(): number {
    return 2 ** this.#clusterBits;
  }

  /** Counters in a block. */
  get #perBlock(): number {
    return (8 * this.#clusterSize) / 2 ** this.#order;
  }

  get tableOffset(): number {
    return this.#tableOffset;
  }

  get tableClusters(): number {
    return this.#table.length / this.#clusterSize;
  }

  /** The greatest count there can be. */
  get maximum(): number {
    return this.#order >= 5 ? 2 ** 32 - 1 : 2 ** (2 ** this.#order) - 1;
  }

  /** Offsets of the blocks, 0 where there is none. */
  blockOffsets(): number[] {
    const view = viewOf(this.#table);
    return Array.from({ length: this.#table.length / 8 }, (_, index) => blockOffset(view, index));
  }

  /** Clusters from `first` on that are counted though nothing is stored there: a crash came between counting and writing. */
  countedFrom(first: number): number[] {
    const counted: number[] = [];
    for (const [index, offset] of this.blockOffsets().entries()) {
      if (offset === 0 || (index + 1) * this.#perBlock <= first) continue;
      for (let n = 0; n < this.#perBlock; n++) {
        const cluster = index * this.#perBlock + n;
        if (cluster >= first && this.get(cluster) !== 0) counted.push(cluster);
      }
    }
    return counted;
  }

  get(cluster: number): number {
    const block = this.#block(Math.floor(cluster / this.#perBlock));
    return block === undefined ? 0 : getCount(block, this.#order, cluster % this.#perBlock);
  }

  /** Sets the count of clusters that follow each other. */
  set(first: number, count: number, value: number): void {
    for (let cluster = first; cluster < first + count; ) {
      const index = Math.floor(cluster / this.#perBlock);
      const end = Math.min(first + count, (index + 1) * this.#perBlock);
      const from = cluster % this.#perBlock;
      this.#setInBlock(this.#block(index) ?? this.#addBlock(index), from, from + end - cluster, value);
      cluster = end;
    }
    if (value === 0) this.#firstFree = Math.min(this.#firstFree, first);
  }

  /** Adds to the count of clusters that follow each other. */
  add(first: number, count: number, difference: 1 | -1): void {
    for (let cluster = first; cluster < first + count; cluster++) {
      const value = this.get(cluster) + difference;
      if (value < 0) throw damaged(this.#storage, `cluster ${cluster} is freed and was not in use`);
      if (value > this.maximum) throw damaged(this.#storage, `cluster ${cluster} is referred to too often`);
      this.set(cluster, 1, value);
    }
  }

  /** Takes clusters that follow each other, with a count of 1; returns the offset of the first. */
  allocate(count: number): number {
    let firstFree = -1;
    let run = 0;
    let cluster = this.#firstFree;
    for (; run < count; cluster++) {
      if (run === 0 || cluster % this.#perBlock === 0) this.#ensureBlock(Math.floor(cluster / this.#perBlock));
      const isFree = this.get(cluster) === 0;
      if (isFree && firstFree < 0) firstFree = cluster;
      run = isFree ? run + 1 : 0;
    }
    const first = cluster - count;
    this.set(first, count, 1);
    this.#firstFree = first === firstFree ? cluster : firstFree;
    return first * this.#clusterSize;
  }

  #ensureBlock(index: number): void {
    if (this.#block(index) === undefined) this.#addBlock(index);
  }

  #block(index: number): RefcountBlock | undefined {
    const known = this.#blocks.get(index);
    if (known !== undefined) return known;
    if (index * 8 >= this.#table.length) return undefined;
    const offset = blockOffset(viewOf(this.#table), index);
    if (offset === 0) return undefined;
    if (offset % this.#clusterSize !== 0 || offset >= this.#storage.size())
      throw damaged(this.#storage, "a refcount block is out of place");
    const bytes = new Uint8Array(this.#clusterSize);
    this.#storage.read(offset, bytes);
    return this.#keep(index, { offset, bytes, view: viewOf(bytes) });
  }

  #keep(index: number, block: RefcountBlock): RefcountBlock {
    if (this.#blocks.size >= CACHED_BLOCKS) this.#blocks.delete(this.#blocks.keys().next().value!);
    this.#blocks.set(index, block);
    return block;
  }

  #setInBlock(block: RefcountBlock, from: number, to: number, value: number): void {
    for (let entry = from; entry < to; entry++) setCount(block, this.#order, entry, value);
    const bits = 2 ** this.#order;
    const start = Math.floor((from * bits) / 8);
    const end = Math.ceil((to * bits) / 8);
    this.#storage.write(block.offset + start, block.bytes.subarray(start, end));
  }

  /** The first cluster of the range that a new block counts becomes the block: nothing in that range is in use yet. */
  #addBlock(index: number): RefcountBlock {
    if (index * 8 >= this.#table.length) return this.#growTable(index);
    return this.#placeBlock(index, index * this.#perBlock * this.#clusterSize);
  }

  #placeBlock(index: number, offset: number): RefcountBlock {
    const block = this.#newBlock(index, offset, 1);
    setU64(viewOf(this.#table), index * 8, offset);
    this.#storage.write(this.#tableOffset + index * 8, this.#table.subarray(index * 8, index * 8 + 8));
    return block;
  }

  #newBlock(index: number, offset: number, used: number): RefcountBlock {
    const bytes = new Uint8Array(this.#clusterSize);
    const block = { offset, bytes, view: viewOf(bytes) };
    for (let entry = 0; entry < used; entry++) setCount(block, this.#order, entry, 1);
    this.#storage.write(offset, bytes);
    return this.#keep(index, block);
  }

  /** A larger table stands, with the blocks that count it, where the old one's reach ends. */
  #growTable(index: number): RefcountBlock {
    const start = (this.#table.length / 8) * this.#perBlock;
    const entries = Math.max(index + 2, Math.ceil((this.#table.length / 8) * 1.5));
    let clusters = Math.ceil((entries * 8) / this.#clusterSize);
    let blocks = 1;
    while (blocks * this.#perBlock < blocks + clusters) blocks++;
    clusters = Math.max(clusters, Math.ceil(((this.#table.length / 8 + blocks) * 8) / this.#clusterSize));
    const table = new Uint8Array(clusters * this.#clusterSize);
    table.set(this.#table);
    const firstIndex = this.#table.length / 8;
    for (let n = 0; n < blocks; n++) {
      const used = Math.min(this.#perBlock, blocks + clusters - n * this.#perBlock);
      this.#newBlock(firstIndex + n, (start + n) * this.#clusterSize, Math.max(0, used));
      setU64(viewOf(table), (firstIndex + n) * 8, (start + n) * this.#clusterSize);
    }
    this.#moveTable(table, (start + blocks) * this.#clusterSize);
    return this.#block(index) ?? this.#addBlock(index);
  }

  #moveTable(table: Uint8Array, offset: number): void {
    const old = { offset: this.#tableOffset, clusters: this.tableClusters };
    this.#storage.write(offset, table);
    this.#storage.flush();
    this.#table = table;
    this.#tableOffset = offset;
    const fields = new Uint8Array(12);
    setU64(viewOf(fields), 0, offset);
    viewOf(fields).setUint32(8, this.tableClusters);
    this.#storage.write(HEADER.refcount_table_offset, fields);
    this.#storage.flush();
    this.set(old.offset / this.#clusterSize, old.clusters, 0);
  }
}

function blockOffset(table: DataView, index: number): number {
  return table.getUint32(index * 8) * 2 ** 32 + ((table.getUint32(index * 8 + 4) & ENTRY_LOW.offset) >>> 0);
}

function getCount({ bytes, view }: RefcountBlock, order: number, entry: number): number {
  if (order === 6) return getU64(view, entry * 8);
  if (order === 5) return view.getUint32(entry * 4);
  if (order === 4) return view.getUint16(entry * 2);
  const bits = 2 ** order;
  const at = entry * bits;
  return (bytes[at >>> 3]! >>> (at & 7)) & (2 ** bits - 1);
}

function setCount({ bytes, view }: RefcountBlock, order: number, entry: number, value: number): void {
  if (order === 6) return setU64(view, entry * 8, value);
  if (order === 5) return view.setUint32(entry * 4, value);
  if (order === 4) return view.setUint16(entry * 2, value);
  const bits = 2 ** order;
  const at = entry * bits;
  const mask = (2 ** bits - 1) << (at & 7);
  bytes[at >>> 3] = (bytes[at >>> 3]! & ~mask) | (value << (at & 7));
}
