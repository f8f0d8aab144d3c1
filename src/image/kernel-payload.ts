/** Unpacking the kernel inside a bzImage on the host, which is many times faster than the guest's own unpacking. */

import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { decompress as decompressZstd } from "fzstd";
import { isBzImage, parseBzImage } from "../firmware/bzimage.ts";
import { compactElf, parseUnpacked } from "../firmware/unpacked-kernel.ts";
import { decodeLz4Legacy, LZ4_LEGACY_MAGIC } from "./lz4-legacy.ts";
import { decodeXz } from "./xz.ts";
import { XZ_MAGIC } from "./xz-container.ts";

/** An ELF executable with no more in it than is loaded, or why there is none: then the bzImage must boot as it is. */
export type UnpackedKernel = { readonly elf: Uint8Array } | { readonly elf: undefined; readonly reason: string };

type Unpack = (packed: Uint8Array, size: number) => Promise<Uint8Array>;

interface Format {
  readonly name: string;
  readonly magic: readonly number[];
  /** Unpacks to exactly `size` bytes, or throws; undefined if that is left to the kernel. */
  readonly unpack?: Unpack;
}

/** How Linux packs itself, by the payload's first bytes. [Linux Documentation/arch/x86/boot.rst, "payload_offset"] */
const FORMATS: readonly Format[] = [
  { name: "gzip", magic: [0x1f, 0x8b], unpack: unpackGzip },
  { name: "xz", magic: XZ_MAGIC, unpack: into(decodeXz) },
  { name: "lz4", magic: littleEndian32(LZ4_LEGACY_MAGIC), unpack: into(decodeLz4Legacy) },
  { name: "zstd", magic: [0x28, 0xb5, 0x2f, 0xfd], unpack: unpackZstd },
  { name: "bzip2", magic: [0x42, 0x5a, 0x68] },
  { name: "lzma", magic: [0x5d, 0, 0] },
  { name: "lzo", magic: [0x89, 0x4c, 0x5a, 0x4f] },
];

/** Behind the packed kernel stands its plain size; gzip has it in its own last bytes. */
const SIZE_FIELD = 4;
/** Far above any kernel's; a file that says more is damaged, or not meant well. */
const SIZE_MAXIMUM = 512 * 2 ** 20;

/** Never throws for what is in the file. */
export async function unpackKernel(file: Uint8Array): Promise<UnpackedKernel> {
  try {
    return { elf: await unpack(file) };
  } catch (error) {
    return { elf: undefined, reason: (error as Error).message };
  }
}

async function unpack(file: Uint8Array): Promise<Uint8Array> {
  if (!isBzImage(file)) throw new Error("it is not a bzImage");
  const name = "the bzImage";
  const kernel = parseBzImage(file, name);
  const plain = await unpackPayload(kernel.payload);
  return compactElf(plain, parseUnpacked(kernel, plain, name));
}

async function unpackPayload(payload: Uint8Array): Promise<Uint8Array> {
  if (payload.length < 2 * SIZE_FIELD) throw new Error("it does not say where the kernel inside is");
  const size = new DataView(payload.buffer, payload.byteOffset).getUint32(payload.length - SIZE_FIELD, true);
  if (size > SIZE_MAXIMUM) throw new Error("the kernel inside is too large");
  const format = FORMATS.find(({ magic }) => magic.every((byte, index) => payload[index] === byte));
  if (!format?.unpack) throw new Error(`the kernel inside is packed with ${format?.name ?? "an unknown method"}`);
  return format.unpack(payload, size);
}

async function unpackGzip(payload: Uint8Array, size: number): Promise<Uint8Array> {
  return ofSize(await promisify(gunzip)(payload, { maxOutputLength: Math.max(size, 1) }), size);
}

async function unpackZstd(payload: Uint8Array, size: number): Promise<Uint8Array> {
  return ofSize(decompressZstd(withoutSize(payload), new Uint8Array(size)), size);
}

/** Makes a format's `unpack` of a decoder that fills an array. */
function into(decode: (packed: Uint8Array, output: Uint8Array) => void | Promise<void>): Unpack {
  return async (payload, size) => {
    const output = new Uint8Array(size);
    await decode(withoutSize(payload), output);
    return output;
  };
}

function withoutSize(payload: Uint8Array): Uint8Array {
  return payload.subarray(0, payload.length - SIZE_FIELD);
}

function ofSize(plain: Uint8Array, size: number): Uint8Array {
  if (plain.length !== size) throw new Error("the kernel inside does not have the size that it says");
  return plain;
}

function littleEndian32(value: number): number[] {
  return [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];
}
