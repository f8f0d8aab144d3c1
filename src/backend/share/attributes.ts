/** What files are, as 9P tells it. */

import { chownSync, closeSync, fstatSync, ftruncateSync, type Stats, utimesSync } from "node:fs";
import { DT, GETATTR_BASIC, P9_DOTL, QID, SETATTR } from "../../spec/virtio/p9.ts";
import { P9Error, type P9Reader, type P9Writer } from "./p9-message.ts";
import { pathOf, reopen, setMode } from "./shared-folder.ts";

const ROOT = 0;

/** The user who runs tskvm is root in the guest, and the other way round; everybody else is who they are. */
const ownUser = process.getuid?.() ?? ROOT;
const ownGroup = process.getgid?.() ?? ROOT;

/** Tells one file from another, and what kind it is. */
export function writeQid(reply: P9Writer, found: Stats): void {
  reply.u8(found.isDirectory() ? QID.DIRECTORY : found.isSymbolicLink() ? QID.SYMLINK : QID.FILE);
  reply.u32(Math.floor(found.mtimeMs) >>> 0);
  reply.u64(found.ino);
}

/** The type in a directory's entry. */
export function entryType(found: Stats): number {
  if (found.isDirectory()) return DT.DIRECTORY;
  if (found.isSymbolicLink()) return DT.SYMLINK;
  return found.isFile() ? DT.FILE : DT.UNKNOWN;
}

/** The body of a getattr reply. */
export function writeAttributes(reply: P9Writer, found: Stats): void {
  reply.u64(GETATTR_BASIC);
  writeQid(reply, found);
  reply.u32(found.mode);
  reply.u32(swapped(found.uid, ownUser));
  reply.u32(swapped(found.gid, ownGroup));
  for (const value of [found.nlink, found.rdev, found.size, found.blksize, Math.ceil(found.blocks)]) reply.u64(value);
  for (const time of [found.atimeMs, found.mtimeMs, found.ctimeMs, 0]) writeTime(reply, time);
  reply.u64(0);
  reply.u64(0);
}

function writeTime(reply: P9Writer, milliseconds: number): void {
  const seconds = Math.floor(Math.max(milliseconds, 0) / 1000);
  reply.u64(seconds);
  reply.u64(Math.min(Math.floor((Math.max(milliseconds, 0) - seconds * 1000) * 1e6), 999_999_999));
}

function swapped(id: number, own: number): number {
  if (id === own) return ROOT;
  return id === ROOT ? own : id;
}

/** Does what a setattr asks for. */
export function setAttributes(request: P9Reader, fd: number): void {
  const valid = request.u32();
  const [mode, uid, gid, size] = [request.u32(), request.u32(), request.u32(), request.u64()];
  const [access, modification] = [readTime(request), readTime(request)];
  if (valid & SETATTR.SIZE) truncate(fd, size);
  const owner = valid & SETATTR.UID ? swapped(uid, ownUser) : -1;
  const group = valid & SETATTR.GID ? swapped(gid, ownGroup) : -1;
  if (owner !== -1 || group !== -1) changeOwner(fd, owner, group);
  if (valid & SETATTR.MODE) setMode(fd, mode);
  if (valid & (SETATTR.ATIME | SETATTR.MTIME)) {
    const found = fstatSync(fd);
    const time = (bit: number, setBit: number, given: number, old: number) =>
      valid & bit ? (valid & setBit ? given : Date.now() / 1000) : old / 1000;
    const atime = time(SETATTR.ATIME, SETATTR.ATIME_SET, access, found.atimeMs);
    utimesSync(pathOf(fd), atime, time(SETATTR.MTIME, SETATTR.MTIME_SET, modification, found.mtimeMs));
  }
}

function readTime(request: P9Reader): number {
  return request.u64() + request.u64() / 1e9;
}

/** What changes nothing is not asked of the host, which lets only root change owners. */
function changeOwner(fd: number, owner: number, group: number): void {
  const { uid, gid } = fstatSync(fd);
  const [newUid, newGid] = [owner === -1 ? uid : owner, group === -1 ? gid : group];
  if (newUid !== uid || newGid !== gid) chownSync(pathOf(fd), newUid, newGid);
}

function truncate(fd: number, size: number): void {
  if (!fstatSync(fd).isFile()) throw new P9Error("EINVAL");
  const io = reopen(fd, P9_DOTL.WRONLY);
  try {
    ftruncateSync(io, size);
  } finally {
    closeSync(io);
  }
}
