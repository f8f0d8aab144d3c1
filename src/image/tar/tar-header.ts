import { UserError } from "../../base/assert.ts";
import { TAR_BLOCK, TAR_FIELD, TAR_TYPE, USTAR_MAGIC } from "../../spec/fs/tar.ts";

/** A header as it stands in the archive. */
export interface TarHeader {
  readonly name: string;
  readonly linkName: string;
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of the body. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly device: readonly [major: number, minor: number];
}

/** An archive that cannot be read. */
export function damaged(what: string): UserError {
  return new UserError(`the archive is damaged: ${what}`, "Get it once more.");
}

/** Reads one header; undefined for a block of zeros, which ends an archive. Throws UserError. */
export function parseHeader(block: Uint8Array): TarHeader | undefined {
  if (block.every((byte) => byte === 0)) return undefined;
  if (number(block, "checksum") !== checksum(block)) throw damaged("a header's checksum is wrong");
  const type = String.fromCharCode(block[TAR_FIELD.type[0]]!);
  const name = text(block, "name");
  const hasPrefix = latin1(block, "magic") === USTAR_MAGIC;
  const prefix = hasPrefix ? text(block, "prefix") : "";
  return {
    name: prefix === "" ? name : `${prefix}/${name}`,
    linkName: text(block, "linkName"),
    type: type === "\0" && name.endsWith("/") ? TAR_TYPE.directory : type,
    mode: number(block, "mode"),
    uid: number(block, "uid"),
    gid: number(block, "gid"),
    size: number(block, "size"),
    mtime: number(block, "mtime"),
    device: [number(block, "deviceMajor"), number(block, "deviceMinor")],
  };
}

type Field = keyof typeof TAR_FIELD;

function bytesOf(block: Uint8Array, field: Field): Uint8Array {
  const [offset, length] = TAR_FIELD[field];
  return block.subarray(offset, offset + length);
}

/** Up to the first NUL. */
function text(block: Uint8Array, field: Field): string {
  const bytes = bytesOf(block, field);
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function latin1(block: Uint8Array, field: Field): string {
  return String.fromCharCode(...bytesOf(block, field));
}

/** Octal digits, or, if the first bit is set, a signed binary number. Throws UserError for one that is neither or too large. */
function number(block: Uint8Array, field: Field): number {
  const bytes = bytesOf(block, field);
  if (bytes[0]! & 0x80) return binary(bytes, field);
  const digits = latin1(block, field)
    .replace(/[\0 ]+$/, "")
    .trimStart();
  if (!/^[0-7]*$/.test(digits)) throw damaged(`a header's ${field} is no number`);
  return digits === "" ? 0 : Number.parseInt(digits, 8);
}

function binary(bytes: Uint8Array, field: Field): number {
  const isNegative = (bytes[0]! & 0x40) !== 0;
  let value = isNegative ? (bytes[0]! & 0x7f) - 0x80 : bytes[0]! & 0x7f;
  for (const byte of bytes.subarray(1)) value = value * 256 + byte;
  if (!Number.isSafeInteger(value) || (isNegative && field !== "mtime"))
    throw damaged(`a header's ${field} is too large`);
  return value;
}

/** The sum of all bytes, the checksum's own taken as spaces. */
function checksum(block: Uint8Array): number {
  const [offset, length] = TAR_FIELD.checksum;
  let sum = length * 0x20;
  for (let i = 0; i < TAR_BLOCK; i++) if (i < offset || i >= offset + length) sum += block[i]!;
  return sum;
}
