import { INCOMPATIBLE } from "../../../spec/block/qcow2.ts";
import { compressedPlace, entryOffset, isCopied, type Table } from "./cluster-map.ts";
import type { Qcow2Image } from "./image.ts";
import { listSnapshots, refreshCopied, snapshotL1 } from "./snapshots.ts";

/** What a check found. */
export interface CheckResult {
  /** What is wrong in the way of data, in words; repairing does not help. */
  readonly corruptions: readonly string[];
  /** Clusters that are referred to more often than counted: they could be overwritten. */
  readonly undercounted: number;
  /** Clusters that are counted and not referred to: lost room. */
  readonly leaks: number;
  /** Entries whose flag "referred to by it alone" is wrong. */
  readonly wrongFlags: number;
  /** Clusters of the disk that are stored, and clusters of the file. */
  readonly allocated: number;
  readonly fileClusters: number;
}

/** Words for the first few defects; a broken table would fill pages. */
const REPORTED = 20;

/** Counts every reference in an image, to compare the counts with the refcounts. */
class ReferenceCounter {
  readonly counts: Uint32Array;
  readonly corruptions: string[] = [];
  allocated = 0;
  wrongFlags = 0;
  readonly #image: Qcow2Image;

  constructor(image: Qcow2Image) {
    this.#image = image;
    this.counts = new Uint32Array(Math.ceil(image.storage.size() / image.clusterSize));
  }

  all(): void {
    const { header, refcounts, map, clusterSize } = this.#image;
    this.count(0, clusterSize, "the header");
    this.count(refcounts.tableOffset, refcounts.tableClusters * clusterSize, "the refcount table");
    for (const offset of refcounts.blockOffsets())
      if (offset !== 0) this.count(offset, clusterSize, "a refcount block");
    const snapshots = listSnapshots(this.#image);
    const length = snapshots.reduce((sum, { entry }) => sum + ((entry.length + 7) & ~7), 0);
    if (length > 0) this.count(header.snapshotsOffset, length, "the snapshot table");
    this.tables(map.l1, "the active L1 table", true);
    for (const snapshot of snapshots)
      this.tables(snapshotL1(this.#image, snapshot), `the L1 table of snapshot "${snapshot.name}"`, false);
  }

  tables(l1: Table, name: string, active: boolean): void {
    const { clusterSize, map } = this.#image;
    this.count(l1.offset, Math.max(1, l1.bytes.length), name);
    for (let n = 0; n < l1.bytes.length / 8; n++) {
      const offset = entryOffset(l1.view, n);
      if (offset === 0 || !this.count(offset, clusterSize, `an L2 table of ${name}`)) continue;
      if (active) this.#flag(l1, n, offset);
      const l2 = map.readTable(offset, clusterSize);
      for (let index = 0; index < map.perTable; index++) this.#entry(l2, index, active);
    }
  }

  #entry(l2: Table, index: number, active: boolean): void {
    const { clusterSize, map, header } = this.#image;
    const kind = map.kindOf(l2, index);
    if (kind === "compressed") {
      const { offset, length } = compressedPlace(l2.view, index, header.clusterBits);
      const first = offset - (offset % clusterSize);
      const counted = this.count(first, offset + length - first, "a compressed cluster", true);
      if (counted && active) this.allocated++;
      return;
    }
    const offset = entryOffset(l2.view, index);
    if (offset === 0 || !this.count(offset, clusterSize, "a cluster of data")) return;
    if (!active) return;
    this.allocated++;
    this.#flag(l2, index, offset);
  }

  #flag(table: Table, index: number, offset: number): void {
    const sole = this.#image.refcounts.get(offset / this.#image.clusterSize) === 1;
    if (isCopied(table.view, index) !== sole) this.wrongFlags++;
  }

  /** Counts a reference to a range; false if it cannot be one. The last cluster of a file may be cut short. */
  count(offset: number, length: number, what: string, endsAnywhere = false): boolean {
    const { clusterSize } = this.#image;
    const first = offset / clusterSize;
    const last = Math.floor((offset + length - 1) / clusterSize);
    if (!Number.isInteger(first))
      return this.#corrupt(`${what} at 0x${offset.toString(16)} is not at a cluster's start`);
    if (first >= this.counts.length || (last >= this.counts.length && !endsAnywhere))
      return this.#corrupt(`${what} at 0x${offset.toString(16)} is beyond the end of the file`);
    for (let cluster = first; cluster <= Math.min(last, this.counts.length - 1); cluster++) this.counts[cluster]!++;
    return true;
  }

  #corrupt(what: string): false {
    if (this.corruptions.length < REPORTED) this.corruptions.push(what);
    return false;
  }
}

/** Compares the refcounts with what the tables refer to. Changes nothing. */
export function checkQcow2(image: Qcow2Image): CheckResult {
  const counter = new ReferenceCounter(image);
  counter.all();
  let undercounted = 0;
  let leaks = image.refcounts.countedFrom(counter.counts.length).length;
  for (const [cluster, count] of counter.counts.entries()) {
    const stored = image.refcounts.get(cluster);
    if (stored < count) undercounted++;
    else if (stored > count) leaks++;
  }
  const { corruptions, wrongFlags, allocated, counts } = counter;
  return { corruptions, undercounted, leaks, wrongFlags, allocated, fileClusters: counts.length };
}

/** Sets the refcounts to what the tables refer to, and the flags that follow. Returns what was found before. */
export function repairQcow2(image: Qcow2Image): CheckResult {
  const found = checkQcow2(image);
  if (found.corruptions.length > 0) return found;
  image.beforeChange();
  const counter = new ReferenceCounter(image);
  counter.all();
  for (const [cluster, count] of counter.counts.entries())
    if (image.refcounts.get(cluster) !== count) image.refcounts.set(cluster, 1, count);
  for (const cluster of image.refcounts.countedFrom(counter.counts.length)) image.refcounts.set(cluster, 1, 0);
  refreshCopied(image);
  image.updateHeader({ incompatible: image.header.incompatible & ~INCOMPATIBLE.corrupt });
  image.flush();
  return found;
}
