/** Requests about what is in files. */

import { closeSync, fdatasyncSync, fstatSync, fsyncSync, readSync, writeSync } from "node:fs";
import { P9, P9_DOTL, P9_LOCK } from "../../spec/virtio/p9.ts";
import { writeQid } from "./attributes.ts";
import { P9Error, type P9Reader, type P9Writer } from "./p9-message.ts";
import type { P9Handler, P9Session } from "./p9-session.ts";
import { createFile, openChild, reopen } from "./shared-folder.ts";

export const fileHandlers: readonly (readonly [number, P9Handler])[] = [
  [P9.TLOPEN, open],
  [P9.TLCREATE, create],
  [P9.TREAD, read],
  [P9.TWRITE, write],
  [P9.TFSYNC, sync],
  [P9.TLOCK, (_session, _request, reply) => reply.u8(P9_LOCK.SUCCESS)],
  [P9.TGETLOCK, getLock],
];

/** The flags that are passed on to the host. */
const PASSED = P9_DOTL.ACCMODE | P9_DOTL.APPEND;
const WRITES = P9_DOTL.WRONLY | P9_DOTL.RDWR | P9_DOTL.TRUNC;
/** "As long as a message can be", for an I/O unit. */
const ANY = 0;

function open({ fids, readOnly }: P9Session, request: P9Reader, reply: P9Writer): void {
  const fid = fids.get(request.u32());
  const flags = request.u32();
  if (fid.io !== undefined) throw new P9Error("EBADF");
  if (readOnly && flags & WRITES) throw new P9Error("EROFS");
  fid.io = reopen(fid.fd, flags & (PASSED | P9_DOTL.TRUNC));
  writeQid(reply, fstatSync(fid.fd));
  reply.u32(ANY);
}

/** Makes a file, which the directory's fid stands for from then on; one that is there is opened, unless that is excluded. */
function create({ fids }: P9Session, request: P9Reader, reply: P9Writer): void {
  const number = request.u32();
  const [name, flags, mode] = [request.string(), request.u32(), request.u32()];
  const directory = fids.get(number).fd;
  try {
    const fd = createFile(directory, name, flags & PASSED, mode);
    fids.set(number, fd, undefined, fd);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" || flags & P9_DOTL.EXCL) throw error;
    const fd = openChild(directory, name);
    fids.set(number, fd, undefined, opened(fd, flags & (PASSED | P9_DOTL.TRUNC)));
  }
  writeQid(reply, fstatSync(fids.get(number).fd));
  reply.u32(ANY);
}

function opened(fd: number, flags: number): number {
  try {
    return reopen(fd, flags);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function read({ fids }: P9Session, request: P9Reader, reply: P9Writer): void {
  const io = fids.io(request.u32());
  const [offset, count] = [request.u64(), request.u32()];
  const start = reply.at;
  reply.u32(0);
  const place = reply.bytes(Math.min(count, reply.room));
  const length = place.length === 0 ? 0 : readSync(io, place, 0, place.length, offset);
  reply.at = start;
  reply.u32(length);
  reply.at += length;
}

function write({ fids }: P9Session, request: P9Reader, reply: P9Writer): void {
  const io = fids.io(request.u32());
  const [offset, count] = [request.u64(), request.u32()];
  const bytes = request.bytes(count);
  reply.u32(writeSync(io, bytes, 0, bytes.length, offset));
}

function sync({ fids }: P9Session, request: P9Reader): void {
  const io = fids.io(request.u32());
  if (request.u32() === 0) fsyncSync(io);
  else fdatasyncSync(io);
}

/** Locks are between a guest's own processes, which the guest sees to itself. */
function getLock(_session: P9Session, request: P9Reader, reply: P9Writer): void {
  request.bytes(5);
  const [start, length, process, client] = [request.bytes(8), request.bytes(8), request.u32(), request.string()];
  reply.u8(P9_LOCK.TYPE_UNLCK);
  reply.bytes(8).set(start);
  reply.bytes(8).set(length);
  reply.u32(process);
  reply.string(client);
}
