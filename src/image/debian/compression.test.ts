import { Readable } from "node:stream";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { decompress } from "./compression.ts";

const TEXT = "hello, xz and zstd";
/** TEXT as made by xz --check=crc32, zstd and gzip. */
const SAMPLES: Record<string, Buffer> = {
  ".xz": Buffer.from(
    "/Td6WFoAAAFpIt42AgAhARYAAAB0L+WjAQARaGVsbG8sIHh6IGFuZCB6c3RkAAAAIexwgwABJhJHR+EQkEKZDQEAAAAAAVla",
    "base64",
  ),
  ".zst": Buffer.from("KLUv/SQSkQAAaGVsbG8sIHh6IGFuZCB6c3Rk9XS10g==", "base64"),
  ".gz": gzipSync(TEXT),
  "": Buffer.from(TEXT),
};

async function plain(chunks: Iterable<Uint8Array>, suffix: string): Promise<string> {
  const parts: Uint8Array[] = [];
  for await (const part of decompress(Readable.from(chunks), suffix)) parts.push(part);
  return Buffer.concat(parts).toString();
}

describe.each(Object.entries(SAMPLES))("%j", (suffix, sample) => {
  test("whole and byte by byte", async () => {
    expect(await plain([sample], suffix)).toBe(TEXT);
    expect(
      await plain(
        [...sample].map((byte) => Uint8Array.of(byte)),
        suffix,
      ),
    ).toBe(TEXT);
  });
});

describe.each(Object.entries(SAMPLES).filter(([suffix]) => suffix !== ""))("%j", (suffix, sample) => {
  test("damaged or cut: an error", async () => {
    const bad = Buffer.from(sample);
    bad[1]! ^= 0xff;
    await expect(plain([bad], suffix)).rejects.toThrow();
    await expect(plain([sample.subarray(0, 15)], suffix)).rejects.toThrow();
  });
});

test("an unknown suffix is refused", async () => {
  await expect(plain([], ".lzma")).rejects.toThrow(/unknown compression/);
});
