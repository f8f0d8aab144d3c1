/** Requests about names in directories. */

import { fstatSync, readdirSync, type Stats } from "node:fs";
import { P9, P9_DOTL, QID } from "../../spec/virtio/p9.ts";
import { entryType, writeQid } from "./attributes.ts";
import type { Fid } from "./fids.ts";
import { P9Error, type P9Reader, type P9Writer } from "./p9-message.ts";
import type { P9Handler, P9Session } from "./p9-session.ts";
import * as folder from "./shared-folder.ts";

export const directoryHandlers: readonly (readonly [number, P9Handler])[] = [
  [P9.TREADDIR, readDirectory],
  [P9.TREADLINK, readSymlink],
  [P9.TSYMLINK, symlink],
  [P9.TMKDIR, makeDirectory],
  [P9.TLINK, link],
  [P9.TRENAMEAT, rename],
  [P9.TUNLINKAT, unlink],
];

const DOTS = [Buffer.from("."), Buffer.from("..")];
/** offset[8] type[1] and a name's length[2], behind the qid. */
const ENTRY_BYTES = QID.BYTES + 11;

/** Entries from the given place on, as many as there is room for. What has gone since the names were read is left out. */
function readDirectory({ fids }: P9Session, request: P9Reader, reply: P9Writer): void {
  const fid = fids.get(request.u32());
  const [offset, count] = [request.u64(), request.u32()];
  if (fid.names === undefined || offset === 0) fid.names = namesIn(fid);
  const start = reply.at;
  reply.u32(0);
  const end = reply.at + Math.min(count, reply.room);
  for (let place = offset; place < fid.names.length; place++) {
    const name = fid.names[place]!;
    if (reply.at + ENTRY_BYTES + name.length > end) break;
    const found = place < DOTS.length ? fstatSync(fid.fd) : folder.statChild(fid.fd, name);
    if (found) writeEntry(reply, found, place + 1, name);
  }
  const length = reply.at - start - 4;
  reply.at = start;
  reply.u32(length);
  reply.at += length;
}

function namesIn(fid: Fid): Buffer[] {
  return [...DOTS, ...readdirSync(folder.pathOf(fid.fd), { encoding: "buffer" })];
}

function writeEntry(reply: P9Writer, found: Stats, next: number, name: Buffer): void {
  writeQid(reply, found);
  reply.u64(next);
  reply.u8(entryType(found));
  reply.string(name);
}

function readSymlink({ fids }: P9Session, request: P9Reader, reply: P9Writer): void {
  const { target } = fids.get(request.u32());
  if (target === undefined) throw new P9Error("EINVAL");
  reply.string(target);
}

function symlink({ fids }: P9Session, request: P9Reader, reply: P9Writer): void {
  const { fd } = fids.get(request.u32());
  const [name, target] = [request.string(), request.string()];
  folder.makeSymlink(fd, name, target);
  writeChildQid(reply, fd, name);
}

function makeDirectory({ fids }: P9Session, request: P9Reader, reply: P9Writer): void {
  const { fd } = fids.get(request.u32());
  const [name, mode] = [request.string(), request.u32()];
  folder.makeDirectory(fd, name, mode);
  writeChildQid(reply, fd, name);
}

function writeChildQid(reply: P9Writer, directory: number, name: Buffer): void {
  const found = folder.statChild(directory, name);
  if (found === undefined) throw new P9Error("ENOENT");
  writeQid(reply, found);
}

function link({ root, fids }: P9Session, request: P9Reader): void {
  const [directory, { fd }] = [fids.get(request.u32()).fd, fids.get(request.u32())];
  folder.linkName(root, fd, directory, request.string());
}

function rename({ fids }: P9Session, request: P9Reader): void {
  const [from, name] = [fids.get(request.u32()).fd, request.string()];
  folder.renameName(from, name, fids.get(request.u32()).fd, request.string());
}

function unlink({ fids }: P9Session, request: P9Reader): void {
  const { fd } = fids.get(request.u32());
  const name = request.string();
  folder.removeName(fd, name, (request.u32() & P9_DOTL.AT_REMOVEDIR) !== 0);
}
