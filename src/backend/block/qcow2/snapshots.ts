import { UserError } from "../../../base/assert.ts";
import { SNAPSHOT, SNAPSHOT_EXTRA } from "../../../spec/block/qcow2.ts";
import { getU64, setU64, viewOf } from "../big-endian.ts";
import { entryOffset, setCopied, type Table } from "./cluster-map.ts";
import { damaged } from "./header.ts";
import type { Qcow2Image } from "./image.ts";

/** An internal snapshot: the disk as it was. */
export interface Snapshot {
  readonly id: string;
  readonly name: string;
  /** When it was made, in ms since 1970. */
  readonly date: number;
  readonly l1Offset: number;
  readonly l1Size: number;
  /** Bytes of the disk then. */
  readonly diskSize: number;
  /** Bytes of a machine's state saved with it. */
  readonly vmStateSize: number;
  /** The entry as it stands in the table, so that what is not known here is kept. */
  readonly entry: Uint8Array;
}

/** Longest entry that is taken; names and extra data are short. */
const ENTRY_MAXIMUM = 200_000;

/** Reads the snapshot table. Throws UserError if it is damaged. [qcow2 "Snapshots"] */
export function listSnapshots(image: Qcow2Image): Snapshot[] {
  const snapshots: Snapshot[] = [];
  let at = image.header.snapshotsOffset;
  for (let n = 0; n < image.header.snapshotCount; n++) {
    const snapshot = readEntry(image, at);
    snapshots.push(snapshot);
    at += (snapshot.entry.length + 7) & ~7;
  }
  return snapshots;
}

function readEntry(image: Qcow2Image, at: number): Snapshot {
  const fixed = new Uint8Array(SNAPSHOT.extra_data);
  image.storage.read(at, fixed);
  const view = viewOf(fixed);
  const extra = view.getUint32(SNAPSHOT.extra_data_size);
  const idSize = view.getUint16(SNAPSHOT.id_str_size);
  const nameSize = view.getUint16(SNAPSHOT.name_size);
  const length = SNAPSHOT.extra_data + extra + idSize + nameSize;
  if (length > ENTRY_MAXIMUM) throw damaged(image.storage, "a snapshot's entry is too long");
  const entry = new Uint8Array(length);
  image.storage.read(at, entry);
  const strings = SNAPSHOT.extra_data + extra;
  const decode = (from: number, to: number) => new TextDecoder().decode(entry.subarray(from, to));
  const extraView = viewOf(entry.subarray(SNAPSHOT.extra_data, strings));
  return {
    id: decode(strings, strings + idSize),
    name: decode(strings + idSize, length),
    date: view.getUint32(SNAPSHOT.date_sec) * 1000 + view.getUint32(SNAPSHOT.date_nsec) / 1e6,
    l1Offset: getU64(view, SNAPSHOT.l1_table_offset),
    l1Size: view.getUint32(SNAPSHOT.l1_size),
    diskSize: extra >= 16 ? getU64(extraView, SNAPSHOT_EXTRA.disk_size) : image.size,
    vmStateSize: extra >= 8 ? getU64(extraView, SNAPSHOT_EXTRA.vm_state_size) : view.getUint32(SNAPSHOT.vm_state_size),
    entry,
  };
}

/** Keeps the disk as it is now under a name. `date` in ms since 1970. Throws UserError if the name is taken. */
export function createSnapshot(image: Qcow2Image, name: string, date: number): void {
  const snapshots = listSnapshots(image);
  if (snapshots.some((snapshot) => snapshot.name === name))
    throw new UserError(`there is a snapshot "${name}" already`, "Give another name, or delete that one first.");
  image.beforeChange();
  countTables(image, image.map.l1, 1);
  const l1Offset = writeL1(image, image.map.l1.bytes);
  refreshCopied(image);
  const id = String(1 + Math.max(0, ...snapshots.map((snapshot) => Number(snapshot.id) || 0)));
  const entry = newEntry(image, { id, name, date, l1Offset });
  writeTable(image, [...snapshots.map((snapshot) => snapshot.entry), entry]);
}

/** Makes the disk what it was. */
export function applySnapshot(image: Qcow2Image, name: string): void {
  const snapshot = find(image, name);
  if (snapshot.diskSize !== image.size && image.header.version < 3)
    throw new UserError("the snapshot has another size", "Only version 3 images can go back to another size.");
  image.beforeChange();
  const l1 = snapshotL1(image, snapshot);
  countTables(image, l1, 1);
  const old = image.map.l1;
  const bytes = new Uint8Array(Math.max(old.bytes.length, l1.bytes.length));
  bytes.set(l1.bytes);
  const offset = writeL1(image, bytes);
  image.storage.flush();
  image.updateHeader({ l1Offset: offset, l1Size: bytes.length / 8, size: snapshot.diskSize });
  image.map.replaceL1({ offset, bytes, view: viewOf(bytes) });
  countTables(image, old, -1);
  freeTable(image, old.offset, old.bytes.length);
  refreshCopied(image);
}

/** Forgets a snapshot. */
export function deleteSnapshot(image: Qcow2Image, name: string): void {
  const snapshot = find(image, name);
  image.beforeChange();
  const others = listSnapshots(image).filter((other) => other.id !== snapshot.id);
  const l1 = snapshotL1(image, snapshot);
  writeTable(
    image,
    others.map((other) => other.entry),
  );
  countTables(image, l1, -1);
  freeTable(image, l1.offset, l1.bytes.length);
  refreshCopied(image);
}

function find(image: Qcow2Image, name: string): Snapshot {
  const snapshots = listSnapshots(image);
  const found = snapshots.find((one) => one.name === name) ?? snapshots.find((one) => one.id === name);
  if (found !== undefined) return found;
  const list = snapshots.map((one) => one.name).join(", ");
  throw new UserError(`there is no snapshot "${name}"`, list === "" ? "The image has none." : `There are: ${list}.`);
}

