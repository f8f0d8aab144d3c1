/** Looking at disk images: what they are, whether they are sound, and the snapshots inside. */

import { statSync } from "node:fs";
import { type DiskFormat, openDisk, openQcow2Image } from "../../backend/block/open.ts";
import { type CheckResult, checkQcow2, repairQcow2 } from "../../backend/block/qcow2/check.ts";
import { Qcow2Image } from "../../backend/block/qcow2/image.ts";
import { applySnapshot, createSnapshot, deleteSnapshot, listSnapshots } from "../../backend/block/qcow2/snapshots.ts";
import { COMPATIBLE, INCOMPATIBLE } from "../../spec/block/qcow2.ts";

/** A snapshot inside an image. */
export interface SnapshotInfo {
  readonly id: string;
  readonly name: string;
  /** ISO 8601. */
  readonly date: string;
  /** Bytes of the disk then. */
  readonly size: number;
}

/** What an image says of itself. Sizes are bytes. */
export interface DiskInfo {
  readonly file: string;
  readonly format: DiskFormat;
  readonly size: number;
  /** What the file takes on the host's disk. */
  readonly allocated: number;
  readonly clusterSize?: number;
  readonly version?: 2 | 3;
  readonly compression?: "zlib" | "zstd";
  readonly lazyRefcounts?: boolean;
  readonly refcountBits?: number;
  /** It was not closed properly. */
  readonly dirty?: boolean;
  readonly corrupt?: boolean;
  readonly backingFile?: string;
  readonly backingFormat?: string;
  readonly snapshots?: readonly SnapshotInfo[];
}

/** What an image is. Changes nothing. Throws UserError. */
export function diskInfo(file: string, format?: DiskFormat): DiskInfo {
  const disk = openDisk(file, { format, readOnly: true, withoutBacking: true });
  try {
    const allocated = statSync(file).blocks * 512;
    if (!(disk instanceof Qcow2Image)) return { file, format: "raw", size: disk.size, allocated };
    return { file, format: "qcow2", size: disk.size, allocated, ...qcow2Info(disk) };
  } finally {
    disk.close();
  }
}

function qcow2Info(image: Qcow2Image) {
  const { header } = image;
  return {
    clusterSize: image.clusterSize,
    version: header.version,
    compression: header.compression,
    lazyRefcounts: (header.compatible & COMPATIBLE.lazyRefcounts) !== 0,
    refcountBits: 2 ** header.refcountOrder,
    dirty: (header.incompatible & INCOMPATIBLE.dirty) !== 0,
    corrupt: (header.incompatible & INCOMPATIBLE.corrupt) !== 0,
    ...(header.backingFile !== undefined && { backingFile: header.backingFile }),
    ...(header.backingFormat !== undefined && { backingFormat: header.backingFormat }),
    snapshots: snapshotsOf(image),
  };
}

function snapshotsOf(image: Qcow2Image): SnapshotInfo[] {
  return listSnapshots(image).map(({ id, name, date, diskSize }) => ({
    id,
    name,
    date: new Date(date).toISOString(),
    size: diskSize,
  }));
}

/** What is wrong with a qcow2 image; with `repair` what was, and is mended if it can be. Throws UserError. */
export function checkDisk(file: string, { repair = false } = {}): CheckResult {
  const image = openQcow2Image(file, { format: "qcow2", readOnly: !repair, withoutBacking: true, withoutRepair: true });
  try {
    return repair ? repairQcow2(image) : checkQcow2(image);
  } finally {
    image.close();
  }
}

const SNAPSHOT_ACTIONS = {
  create: (image: Qcow2Image, name: string) => createSnapshot(image, name, Date.now()),
  apply: applySnapshot,
  delete: deleteSnapshot,
} as const;
export type SnapshotAction = keyof typeof SNAPSHOT_ACTIONS;

/** Makes, applies or deletes a snapshot inside a qcow2 image. Throws UserError. */
export function changeSnapshot(file: string, action: SnapshotAction, name: string): void {
  const image = openQcow2Image(file);
  try {
    SNAPSHOT_ACTIONS[action](image, name);
  } finally {
    image.close();
  }
}
