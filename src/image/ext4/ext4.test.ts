import { spawnSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { debugfs, fileSystemMaker, fsck, needE2fsprogs } from "../../../test/fs-check.ts";
import { type DirectoryNode, type FileNode, newDirectory, newSymlink, type TreeNode } from "./tree.ts";
import type { Ext4Writer } from "./writer.ts";

const MIB = 1 << 20;
const ZEROS = new Uint8Array(MIB);
const ATTRIBUTES = { mode: 0o640, uid: 1000, gid: 70_000, mtime: 1_600_000_000 };
const files = fileSystemMaker();

/** Makes a file system; returns its path. */
function make(size: number, fill: (writer: Ext4Writer, root: DirectoryNode) => void, inodes?: number): string {
  return files.make({ size, inodes }, (writer) => {
    const root = newDirectory();
    fill(writer, root);
    return root;
  });
}

function addFile(writer: Ext4Writer, data: Uint8Array, attributes: Partial<FileNode> = {}): FileNode {
  const sink = writer.createFile(data.length);
  sink.write(data);
  return { ...ATTRIBUTES, ...attributes, kind: "file", ...sink.content };
}

test("an empty file system is clean, whatever its size", (context) => {
  needE2fsprogs(context);
  for (const mib of [8, 127, 128, 129, 300, 2049, 5000, 20_000])
    expect([mib, fsck(make(mib * MIB, () => {}))]).toEqual([mib, "clean"]);
});

test("files, links, devices and attributes are read back by debugfs as they were written", (context) => {
  needE2fsprogs(context);
  const data = randomBytes(300_001);
  const long = "x".repeat(200);
  const capability = Uint8Array.from([1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
  const path = make(64 * MIB, (writer, root) => {
    const file = addFile(writer, data, { xattrs: new Map([["security.capability", capability]]) });
    const xattrs = new Map([1, 2, 3].map((n) => [`user.name${n}`, randomBytes(200)] as const));
    const below = newDirectory({ mode: 0o1777, uid: 5 });
    const nodes: Record<string, TreeNode> = {
      file,
      again: file,
      below,
      empty: addFile(writer, new Uint8Array(0), { xattrs }),
      short: newSymlink("below/file"),
      long: newSymlink(long),
      null: { ...ATTRIBUTES, kind: "character", device: [1, 3] },
      large: { ...ATTRIBUTES, kind: "block", device: [259, 1_000_000] },
      pipe: { ...ATTRIBUTES, kind: "fifo", device: [0, 0] },
      socket: { ...ATTRIBUTES, kind: "socket", device: [0, 0] },
      [`${"ä".repeat(127)}z`]: file,
    };
    for (const [name, node] of Object.entries(nodes)) root.entries.set(name, node);
    below.entries.set("old", addFile(writer, data.subarray(0, 5), { mtime: -5, mode: 0o4755 }));
    below.entries.set("late", addFile(writer, data.subarray(0, 5), { mtime: 2 ** 32 + 7 }));
  });
  expect(fsck(path)).toBe("clean");
  expect(debugfs(path, `dump again ${join(files.path, "out")}`)).not.toContain("not found");
  expect(readFileSync(join(files.path, "out")).equals(data)).toBe(true);
  const stat = debugfs(path, "stat file", "stat short", "stat long", "stat null", "stat large", "stat below/old");
  expect(stat).toMatch(/Type: regular {4}Mode: {2}0640[\s\S]*User: {2}1000 {3}Group: 70000[\s\S]*Links: 3/);
  expect(stat).toContain(`security.capability (20) = 01 00 00 02 00 20`);
  expect(stat).toContain('Fast link dest: "below/file"');
  expect(stat).toMatch(/Type: symlink[\s\S]*Size: 200/);
  expect(stat).toContain("Device major/minor number: 01:03");
  expect(stat).toContain("(New-style) Device major/minor number: 259:1000000");
  expect(stat).toMatch(/Mode: {2}04755[\s\S]*mtime: 0xfffffffb/);
  expect(debugfs(path, "stat below/late")).toContain("mtime: 0x00000007:00000001");
  expect(debugfs(path, "ea_list empty").match(/user\.name\d \(200\)/g)).toHaveLength(3);
});

test("20,000 files in one directory are a hash tree that the kernel's tools accept", (context) => {
  needE2fsprogs(context);
  const path = make(
    300 * MIB,
    (writer, root) => {
      const many = newDirectory();
      root.entries.set("many", many);
      for (let i = 0; i < 20_000; i++) many.entries.set(`file-${i}-é`, addFile(writer, Buffer.from(String(i))));
    },
    21_000,
  );
  expect(fsck(path)).toBe("clean");
  expect(debugfs(path, "htree_dump many")).toContain("Number of entries (limit): 508");
  expect(debugfs(path, "cat many/file-12345-\u00c3\u00a9")).toContain("12345");
});

test("a hash tree has two levels when one is not enough", (context) => {
  needE2fsprogs(context);
  const path = make(
    200 * MIB,
    (writer, root) => {
      const file = addFile(writer, Buffer.from("one"));
      const many = newDirectory();
      root.entries.set("many", many);
      root.entries.set("file", file);
      for (let i = 0; i < 9_000; i++) many.entries.set(`${i}`.padStart(240, "n"), newSymlink("x"));
    },
    10_000,
  );
  expect(fsck(path)).toBe("clean");
  expect(debugfs(path, "htree_dump many")).toContain("Indirect levels: 1");
});

test("a file larger than four groups is mapped by a tree of extents and read back whole", (context) => {
  needE2fsprogs(context);
  const hash = createHash("sha256");
  const path = make(1500 * MIB, (writer, root) => {
    const sink = writer.createFile(530 * MIB + 5);
    for (let i = 0; i < 530; i++) {
      const piece = i % 70 === 0 ? randomBytes(MIB) : ZEROS;
      sink.write(piece);
      hash.update(piece);
    }
    const end = Buffer.from("end.\n");
    sink.write(end);
    hash.update(end);
    root.entries.set("big", { ...ATTRIBUTES, kind: "file", ...sink.content });
  });
  expect(fsck(path)).toBe("clean");
  expect(debugfs(path, "ex big")).toMatch(/1\/ 1/);
  const found = spawnSync("sh", ["-c", `debugfs -R 'cat big' ${path} 2>/dev/null | sha256sum`], { encoding: "utf8" });
  expect(found.stdout.slice(0, 64)).toBe(hash.digest("hex"));
});

test("what does not fit is refused with what to do", () => {
  expect(() => make(1 * MIB, () => {})).toThrow(/do not fit|too small/);
  expect(() => make(8 * MIB, (writer) => writer.createFile(9 * MIB))).toThrow("do not fit");
  const fill = (_: Ext4Writer, root: DirectoryNode) => {
    for (let i = 0; i < 2000; i++) root.entries.set(`${i}`, newSymlink("x"));
  };
  expect(() => make(8 * MIB, fill)).toThrow("too few inodes");
  expect(() => make(8 * MIB, fill, 2100)).not.toThrow();
});
