/** Requests about fids: which there are, and what they stand for. */

import { closeSync, fstatSync, statfsSync } from "node:fs";
import { P9, P9_WALK_MAXIMUM, V9FS_MAGIC } from "../../spec/virtio/p9.ts";
import { setAttributes, writeAttributes, writeQid } from "./attributes.ts";
import type { Fid } from "./fids.ts";
import { P9Error, type P9Reader, type P9Writer } from "./p9-message.ts";
import type { P9Handler, P9Session } from "./p9-session.ts";
import { duplicate, NAME_MAXIMUM, openChild, openParent, pathOf, readSymlink } from "./shared-folder.ts";

const DOTS = Buffer.from("..");

export const walkHandlers: readonly (readonly [number, P9Handler])[] = [
  [P9.TATTACH, attach],
  [P9.TFLUSH, () => {}],
  [P9.TWALK, walk],
  [P9.TCLUNK, ({ fids }, request) => fids.remove(existing(request, fids))],
  [P9.TREMOVE, remove],
  [P9.TGETATTR, ({ fids }, request, reply) => writeAttributes(reply, fstatSync(fids.get(request.u32()).fd))],
  [P9.TSETATTR, ({ fids }, request) => setAttributes(request, fids.get(request.u32()).fd)],
  [P9.TSTATFS, statfs],
];

function existing(request: P9Reader, fids: P9Session["fids"]): number {
  const number = request.u32();
  fids.get(number);
  return number;
}

function attach({ root, fids }: P9Session, request: P9Reader, reply: P9Writer): void {
  const number = request.u32();
  fids.checkFree(number);
  fids.set(number, duplicate(root));
  writeQid(reply, fstatSync(root));
}

/** By fid a name cannot be removed here, and Linux does it by name; the fid is given up in any case. [9p2000 remove(5)] */
function remove({ fids }: P9Session, request: P9Reader): void {
  fids.remove(existing(request, fids));
  throw new P9Error("EOPNOTSUPP");
}

/** Goes as far as the names lead; only who comes to their end gets the new fid. [9p2000 walk(5)] */
function walk(session: P9Session, request: P9Reader, reply: P9Writer): void {
  const { fids } = session;
  const [from, to, count] = [request.u32(), request.u32(), request.u16()];
  const fid = fids.get(from);
  if (count > P9_WALK_MAXIMUM) throw new P9Error("EINVAL");
  if (to !== from) fids.checkFree(to);
  const names = Array.from({ length: count }, () => request.string());
  const start = reply.at;
  reply.u16(count);
  let place: Place = { fd: duplicate(fid.fd), target: fid.target };
  for (const [walked, name] of names.entries()) {
    const next = tryStep(session, place, name);
    closeSync(place.fd);
    if (next instanceof Error) {
      if (walked === 0) throw next;
      return rewrite(reply, start, walked);
    }
    place = next;
    writeQid(reply, fstatSync(place.fd));
  }
  fids.set(to, place.fd, place.target);
}

/** The number of qids that follow is known last. */
function rewrite(reply: P9Writer, start: number, walked: number): void {
  const end = reply.at;
  reply.at = start;
  reply.u16(walked);
  reply.at = end;
}

type Place = Pick<Fid, "fd" | "target">;

function tryStep(session: P9Session, { fd }: Place, name: Buffer): Place | Error {
  try {
    return name.equals(DOTS) ? { fd: openParent(session.root, fd), target: undefined } : step(fd, name);
  } catch (error) {
    return error as Error;
  }
}

function step(directory: number, name: Buffer): Place {
  const fd = openChild(directory, name);
  try {
    return { fd, target: fstatSync(fd).isSymbolicLink() ? readSymlink(directory, name) : undefined };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function statfs({ fids }: P9Session, request: P9Reader, reply: P9Writer): void {
  const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(pathOf(fids.get(request.u32()).fd));
  reply.u32(V9FS_MAGIC);
  reply.u32(bsize);
  for (const value of [blocks, bfree, bavail, files, ffree, 0]) reply.u64(value);
  reply.u32(NAME_MAXIMUM);
}
