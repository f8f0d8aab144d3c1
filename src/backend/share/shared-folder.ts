/**
 * A folder of the host's and what is in it, by descriptors. A path below "/proc/self/fd/N" is resolved from descriptor N, as
 * openat(2) does. With one name that is no "..", and without following a symbolic link there, no step leads out of the
 * folder, whatever others do to it meanwhile.
 */

import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  type Stats,
  statSync,
  symlinkSync,
  unlinkSync,
} from "node:fs";
import { UserError } from "../../base/assert.ts";
import { O_PATH } from "../../spec/linux.ts";
import { P9Error } from "./p9-message.ts";

const { O_CREAT, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Bytes of the longest name. */
export const NAME_MAXIMUM = 255;
/** Permissions that a guest can give: nothing that it makes runs with its owner's rights on the host. */
const MODE_MASK = 0o1777;
const SLASH = 0x2f;

/** Where the kernel shows what a descriptor stands for. */
export function pathOf(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

/** The path of a name in a directory. Throws P9Error for what is not one name. */
function child(directory: number, name: Buffer): Buffer {
  if (name.length === 0 || name.equals(Buffer.from(".")) || name.equals(Buffer.from(".."))) throw new P9Error("EINVAL");
  if (name.includes(SLASH) || name.includes(0)) throw new P9Error("EINVAL");
  if (name.length > NAME_MAXIMUM) throw new P9Error("ENAMETOOLONG");
  return Buffer.concat([Buffer.from(`${pathOf(directory)}/`), name]);
}

/** Opens the folder that is shared. Throws UserError. */
export function openFolder(path: string): number {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw new UserError(`the folder ${path} does not exist`, "Make it, or share another.");
  if (!found.isDirectory()) throw new UserError(`${path} is not a folder`, "Share the folder that it is in.");
  if (!existsSync("/proc/self/fd"))
    throw new UserError("folders cannot be shared here: there is no /proc/self/fd", "Use a Linux host.");
  return openSync(path, O_PATH);
}

/** A descriptor of what a name in a directory is, be it a symbolic link. */
export function openChild(directory: number, name: Buffer): number {
  return openSync(child(directory, name), O_PATH | O_NOFOLLOW);
}

/** What a name in a directory is; undefined if it is not there. */
export function statChild(directory: number, name: Buffer): Stats | undefined {
  return lstatSync(child(directory, name), { throwIfNoEntry: false });
}

/** Another descriptor of the same. */
export function duplicate(fd: number): number {
  return openSync(pathOf(fd), O_PATH);
}

/** Opens for reading or writing what a descriptor stands for; only files and directories can be. */
export function reopen(fd: number, flags: number): number {
  const found = fstatSync(fd);
  if (!found.isFile() && !found.isDirectory()) throw new P9Error("EPERM");
  return openSync(pathOf(fd), flags | O_NONBLOCK | O_NOCTTY);
}

/** Makes a file that is not there and opens it. */
export function createFile(directory: number, name: Buffer, flags: number, mode: number): number {
  const fd = openSync(child(directory, name), flags | O_CREAT | O_EXCL | O_NOFOLLOW | O_NOCTTY, mode & MODE_MASK);
  fchmodSync(fd, mode & MODE_MASK);
  return fd;
}

/** Makes a directory. */
export function makeDirectory(directory: number, name: Buffer, mode: number): void {
  mkdirSync(child(directory, name), mode & MODE_MASK);
  const made = openChild(directory, name);
  try {
    chmodSync(pathOf(made), mode & MODE_MASK);
  } finally {
    closeSync(made);
  }
}

/** Sets the permissions of what a descriptor stands for. */
export function setMode(fd: number, mode: number): void {
  chmodSync(pathOf(fd), mode & MODE_MASK);
}

/** Makes a symbolic link; its target is the guest's affair. */
export function makeSymlink(directory: number, name: Buffer, target: Buffer): void {
  symlinkSync(target, child(directory, name));
}

/** The target of a symbolic link in a directory. */
export function readSymlink(directory: number, name: Buffer): Buffer {
  return readlinkSync(child(directory, name), { encoding: "buffer" });
}

/** Removes a name; a directory's if it is to be one. */
export function removeName(directory: number, name: Buffer, isDirectory: boolean): void {
  if (isDirectory) rmdirSync(child(directory, name));
  else unlinkSync(child(directory, name));
}

/** Gives something another name. */
export function renameName(from: number, name: Buffer, to: number, newName: Buffer): void {
  renameSync(child(from, name), child(to, newName));
}

/** Gives what a descriptor stands for a name more. The kernel does not do that by descriptor: its own name is looked for. */
export function linkName(root: number, fd: number, directory: number, name: Buffer): void {
  const names = namesBelow(root, fd);
  const last = names.pop();
  if (last === undefined) throw new P9Error("EPERM");
  withDirectory(root, names, (parent) => {
    const found = openChild(parent, last);
    try {
      if (!isSame(fstatSync(found), fstatSync(fd))) throw new P9Error("ENOENT");
      linkSync(child(parent, last), child(directory, name));
    } finally {
      closeSync(found);
    }
  });
}

/** A descriptor of the directory that a directory is in; of the folder itself if that is it. */
export function openParent(root: number, fd: number): number {
  if (isSame(fstatSync(root), fstatSync(fd))) return duplicate(root);
  return withDirectory(root, namesBelow(root, fd).slice(0, -1), duplicate);
}

/** Names on the way from the folder to what a descriptor stands for. Throws P9Error if that was moved out. */
function namesBelow(root: number, fd: number): Buffer[] {
  const folder = readlinkSync(pathOf(root), { encoding: "buffer" });
  const start = folder.length === 1 ? folder : Buffer.concat([folder, Buffer.from("/")]);
  const path = readlinkSync(pathOf(fd), { encoding: "buffer" });
  if (!path.subarray(0, start.length).equals(start)) throw new P9Error("ENOENT");
  const names: Buffer[] = [];
  for (let at = start.length, end = 0; at < path.length; at = end + 1) {
    end = path.indexOf(SLASH, at);
    if (end < 0) end = path.length;
    names.push(path.subarray(at, end));
  }
  return names;
}

function withDirectory<T>(root: number, names: readonly Buffer[], use: (directory: number) => T): T {
  let directory = duplicate(root);
  try {
    for (const name of names) {
      const next = openChild(directory, name);
      closeSync(directory);
      directory = next;
    }
    return use(directory);
  } finally {
    closeSync(directory);
  }
}

function isSame(one: Stats, other: Stats): boolean {
  return one.dev === other.dev && one.ino === other.ino;
}