/** The L1 table of a snapshot. */
export function snapshotL1(image: Qcow2Image, { l1Offset, l1Size }: Snapshot): Table {
  if (l1Size > 4 * 2 ** 20 || l1Offset % image.clusterSize !== 0)
    throw damaged(image.storage, "a snapshot's L1 table is out of place");
  return image.map.readTable(l1Offset, l1Size * 8);
}

/** Counts every L2 table of an L1 table, and all that those refer to, once more or once less. */
function countTables(image: Qcow2Image, l1: Table, difference: 1 | -1): void {
  const { clusterSize, refcounts } = image;
  for (let n = 0; n < l1.bytes.length / 8; n++) {
    const offset = entryOffset(l1.view, n);
    if (offset === 0) continue;
    const l2 = image.map.readTable(offset, clusterSize);
    for (let index = 0; index < image.map.perTable; index++) {
      if (image.map.kindOf(l2, index) === "compressed") {
        const place = image.map.compressedPlace(l2, index);
        const first = Math.floor(place.offset / clusterSize);
        refcounts.add(first, Math.floor((place.offset + place.length - 1) / clusterSize) - first + 1, difference);
        continue;
      }
      const data = image.map.clusterOffset(l2, index);
      if (data !== 0) refcounts.add(data / clusterSize, 1, difference);
    }
    refcounts.add(offset / clusterSize, 1, difference);
  }
}

/** Sets the flags "referred to by it alone" of the active tables to what the refcounts say. */
export function refreshCopied(image: Qcow2Image): void {
  const { l1, perTable } = image.map;
  const isSole = (offset: number) => image.refcounts.get(offset / image.clusterSize) === 1;
  for (let n = 0; n < l1.bytes.length / 8; n++) {
    const offset = entryOffset(l1.view, n);
    if (offset === 0) continue;
    setCopied(l1.view, n, isSole(offset));
    const l2 = image.map.readTable(offset, image.clusterSize);
    for (let index = 0; index < perTable; index++) {
      if (image.map.kindOf(l2, index) === "compressed") continue;
      const data = entryOffset(l2.view, index);
      if (data !== 0) setCopied(l2.view, index, isSole(data));
    }
    image.storage.write(offset, l2.bytes);
  }
  image.storage.write(l1.offset, l1.bytes);
  image.map.replaceL1(l1);
}

function writeL1(image: Qcow2Image, bytes: Uint8Array): number {
  const offset = image.refcounts.allocate(Math.max(1, Math.ceil(bytes.length / image.clusterSize)));
  const copy = bytes.slice();
  // a snapshot's own flags are not used; they must be clear [qcow2 "Snapshots"]
  for (let n = 0; n < copy.length / 8; n++) setCopied(viewOf(copy), n, false);
  image.storage.write(offset, copy);
  return offset;
}

function freeTable(image: Qcow2Image, offset: number, length: number): void {
  image.refcounts.add(offset / image.clusterSize, Math.max(1, Math.ceil(length / image.clusterSize)), -1);
}

function newEntry(image: Qcow2Image, of: { id: string; name: string; date: number; l1Offset: number }): Uint8Array {
  const id = new TextEncoder().encode(of.id);
  const name = new TextEncoder().encode(of.name);
  const entry = new Uint8Array(SNAPSHOT.extra_data + SNAPSHOT_EXTRA.length + id.length + name.length);
  const view = viewOf(entry);
  setU64(view, SNAPSHOT.l1_table_offset, of.l1Offset);
  view.setUint32(SNAPSHOT.l1_size, image.map.l1.bytes.length / 8);
  view.setUint16(SNAPSHOT.id_str_size, id.length);
  view.setUint16(SNAPSHOT.name_size, name.length);
  view.setUint32(SNAPSHOT.date_sec, Math.floor(of.date / 1000));
  view.setUint32(SNAPSHOT.date_nsec, (of.date % 1000) * 1e6);
  view.setUint32(SNAPSHOT.extra_data_size, SNAPSHOT_EXTRA.length);
  setU64(view, SNAPSHOT.extra_data + SNAPSHOT_EXTRA.disk_size, image.size);
  // no instruction count [qcow2 "Snapshots", icount]
  entry.fill(0xff, SNAPSHOT.extra_data + SNAPSHOT_EXTRA.icount, SNAPSHOT.extra_data + SNAPSHOT_EXTRA.length);
  entry.set(id, SNAPSHOT.extra_data + SNAPSHOT_EXTRA.length);
  entry.set(name, SNAPSHOT.extra_data + SNAPSHOT_EXTRA.length + id.length);
  return entry;
}

/** Writes a new snapshot table, then the header, then frees the old one. */
function writeTable(image: Qcow2Image, entries: readonly Uint8Array[]): void {
  const old = { offset: image.header.snapshotsOffset, length: tableLength(listSnapshots(image).map((s) => s.entry)) };
  const table = new Uint8Array(tableLength(entries));
  let at = 0;
  for (const entry of entries) {
    table.set(entry, at);
    at += (entry.length + 7) & ~7;
  }
  const clusters = Math.ceil(table.length / image.clusterSize);
  const offset = clusters === 0 ? 0 : image.refcounts.allocate(clusters);
  if (offset !== 0) image.storage.write(offset, table);
  image.storage.flush();
  image.updateHeader({ snapshotsOffset: offset, snapshotCount: entries.length });
  image.storage.flush();
  if (old.length > 0) freeTable(image, old.offset, old.length);
}

function tableLength(entries: readonly Uint8Array[]): number {
  return entries.reduce((sum, entry) => sum + ((entry.length + 7) & ~7), 0);
}
