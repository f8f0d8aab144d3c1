import { describe, expect, test } from "vitest";
import { appletNames } from "./applets.ts";
import { readCpio } from "./cpio.ts";
import { buildRoot, rootRecipe } from "./root.ts";

const fakeBusybox = Buffer.from(
  "\x7fELF\0code\0[\0[[\0ash\0busybox\0cat\0run-parts\0sh\0zcat\0elf/exe\0more",
  "latin1",
);

describe("applets", () => {
  test("are the ascending names in the binary", () => {
    expect(appletNames(fakeBusybox)).toEqual(["[", "[[", "ash", "busybox", "cat", "run-parts", "sh", "zcat"]);
  });

  test("a file without them is refused", () => {
    expect(() => appletNames(Buffer.from("\0[\0[[\0ash\0"))).toThrow(/busybox/);
    expect(() => appletNames(new Uint8Array(0))).toThrow(/busybox/);
  });
});

describe("the root", () => {
  const entries = new Map(readCpio(buildRoot(fakeBusybox)).map((entry) => [entry.path, entry]));

  test("has busybox, links to it, /init and the console", () => {
    expect(Buffer.from(entries.get("bin/busybox")?.data as Uint8Array)).toEqual(fakeBusybox);
    expect(Buffer.from(entries.get("bin/cat")?.data as Uint8Array).toString()).toBe("busybox");
    expect(entries.get("init")?.mode).toBe(0o100755);
    expect(entries.get("dev/console")?.device).toEqual([5, 1]);
    expect(entries.get("tmp")?.mode).toBe(0o041777);
  });

  test("lists every directory before what is in it", () => {
    const seen = new Set([""]);
    for (const path of entries.keys()) {
      expect(seen).toContain(path.slice(0, Math.max(path.lastIndexOf("/"), 0)));
      seen.add(path);
    }
  });

  test("the recipe is a constant of the code", () => {
    expect(rootRecipe()).toBe(rootRecipe());
    expect(rootRecipe()).toMatch(/^[0-9a-f]{16}$/);
  });
});
