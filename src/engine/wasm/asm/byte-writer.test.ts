import { describe, expect, test } from "vitest";
import { ByteWriter } from "./byte-writer.ts";

function written(write: (bytes: ByteWriter) => void): number[] {
  const bytes = new ByteWriter();
  write(bytes);
  return [...bytes.bytes()];
}

/** The value of signed LEB128, in 64 bits. */
function signed(bytes: readonly number[]): bigint {
  const value = bytes.reduce((sum, byte, n) => sum | (BigInt(byte & 0x7f) << BigInt(7 * n)), 0n);
  return BigInt.asIntN(Math.min(7 * bytes.length, 64), value);
}

describe("LEB128", () => {
  test.each([
    [0, [0]],
    [0x7f, [0x7f]],
    [0x80, [0x80, 0x01]],
    [0x3fff, [0xff, 0x7f]],
    [0x4000, [0x80, 0x80, 0x01]],
    [0x7fff_ffff, [0xff, 0xff, 0xff, 0xff, 0x07]],
    [0xffff_ffff, [0xff, 0xff, 0xff, 0xff, 0x0f]],
  ])("u32 of %i", (value, bytes) => {
    expect(written((w) => w.u32(value))).toEqual(bytes);
  });

  test.each([
    [0, [0]],
    [63, [0x3f]],
    [64, [0xc0, 0x00]],
    [-1, [0x7f]],
    [-64, [0x40]],
    [-65, [0xbf, 0x7f]],
    [8191, [0xff, 0x3f]],
    [-8192, [0x80, 0x40]],
    [0x7fff_ffff, [0xff, 0xff, 0xff, 0xff, 0x07]],
    [-0x8000_0000, [0x80, 0x80, 0x80, 0x80, 0x78]],
  ])("s32 of %i", (value, bytes) => {
    expect(written((w) => w.s32(value))).toEqual(bytes);
  });

  test("s64 at every power of two, on both sides and of both signs", () => {
    for (let bit = 0n; bit < 64n; bit++)
      for (const near of [-1n, 0n, 1n])
        for (const sign of [1n, -1n]) {
          const value = BigInt.asIntN(64, sign * (1n << bit) + near);
          const bytes = written((w) => w.s64(Number(BigInt.asIntN(32, value)), Number(value >> 32n)));
          expect([value, signed(bytes)]).toEqual([value, value]);
          const shortest = Math.ceil(((value < 0n ? ~value : value).toString(2).replace(/^0$/, "").length + 1) / 7);
          expect([value, bytes.length]).toEqual([value, shortest]);
        }
  });
});

test("fixed words, names and growth", () => {
  expect(written((w) => w.fixed32(0x8765_4321))).toEqual([0x21, 0x43, 0x65, 0x87]);
  expect(written((w) => w.name("run"))).toEqual([3, 0x72, 0x75, 0x6e]);
  const long = written((w) => {
    w.byte(1);
    w.append(new Uint8Array(1000).fill(2));
    w.byte(3);
  });
  expect([long.length, long[0], long[1], long[1000], long[1001]]).toEqual([1002, 1, 2, 2, 3]);
});
