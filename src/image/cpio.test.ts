import { describe, expect, test } from "vitest";
import { charDevice, concat, directory, file, readCpio, symlink, writeCpio } from "./cpio.ts";

const ENTRIES = [
  directory("dev"),
  charDevice("dev/console", 5, 1),
  file("init", "#!/bin/sh\n", 0o755),
  file("odd", Uint8Array.of(1, 2, 3)),
  symlink("sh", "busybox"),
];

describe("newc archives", () => {
  test("read back as they were written", () => {
    const found = readCpio(writeCpio(ENTRIES));
    expect(found.map(({ path, mode }) => [path, mode])).toEqual(ENTRIES.map(({ path, mode }) => [path, mode]));
    expect(found[1]?.device).toEqual([5, 1]);
    expect(found[3]?.data).toEqual(Uint8Array.of(1, 2, 3));
    expect(new TextDecoder().decode(found[4]?.data as Uint8Array)).toBe("busybox");
  });

  test("can stand one after another: lengths are multiples of 4", () => {
    for (let size = 0; size < 4; size++) expect(writeCpio([file("f", new Uint8Array(size))]).length % 4).toBe(0);
  });

  test("a header has the field order of the format", () => {
    const text = new TextDecoder().decode(writeCpio([charDevice("d", 4, 64, 0o620)]).subarray(0, 112));
    const hex = (value: number) => value.toString(16).padStart(8, "0");
    const fields = [1, 0o020620, 0, 0, 1, 0, 0, 0, 0, 4, 64, 2, 0].map(hex).join("");
    expect(text).toBe(`070701${fields}d\0`);
  });

  test("a cut or foreign archive is refused", () => {
    const whole = writeCpio(ENTRIES);
    for (const length of [0, 50, 109, 300, whole.length - 200]) {
      expect(() => readCpio(whole.subarray(0, length))).toThrow(RangeError);
    }
    expect(() => readCpio(concat([new Uint8Array(4), whole]))).toThrow(RangeError);
  });
});
