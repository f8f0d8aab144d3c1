/** The container of .xz files, as far as kernels use it: one stream of one block. Clauses: [xz] = The .xz File Format 1.2. */

import { crc32 } from "./crc32.ts";

export interface XzFilter {
  readonly id: number;
  readonly properties: Uint8Array;
}

export interface XzBlock {
  /** In the encoder's order: the last one made `data`. */
  readonly filters: readonly XzFilter[];
  readonly data: Uint8Array;
  /** Bytes when unpacked. */
  readonly plainSize: number;
  /** CRC-32 of the unpacked bytes, if the file has it. */
  readonly crc32: number | undefined;
}

/** [xz 2.1.1.1] */
export const XZ_MAGIC = [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00] as const;
/** [xz 2.1.2.4] */
const FOOTER_MAGIC = [0x59, 0x5a] as const;
/** [xz 2.1.1, 2.1.2] */
const STREAM_HEADER_SIZE = 12;
const STREAM_FOOTER_SIZE = 12;
/** Check IDs. [xz 2.1.1.2] */
const CHECK_NONE = 0;
const CHECK_CRC32 = 1;
/** Of a stream without a check. */
const STREAM_FLAGS = Uint8Array.of(0, CHECK_NONE);
/** Block flags: the number of filters less one, and whether sizes follow. [xz 3.1.2] */
const FILTER_COUNT = 0x03;
const HAS_COMPRESSED_SIZE = 0x40;
const HAS_UNCOMPRESSED_SIZE = 0x80;
const RESERVED_FLAGS = 0x3c;
/** [xz 4] */
const INDEX_INDICATOR = 0;

/** Takes a file apart. Throws Error if it is damaged or has anything but one block with CRC32 or no check. */
export function parseXz(file: Uint8Array): XzBlock {
  if (file.length < STREAM_HEADER_SIZE + STREAM_FOOTER_SIZE) throw damaged();
  const checkSize = checkSizeOf(file[7]!);
  const index = parseIndex(file);
  const header = parseBlockHeader(new Reader(file, STREAM_HEADER_SIZE));
  const dataStart = STREAM_HEADER_SIZE + header.size;
  const dataEnd = STREAM_HEADER_SIZE + index.unpaddedSize - checkSize;
  const checkAt = roundUp4(dataEnd);
  if (dataStart > dataEnd || checkAt + checkSize !== index.start) throw damaged();
  return {
    filters: header.filters,
    data: file.subarray(dataStart, dataEnd),
    plainSize: index.plainSize,
    crc32: checkSize === 0 ? undefined : new Reader(file, checkAt).u32(),
  };
}

/** A file of one block without a check. */
export function buildXz({ filters, data, plainSize }: Omit<XzBlock, "crc32">): Uint8Array {
  const header = blockHeader(filters);
  const unpadded = header.length + data.length;
  const padding = new Uint8Array(-unpadded & 3);
  const index = withCrc32(padded([INDEX_INDICATOR, 1, ...varint(unpadded), ...varint(plainSize)]));
  return Buffer.concat([streamHeader(), header, data, padding, index, streamFooter(index.length)]);
}

/** [xz 2.1.1] */
function streamHeader(): Uint8Array {
  return Uint8Array.of(...XZ_MAGIC, ...withCrc32(STREAM_FLAGS));
}

/** [xz 2.1.2] */
function streamFooter(indexSize: number): Uint8Array {
  const fields = Uint8Array.of(...littleEndian32(indexSize / 4 - 1), ...STREAM_FLAGS);
  return Uint8Array.of(...littleEndian32(crc32(fields)), ...fields, ...FOOTER_MAGIC);
}

function checkSizeOf(check: number): number {
  if (check === CHECK_NONE) return 0;
  if (check === CHECK_CRC32) return 4;
  throw new Error(`the xz data has a check of an unknown kind (${check})`);
}

/** Finds the index through the footer at the file's end. [xz 2.1.2, 4] */
function parseIndex(file: Uint8Array) {
  const footer = new Reader(file, file.length - STREAM_FOOTER_SIZE);
  footer.skip(4);
  const size = (footer.u32() + 1) * 4;
  const start = file.length - STREAM_FOOTER_SIZE - size;
  if (start < STREAM_HEADER_SIZE || FOOTER_MAGIC.some((byte, index) => file[file.length - 2 + index] !== byte))
    throw damaged();
  const reader = new Reader(file, start);
  if (reader.u8() !== INDEX_INDICATOR) throw damaged();
  if (reader.varint() !== 1) throw new Error("the xz data has more than one block");
  return { start, unpaddedSize: reader.varint(), plainSize: reader.varint() };
}

/** [xz 3.1] */
function parseBlockHeader(reader: Reader): { size: number; filters: XzFilter[] } {
  const size = (reader.u8() + 1) * 4;
  const flags = reader.u8();
  if (flags & RESERVED_FLAGS) throw damaged();
  if (flags & HAS_COMPRESSED_SIZE) reader.varint();
  if (flags & HAS_UNCOMPRESSED_SIZE) reader.varint();
  const filters = Array.from({ length: (flags & FILTER_COUNT) + 1 }, () => {
    const id = reader.varint();
    return { id, properties: reader.bytes(reader.varint()) };
  });
  return { size, filters };
}

function blockHeader(filters: readonly XzFilter[]): Uint8Array {
  const flags = filters.length - 1;
  const fields = filters.flatMap(({ id, properties }) => [...varint(id), properties.length, ...properties]);
  const body = padded([0, flags, ...fields]);
  body[0] = body.length / 4;
  return withCrc32(body);
}

/** Reads fields; throws Error at the end of the bytes. */
class Reader {
  readonly #bytes: Uint8Array;
  #at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.#at = at;
  }

  u8(): number {
    return this.bytes(1)[0]!;
  }

  u32(): number {
    const [a, b, c, d] = this.bytes(4) as unknown as [number, number, number, number];
    return (a | (b << 8) | (c << 16) | (d << 24)) >>> 0;
  }

  /** Seven bits a byte, lowest first; here up to 49 bits. [xz 1.2] */
  varint(): number {
    let value = 0;
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw damaged();
  }

  skip(length: number): void {
    this.bytes(length);
  }

  bytes(length: number): Uint8Array {
    if (length > this.#bytes.length - this.#at) throw damaged();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 0x80, ...varint(Math.floor(value / 128))];
}

function littleEndian32(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}

function padded(bytes: readonly number[]): Uint8Array {
  const result = new Uint8Array(roundUp4(bytes.length));
  result.set(bytes);
  return result;
}

function withCrc32(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([...bytes, ...littleEndian32(crc32(bytes))]);
}

function roundUp4(value: number): number {
  return value + (-value & 3);
}

function damaged(): Error {
  return new Error("the xz data is damaged");
}
