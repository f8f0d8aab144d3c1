import type { BlockBackend } from "./block.ts";
import { Qcow2Image } from "./qcow2/image.ts";

/** Bytes that are moved at once. */
const PIECE = 2 ** 21;
/** The least run of zeros that is not written. */
const ZERO_RUN = 4096;

export interface CopyOptions {
  /** Told how many bytes are done. */
  readonly onProgress?: ((done: number) => void) | undefined;
  /** Store clusters compressed; only for a new qcow2 image. */
  readonly compress?: boolean | undefined;
}

/** Copies a disk to one that reads as zeros, leaving out what is zeros. */
export function copyDisk(from: BlockBackend, to: BlockBackend, options: CopyOptions = {}): void {
  const buffer = new Uint8Array(PIECE);
  const pack = options.compress && to instanceof Qcow2Image ? to : undefined;
  for (let at = 0; at < from.size; ) {
    const wanted = Math.min(PIECE, from.size - at);
    const { kind, length: known } = from.extent(at, wanted);
    // a packed cluster is written once and whole, however the source is divided
    const length = pack ? wanted : known;
    if (kind !== "zero" || known < length) {
      const part = buffer.subarray(0, length);
      from.read(at, part);
      if (pack) writePacked(pack, at, part);
      else writeData(to, at, part);
    }
    at += length;
    options.onProgress?.(at);
  }
}

/** Writes what is not zeros. */
function writeData(to: BlockBackend, offset: number, data: Uint8Array): void {
  let start = -1;
  for (let at = 0; at < data.length; at += ZERO_RUN) {
    const isZeros = isZero(data.subarray(at, at + ZERO_RUN));
    if (!isZeros && start < 0) start = at;
    if (isZeros && start >= 0) {
      to.write(offset + start, data.subarray(start, at));
      start = -1;
    }
  }
  if (start >= 0) to.write(offset + start, data.subarray(start));
}

/** Pieces are whole clusters but for the disk's last, which is filled with zeros. */
function writePacked(to: Qcow2Image, offset: number, data: Uint8Array): void {
  for (let at = 0; at < data.length; at += to.clusterSize) {
    const part = data.subarray(at, at + to.clusterSize);
    if (isZero(part)) continue;
    if (part.length === to.clusterSize) to.writeCompressed(offset + at, part);
    else {
      const whole = new Uint8Array(to.clusterSize);
      whole.set(part);
      to.writeCompressed(offset + at, whole);
    }
  }
}

/** Whether all bytes are 0. */
export function isZero(data: Uint8Array): boolean {
  for (let at = 0; at < data.length; at++) if (data[at] !== 0) return false;
  return true;
}

/** Writes what an overlay stores into the disk under it. Bytes that were moved are returned. */
export function commitDisk(overlay: BlockBackend, base: BlockBackend, onProgress?: (done: number) => void): number {
  const buffer = new Uint8Array(PIECE);
  let moved = 0;
  for (let at = 0; at < overlay.size; ) {
    const { kind, length } = overlay.extent(at, Math.min(PIECE, overlay.size - at));
    if (kind === "zero") base.writeZeroes(at, length, true);
    if (kind === "data") {
      const part = buffer.subarray(0, length);
      overlay.read(at, part);
      base.write(at, part);
    }
    if (kind !== "absent") moved += length;
    at += length;
    onProgress?.(at);
  }
  base.flush();
  return moved;
}
