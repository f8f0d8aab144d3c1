import { describe, expect, test } from "vitest";
import { PageAllocator } from "./page-allocator.ts";

describe("PageAllocator", () => {
  test("gives whole pages, lowest first, and reuses gaps that are large enough", () => {
    const pages = new PageAllocator(100, 0x6fff);
    expect([pages.start, pages.end]).toEqual([0x1000, 0x6000]);
    expect([pages.allocate(1), pages.allocate(0x2000), pages.allocate(0x1000)]).toEqual([0x1000, 0x2000, 0x4000]);
    expect(pages.free(0x2000, 0x2000)).toBe(true);
    expect([pages.allocate(0x2001), pages.allocate(0x1000), pages.allocate(0x1000), pages.allocate(0x1000)]).toEqual([
      -1, 0x2000, 0x3000, 0x5000,
    ]);
    expect(pages.allocate(1)).toBe(-1);
  });

  test("takes back only what it gave", () => {
    const pages = new PageAllocator(0, 0x4000);
    pages.allocate(0x2000);
    expect([pages.free(0x1000, 0x1000), pages.free(0, 0x1000), pages.free(0x2000, 0x1000)]).toEqual([
      false,
      false,
      false,
    ]);
    expect([pages.free(0, 0x1fff), pages.free(0, 0x2000)]).toEqual([true, false]);
  });

  test.each([0, -1, Number.NaN])("there are no %d bytes", (length) => {
    expect(new PageAllocator(0, 0x4000).allocate(length)).toBe(-1);
  });
});
