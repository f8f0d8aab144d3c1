/**
 * The "newc" cpio format of Linux initramfs images [Documentation/driver-api/early-userspace/buffer-format.rst].
 * Device nodes are mere headers here, so an image with /dev/console needs no root to build.
 */

/** One member of the archive; directories must precede what is in them. */
export interface CpioEntry {
  /** Path without a leading slash. */
  path: string;
  /** File type and permission bits, as in st_mode. */
  mode: number;
  /** A file's bytes or a symbolic link's target. */
  data?: Uint8Array | string;
  /** Major and minor number of a device node. */
  device?: readonly [major: number, minor: number];
}

/** st_mode file types [inode(7)]. */
const S_IFMT = 0o170000;
export const S_IFREG = 0o100000;
export const S_IFDIR = 0o040000;
export const S_IFLNK = 0o120000;
export const S_IFCHR = 0o020000;

const MAGIC = "070701";
const HEADER_BYTES = 110;
const TRAILER = "TRAILER!!!";

export function directory(path: string, mode = 0o755): CpioEntry {
  return { path, mode: S_IFDIR | mode };
}

export function file(path: string, data: Uint8Array | string, mode = 0o644): CpioEntry {
  return { path, mode: S_IFREG | mode, data };
}

export function symlink(path: string, target: string): CpioEntry {
  return { path, mode: S_IFLNK | 0o777, data: target };
}

export function charDevice(path: string, major: number, minor: number, mode = 0o600): CpioEntry {
  return { path, mode: S_IFCHR | mode, device: [major, minor] };
}

/**
 * The archive of these entries, owned by root, dated 1970: the same entries give the same bytes. Its length is a
 * multiple of 4, so archives may be put one after another.
 */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const encoder = new TextEncoder();
  const chunks: Uint8Array[] = [];
  const members = [...entries, { path: TRAILER, mode: 0 }];
  members.forEach((entry, index) => {
    const data = typeof entry.data === "string" ? encoder.encode(entry.data) : (entry.data ?? new Uint8Array(0));
    const name = encoder.encode(`${entry.path}\0`);
    const inode = entry.path === TRAILER ? 0 : index + 1;
    chunks.push(padded(encoder.encode(header(entry, inode, data.length, name.length)), name), padded(data));
  });
  return concat(chunks);
}

function header(entry: CpioEntry, inode: number, size: number, nameSize: number): string {
  const links = (entry.mode & S_IFMT) === S_IFDIR ? 2 : 1;
  const [major, minor] = entry.device ?? [0, 0];
  const fields = [inode, entry.mode, 0, 0, links, 0, size, 0, 0, major, minor, nameSize, 0];
  return MAGIC + fields.map((field) => field.toString(16).padStart(8, "0")).join("");
}

/** The parts joined and padded with zeros to a multiple of 4 bytes. */
function padded(...parts: Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return concat([...parts, new Uint8Array(-length & 3)]);
}

/** Joins byte arrays. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Reads one archive back (up to its trailer). Throws a RangeError on anything malformed. */
export function readCpio(archive: Uint8Array): CpioEntry[] {
  const entries: CpioEntry[] = [];
  let offset = 0;
  for (;;) {
    const fields = readHeader(archive, offset);
    const nameEnd = offset + HEADER_BYTES + fields[11]!;
    const dataStart = (nameEnd + 3) & ~3;
    const dataEnd = dataStart + fields[6]!;
    if (dataEnd > archive.length) throw new RangeError(`cpio member at ${offset} is cut off`);
    const path = new TextDecoder().decode(archive.subarray(offset + HEADER_BYTES, nameEnd - 1));
    if (path === TRAILER) return entries;
    entries.push({
      path,
      mode: fields[1]!,
      data: archive.subarray(dataStart, dataEnd),
      device: [fields[9]!, fields[10]!],
    });
    offset = (dataEnd + 3) & ~3;
  }
}

function readHeader(archive: Uint8Array, offset: number): number[] {
  const text = new TextDecoder("latin1").decode(archive.subarray(offset, offset + HEADER_BYTES));
  if (!/^070701[0-9a-fA-F]{104}$/.test(text)) throw new RangeError(`no cpio header at ${offset}`);
  return Array.from({ length: 13 }, (_, i) => Number.parseInt(text.slice(6 + 8 * i, 14 + 8 * i), 16));
}
