import { UserError } from "../../../base/assert.ts";
import { viewOf } from "../big-endian.ts";
import type { Qcow2Image } from "./image.ts";
import { listSnapshots } from "./snapshots.ts";

/** Changes the size of the disk, in bytes. What is cut off by shrinking is gone. Throws UserError. */
export function resizeQcow2(image: Qcow2Image, size: number): void {
  if (image.header.version < 3 && listSnapshots(image).length > 0)
    throw new UserError(`${image.storage.name} has snapshots, which do not say their size`, "Delete them first.");
  image.beforeChange();
  if (size < image.size) {
    const end = Math.ceil(size / image.clusterSize) * image.clusterSize;
    if (end > size && end <= image.size) image.write(size, new Uint8Array(end - size));
    if (end < image.size) image.discard(end, image.size - end);
  }
  const entries = Math.ceil(size / (image.clusterSize * image.map.perTable));
  if (entries > image.header.l1Size) growL1(image, entries);
  image.updateHeader({ size });
  image.flush();
}

function growL1(image: Qcow2Image, entries: number): void {
  const old = image.map.l1;
  const bytes = new Uint8Array(entries * 8);
  bytes.set(old.bytes);
  const offset = image.refcounts.allocate(Math.ceil(bytes.length / image.clusterSize));
  image.storage.write(offset, bytes);
  image.storage.flush();
  image.updateHeader({ l1Offset: offset, l1Size: entries });
  image.map.replaceL1({ offset, bytes, view: viewOf(bytes) });
  image.storage.flush();
  image.refcounts.add(old.offset / image.clusterSize, Math.max(1, Math.ceil(old.bytes.length / image.clusterSize)), -1);
}
