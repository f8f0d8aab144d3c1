import { describe, expect, test } from "vitest";
import { array, assign, at, bytes, create, flexible, struct, union, view } from "./struct-layout.ts";

const inner = struct("inner", 16, { tag: "u8", wide: "u64" });
const outer = struct("outer", 56, {
  byte: "u8",
  half: "u16",
  word: "u32",
  signed: "s32",
  small: "s8",
  short: "s16",
  long: "s64",
  raw: bytes(3),
  nested: inner,
  words: array("u16", 3),
});
const list = struct("list", 8, { count: "u32", entries: at(8, flexible(inner)) });

describe("layout", () => {
  test("members are aligned and the end is padded as in C", () => {
    expect(outer.offsets).toEqual({
      byte: 0,
      half: 2,
      word: 4,
      signed: 8,
      small: 12,
      short: 14,
      long: 16,
      raw: 24,
      nested: 32,
      words: 48,
    });
    expect([inner.align, inner.offsets.wide, outer.align]).toEqual([8, 8, 8]);
  });

  test("a wrong size is refused where it is declared", () => {
    expect(() => struct("bad", 12, { a: "u64", b: "u8" })).toThrow("struct bad is 16 bytes, not 12");
    expect(() => union("bad", 4, { a: "u64" })).toThrow("union bad is 8 bytes, not 4");
  });

  test("names that every view has are refused, `data` is a name like others", () => {
    expect(() => struct("bad", 1, { bytes: "u8" })).toThrow("struct bad: views have a bytes of their own");
    expect(create(struct("good", 4, { data: "u32" }), { data: 7 }).data).toBe(7);
  });

  test("unions overlap, explicit offsets hold, and fields after one follow it", () => {
    expect(union("u", 8, { a: "u32", b: "u64" }).offsets).toEqual({ a: 0, b: 0 });
    expect(struct("s", 16, { a: at(8, "u16"), b: "u32" }).offsets).toEqual({ a: 8, b: 12 });
  });
});

describe("views", () => {
  test("scalars of every width, little-endian, where the layout says", () => {
    const record = create(outer);
    record.byte = 0x1ff;
    record.half = 0x1234;
    record.word = 0xdead_beef;
    record.signed = -2;
    record.small = -3;
    record.short = -4;
    expect([...record.bytes.subarray(0, 16)]).toEqual([
      0xff, 0, 0x34, 0x12, 0xef, 0xbe, 0xad, 0xde, 0xfe, 0xff, 0xff, 0xff, 0xfd, 0, 0xfc, 0xff,
    ]);
    expect([record.byte, record.half, record.word]).toEqual([0xff, 0x1234, 0xdead_beef]);
    expect([record.signed, record.small, record.short]).toEqual([-2, -3, -4]);
  });

  test("64-bit fields as bigint, number and halves", () => {
    const { nested } = create(outer);
    nested.wide = 0xffff_ffff_8000_0001n;
    expect([nested.wide_lo, nested.wide_hi]).toEqual([0x8000_0001, 0xffff_ffff]);
    nested.wide_num = 2 ** 53 - 1;
    expect([nested.wide, nested.wide_num]).toEqual([2n ** 53n - 1n, 2 ** 53 - 1]);
    nested.wide_lo = 7;
    nested.wide_hi = 1;
    expect(nested.wide).toBe(0x1_0000_0007n);
  });

  test("signed 64-bit fields", () => {
    const record = create(outer, { long: -5 });
    expect([record.long, record.long_num, record.long_hi]).toEqual([-5n, -5, 0xffff_ffff]);
    record.long = -(2n ** 62n);
    expect(record.long_num).toBe(-(2 ** 62));
  });

  test("composites are views of the same bytes", () => {
    const record = create(outer);
    record.raw.set([1, 2, 3]);
    record.words.set(2, 0xabcd);
    record.nested.tag = 9;
    expect([...record.bytes.subarray(24, 27)]).toEqual([1, 2, 3]);
    expect([record.bytes[52], record.bytes[53], record.bytes[32]]).toEqual([0xcd, 0xab, 9]);
    expect([record.words.length, record.words.get(2)]).toEqual([3, 0xabcd]);
    expect(() => record.words.get(3)).toThrow(RangeError);
  });

  test("a view shares the memory that it is given, shared memory too", () => {
    const memory = new Uint8Array(new SharedArrayBuffer(80), 8, 72);
    const record = view(outer, memory);
    record.word = 0x0102_0304;
    expect([...memory.subarray(4, 8)]).toEqual([4, 3, 2, 1]);
    expect(record.bytes.length).toBe(56);
    expect(() => view(outer, memory.subarray(17))).toThrow(RangeError);
  });

  test("arrays of 64-bit elements", () => {
    const { data } = create(struct("w", 16, { data: array("u64", 2) }));
    data.setPair(0, 1, 2);
    data.setNum(1, 2 ** 40);
    expect([data.get(0), data.get(1), data.num(1), data.lo(0), data.hi(0)]).toEqual([
      0x2_0000_0001n,
      2n ** 40n,
      2 ** 40,
      1,
      2,
    ]);
    data.set(0, 2n ** 64n - 1n);
    expect([data.lo(0), data.hi(0)]).toEqual([0xffff_ffff, 0xffff_ffff]);
    expect(() => data.get(2)).toThrow(RangeError);
  });
});

describe("create and assign", () => {
  test("take numbers and bigints, parts of structs and arrays", () => {
    const record = create(outer, { byte: 1, raw: Uint8Array.of(7), nested: { wide: 5n }, words: [1, 2] });
    expect([record.byte, record.raw[0], record.nested.wide, record.words.get(1)]).toEqual([1, 7, 5n, 2]);
    assign(outer, record, { nested: { tag: 3 } });
    expect([record.nested.tag, record.nested.wide, record.byte]).toEqual([3, 5n, 1]);
  });

  test("a flexible array has the elements given, or counted, or that there are bytes for", () => {
    const two = create(list, { count: 2, entries: [{ tag: 1 }, { tag: 2, wide: 9 }] });
    expect([two.bytes.length, two.entries.map((entry) => entry.tag)]).toEqual([40, [1, 2]]);
    expect(create(list, {}, 5).entries.length).toBe(5);
    expect(create(list).entries.length).toBe(0);
    expect(view(list, two.bytes.subarray(0, 39)).entries.length).toBe(1);
  });

  test("refuse what does not fit and names that are not there", () => {
    expect(() => create(outer, { raw: new Uint8Array(4) })).toThrow(RangeError);
    expect(() => create(outer, { words: [1, 2, 3, 4] })).toThrow(RangeError);
    // @ts-expect-error there is no such field
    expect(() => create(outer, { nothing: 1 })).toThrow("struct outer has no field nothing");
  });
});
