import { describe, expect, test } from "vitest";
import { bitmapWords, DirtyLog } from "./dirty-log.ts";

function log(pages: number) {
  return new DirtyLog(pages, new Int32Array(bitmapWords(pages)));
}

function pagesOf(dirty: DirtyLog): number[] {
  const bytes = new Uint8Array(dirty.bitmap.length * 4);
  dirty.take(bytes);
  return Array.from({ length: bytes.length * 8 }, (_, page) => page).filter(
    (page) => (bytes[page >> 3]! >> (page & 7)) & 1,
  );
}

describe("DirtyLog", () => {
  test("bitmaps are whole 64-bit words", () => {
    expect([1, 64, 65, 128].map(bitmapWords)).toEqual([2, 2, 4, 4]);
    expect(() => new DirtyLog(65, new Int32Array(2))).toThrow(RangeError);
  });

  test("marks every page that a range touches, once", () => {
    const dirty = log(100);
    dirty.mark(0xfff, 2);
    dirty.mark(0x1f000, 0x2001);
    dirty.mark(0x5000, 0);
    expect(pagesOf(dirty)).toEqual([0, 1, 31, 32, 33]);
    expect(pagesOf(dirty)).toEqual([]);
  });

  test("refuses a bitmap that is too short and keeps the bits", () => {
    const dirty = log(65);
    dirty.mark(64 * 4096, 1);
    expect(() => dirty.take(new Uint8Array(8))).toThrow(RangeError);
    expect(pagesOf(dirty)).toEqual([64]);
  });
});
