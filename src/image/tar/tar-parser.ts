/** Reads a tar archive that comes in pieces: it is pushed in, and its files are pushed out. */

import { UserError } from "../../base/assert.ts";
import { PAX_XATTR, TAR_BLOCK, TAR_TYPE } from "../../spec/fs/tar.ts";
import { decode, parsePax } from "./pax.ts";
import { damaged, parseHeader, type TarHeader } from "./tar-header.ts";

/** A file in an archive. */
export interface TarEntry extends Pick<TarHeader, "mode" | "uid" | "gid" | "mtime" | "device"> {
  readonly kind: "file" | "directory" | "symlink" | "hardlink" | "character" | "block" | "fifo";
  /** As the archive has it. */
  readonly path: string;
  /** Of symbolic and hard links. */
  readonly link: string;
  /** Bytes of a file; else 0. */
  readonly size: number;
  readonly xattrs: ReadonlyMap<string, Uint8Array>;
}

/** Takes a file's bytes as they come. */
export interface BodySink {
  write(data: Uint8Array): void;
  /** All of them have come. */
  end?(): void;
}

/** Called for each entry; what it returns takes the bytes of a file. `offset` is where they begin in the archive. */
export type EntryHandler = (entry: TarEntry, offset: number) => BodySink | undefined;

const KINDS: Readonly<Record<string, TarEntry["kind"]>> = {
  [TAR_TYPE.hardLink]: "hardlink",
  [TAR_TYPE.symbolicLink]: "symlink",
  [TAR_TYPE.character]: "character",
  [TAR_TYPE.block]: "block",
  [TAR_TYPE.directory]: "directory",
  [TAR_TYPE.fifo]: "fifo",
  ...Object.fromEntries(TAR_TYPE.files.map((type) => [type, "file"] as const)),
};

/** Headers that describe the next entry hold names and attributes; nothing else is so long. */
const EXTENSION_MAXIMUM = 1 << 20;
const EXTENSIONS: readonly string[] = [
  TAR_TYPE.paxHeader,
  TAR_TYPE.paxGlobal,
  TAR_TYPE.gnuLongName,
  TAR_TYPE.gnuLongLink,
];

export class TarParser {
  readonly #onEntry: EntryHandler;
  readonly #header = new Uint8Array(TAR_BLOCK);
  #headerBytes = 0;
  /** Bytes of the current body, and of the padding behind it, that are still to come. */
  #bodyLeft = 0;
  #paddingLeft = 0;
  #sink: BodySink | undefined;
  #isOver = false;
  #offset = 0;
  /** What headers before an entry say of it, and of all entries. */
  #extension: Record<string, Uint8Array> = {};
  #global: Record<string, Uint8Array> = {};

  constructor(onEntry: EntryHandler) {
    this.#onEntry = onEntry;
  }

  /** Takes the next bytes. Throws UserError for an archive that is damaged, and what the handler throws. */
  push(data: Uint8Array): void {
    for (let at = 0; at < data.length && !this.#isOver; ) {
      const taken = this.#take(data.subarray(at));
      at += taken;
      this.#offset += taken;
    }
  }

  /** Says that nothing more comes. Throws UserError if something is missing. */
  end(): void {
    if (this.#headerBytes > 0 || this.#bodyLeft > 0) throw damaged("it is cut off");
  }

  #take(data: Uint8Array): number {
    if (this.#bodyLeft > 0) return this.#takeBody(data);
    if (this.#paddingLeft > 0) {
      const skipped = Math.min(data.length, this.#paddingLeft);
      this.#paddingLeft -= skipped;
      return skipped;
    }
    const part = data.subarray(0, TAR_BLOCK - this.#headerBytes);
    this.#header.set(part, this.#headerBytes);
    this.#headerBytes += part.length;
    if (this.#headerBytes === TAR_BLOCK) this.#takeHeader(this.#offset + part.length);
    return part.length;
  }

  #takeBody(data: Uint8Array): number {
    const part = data.subarray(0, this.#bodyLeft);
    this.#sink?.write(part);
    this.#bodyLeft -= part.length;
    if (this.#bodyLeft === 0) this.#sink?.end?.();
    return part.length;
  }

  /** `bodyOffset`: where the body begins. */
  #takeHeader(bodyOffset: number): void {
    this.#headerBytes = 0;
    const header = parseHeader(this.#header);
    if (header === undefined) {
      this.#isOver = true;
      return;
    }
    if (EXTENSIONS.includes(header.type)) return this.#startExtension(header);
    const entry = this.#entryOf(header);
    this.#extension = {};
    const size = entry === undefined || entry.kind === "file" ? (entry?.size ?? header.size) : 0;
    this.#startBody(size, entry && this.#onEntry(entry, bodyOffset));
  }

  #startBody(size: number, sink: BodySink | undefined): void {
    this.#bodyLeft = size;
    this.#paddingLeft = (TAR_BLOCK - (size % TAR_BLOCK)) % TAR_BLOCK;
    this.#sink = sink;
    if (size === 0) sink?.end?.();
  }

  #startExtension({ type, size }: TarHeader): void {
    if (size > EXTENSION_MAXIMUM) throw damaged("a name or an attribute is far too long");
    const data = new Uint8Array(size);
    let filled = 0;
    this.#startBody(size, {
      write(part) {
        data.set(part, filled);
        filled += part.length;
      },
      end: () => this.#readExtension(type, data),
    });
  }

  #readExtension(type: string, data: Uint8Array): void {
    const untilNul = data.subarray(0, data.includes(0) ? data.indexOf(0) : data.length);
    if (type === TAR_TYPE.gnuLongName) this.#extension.path = untilNul;
    else if (type === TAR_TYPE.gnuLongLink) this.#extension.linkpath = untilNul;
    else if (type === TAR_TYPE.paxGlobal) Object.assign(this.#global, Object.fromEntries(parsePax(data)));
    else Object.assign(this.#extension, Object.fromEntries(parsePax(data)));
  }

  /** Undefined for kinds that nobody needs, such as a volume's label. */
  #entryOf(header: TarHeader): TarEntry | undefined {
    const records = { ...this.#global, ...this.#extension };
    if (header.type === TAR_TYPE.gnuSparse || Object.keys(records).some((key) => key.startsWith("GNU.sparse.")))
      throw new UserError("the archive has sparse files, which are not supported", "Make it without --sparse.");
    const kind = KINDS[header.type];
    if (kind === undefined) return undefined;
    const value = (key: string, plain: number) => (records[key] ? wholeNumber(key, records[key]) : plain);
    return {
      kind,
      path: records.path ? decode(records.path) : header.name,
      link: records.linkpath ? decode(records.linkpath) : header.linkName,
      mode: header.mode & 0o7777,
      uid: value("uid", header.uid),
      gid: value("gid", header.gid),
      size: kind === "file" ? value("size", header.size) : 0,
      mtime: records.mtime ? Math.floor(Number(decode(records.mtime))) || 0 : header.mtime,
      device: header.device,
      xattrs: xattrsOf(records),
    };
  }
}

function wholeNumber(key: string, bytes: Uint8Array): number {
  const value = Number(decode(bytes));
  if (!Number.isSafeInteger(value) || value < 0) throw damaged(`${key} is no number`);
  return value;
}

function xattrsOf(records: Readonly<Record<string, Uint8Array>>): Map<string, Uint8Array> {
  const found = Object.entries(records).filter(([key]) => key.startsWith(PAX_XATTR));
  return new Map(found.map(([key, value]) => [key.slice(PAX_XATTR.length), value]));
}
