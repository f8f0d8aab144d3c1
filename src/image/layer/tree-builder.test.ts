import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { fileSystemMaker, fsck, needE2fsprogs } from "../../../test/fs-check.ts";
import { UserError } from "../../base/assert.ts";
import { SeededRandom } from "../../base/random.ts";
import type { TreeNode } from "../ext4/tree.ts";
import { TarParser } from "../tar/tar-parser.ts";
import { TreeBuilder } from "./tree-builder.ts";

const scratch = mkdtempSync(join(tmpdir(), "tskvm-layer-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** A builder whose files keep nothing but their size; the bytes are in `contents`. */
function newBuilder({ keepDirectoryLinks = false, whiteouts = true } = {}) {
  const contents = new Map<object, string>();
  const createFile = (size: number) => {
    const content = { size, runs: [] };
    contents.set(content.runs, "");
    const write = (data: Uint8Array) => {
      contents.set(content.runs, contents.get(content.runs)! + Buffer.from(data).toString("latin1"));
    };
    return { write, content };
  };
  const builder = new TreeBuilder({ createFile, keepDirectoryLinks, whiteouts });
  const text = (path: string) => {
    const node = builder.find(path);
    return node?.kind === "file" ? contents.get(node.runs) : node?.kind;
  };
  return { builder, text };
}

interface Member {
  readonly name: string;
  readonly type?: string;
  readonly link?: string;
  readonly data?: string;
  readonly mode?: number;
}

function member({ name, type = "0", link = "", data = "", mode = 0o644 }: Member): Buffer {
  const header = Buffer.alloc(512);
  header.write(name, 0, "latin1");
  header.write(mode.toString(8).padStart(7, "0"), 100);
  header.write("0000000", 108);
  header.write("0000000", 116);
  header.write(data.length.toString(8).padStart(11, "0"), 124);
  header.write("00000000000", 136);
  header.write(" ".repeat(8), 148);
  header.write(type, 156);
  header.write(link, 157, "latin1");
  header.write("ustar\x0000", 257);
  const sum = header.reduce((all, byte) => all + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const body = Buffer.alloc(Math.ceil(data.length / 512) * 512);
  body.write(data, 0, "latin1");
  return Buffer.concat([header, body]);
}

const archive = (...members: Member[]) => Buffer.concat([...members.map(member), Buffer.alloc(1024)]);

/** Puts an archive into a builder in pieces of a size that divides nothing. */
function apply(builder: TreeBuilder, data: Uint8Array, piece = 777): void {
  builder.startLayer();
  const parser = new TarParser(builder.add);
  for (let at = 0; at < data.length; at += piece) parser.push(data.subarray(at, at + piece));
  parser.end();
}

test("an archive by tar(1) in each of its formats becomes the same tree", () => {
  const folder = join(scratch, "folder");
  const long = `${"n".repeat(90)}/${"m".repeat(95)}`;
  mkdirSync(join(folder, "n".repeat(90)), { recursive: true });
  writeFileSync(join(folder, "plain"), "plain text", { mode: 0o750 });
  writeFileSync(join(folder, long), "long name");
  symlinkSync("plain", join(folder, "link"));
  execFileSync("sh", ["-c", "ln plain hard && mkfifo pipe"], { cwd: folder });
  for (const format of ["gnu", "pax", "ustar", "oldgnu"]) {
    const made = spawnSync("tar", [`--format=${format}`, "-cf", "-", "-C", folder, "."]);
    const { builder, text } = newBuilder();
    apply(builder, made.stdout);
    expect(text("plain")).toBe("plain text");
    expect(text(long)).toBe("long name");
    expect(builder.find("link")).toMatchObject({ kind: "symlink", target: "plain" });
    expect(builder.find("hard")).toBe(builder.find("plain"));
    expect(builder.find("plain")).toMatchObject({ mode: 0o750, size: 10 });
    expect(builder.find("pipe")?.kind).toBe("fifo");
  }
});

test("attributes and large numbers come from pax headers, byte for byte", () => {
  const records: [string, Buffer][] = [
    ["SCHILY.xattr.security.capability", Buffer.from([1, 0, 0, 2, 0xff, 0x0a, 0, 0x3d])],
    ["uid", Buffer.from("3000000")],
    ["mtime", Buffer.from("1700000000.75")],
    ["path", Buffer.from("dir/näme")],
  ];
  const pax = records.map(([key, value]) => {
    const rest = Buffer.concat([Buffer.from(` ${key}=`), value, Buffer.from("\n")]);
    const length = [2, 3].map((digits) => rest.length + digits).find((n) => String(n).length === n - rest.length)!;
    return Buffer.concat([Buffer.from(String(length)), rest]);
  });
  const { builder, text } = newBuilder();
  apply(
    builder,
    archive({ name: "x", type: "x", data: Buffer.concat(pax).toString("latin1") }, { name: "short", data: "1" }),
  );
  expect(text("dir/näme")).toBe("1");
  const node = builder.find("dir/näme")!;
  expect(node).toMatchObject({ uid: 3_000_000, mtime: 1_700_000_000 });
  expect(node.xattrs).toEqual(new Map([["security.capability", new Uint8Array(records[0]![1])]]));
});

test("a layer adds, replaces and deletes what layers below have; an opaque directory starts empty", () => {
  const { builder, text } = newBuilder();
  const directory = { name: "d/", type: "5", mode: 0o755 };
  apply(
    builder,
    archive(directory, { name: "d/a", data: "1" }, { name: "d/b", data: "2" }, { name: "d/s/x", data: "3" }),
  );
  apply(builder, archive({ name: "d/.wh.a" }, { name: "d/c", data: "4" }, { name: "d/b", data: "5" }));
  expect([text("d/a"), text("d/b"), text("d/c"), text("d/s/x")]).toEqual([undefined, "5", "4", "3"]);
  apply(builder, archive({ name: "d/new", data: "6" }, { name: "d/s/new", data: "7" }, { name: "d/.wh..wh..opq" }));
  expect([text("d/new"), text("d/s/new"), text("d/b"), text("d/s/x")]).toEqual(["6", "7", undefined, undefined]);
  apply(builder, archive({ name: "d", data: "a file now" }));
  expect(text("d")).toBe("a file now");
  apply(builder, archive({ name: ".wh.d" }, { name: ".wh..wh.plnk", data: "" }));
  expect(builder.root.entries.size).toBe(0);
});

test("links to directories are followed inside the root, and stay when a package brings the directory", () => {
  const { builder, text } = newBuilder({ keepDirectoryLinks: true, whiteouts: false });
  const link = { name: "bin", type: "2", link: "/usr/bin" };
  apply(builder, archive({ name: "usr/bin/", type: "5" }, link, { name: "up", type: "2", link: "../../.." }));
  apply(
    builder,
    archive({ name: "./bin/", type: "5" }, { name: "./bin/sh", data: "shell" }, { name: "up/x", data: "y" }),
  );
  expect(builder.find("bin")?.kind).toBe("symlink");
  expect([text("usr/bin/sh"), text("bin/sh"), text("x")]).toEqual(["shell", "shell", "y"]);
  apply(builder, archive({ name: ".wh.bin", data: "kept" }));
  expect(text(".wh.bin")).toBe("kept");
});

test("hostile names, links and headers are refused", () => {
  const refused = (...members: Member[]) => {
    const { builder } = newBuilder();
    expect(() => apply(builder, archive(...members))).toThrow(UserError);
  };
  refused({ name: "../x" });
  refused({ name: "a/../../x" });
  refused({ name: "h", type: "1", link: "../../etc/passwd" });
  refused({ name: "h", type: "1", link: "nothing" });
  refused({ name: "d/", type: "5" }, { name: "h", type: "1", link: "d" });
  refused({ name: "s", type: "2", link: "" });
  refused({ name: "l", type: "2", link: "l" }, { name: "l/x" });
  refused({ name: "x", type: "x", data: "99 path=a\n" });
  refused({ name: "x", type: "x", data: `${300 + 10} path=${"n".repeat(300)}\n` }, { name: "short" });
  refused({ name: "x", type: "x", data: "22 GNU.sparse.major=1\n" }, { name: "short" });
  const { builder } = newBuilder();
  expect(() => apply(builder, archive({ name: "a", data: "x".repeat(600) }).subarray(0, 700))).toThrow("cut off");
  const wrong = archive({ name: "a" });
  wrong[0]! ^= 1;
  expect(() => apply(builder, wrong)).toThrow("checksum");
});

/** Names and links that meet one another. */
const NAMES = [
  "a",
  "b",
  "a/b",
  "b/a",
  "a/.wh.b",
  ".wh.a",
  "a/.wh..wh..opq",
  "./a/b/c/",
  "/b//c",
  "up/x",
  "a/../b",
  "up",
  "",
];
const LINKS = ["a", "/", "..", "../../b", "b/c", "up", "", "a/../../x"];

const SEED = Number(process.env.FUZZ_SEED ?? 20261124);
const COUNT = Number(process.env.FUZZ_COUNT ?? 300);
const random = new SeededRandom(SEED);
const below = (limit: number) => (random.next() >>> 0) % limit;
const pick = <T>(list: readonly T[]): T => list[below(list.length)]!;

function randomMember(): Member {
  const type = pick([..."0012345567xL"]);
  return { name: pick(NAMES), type, link: pick(LINKS), data: type === "0" ? "d".repeat(below(9000)) : "" };
}

/** Three layers of a few files, some with a bit that is wrong. */
function randomLayers(): Buffer[] {
  return [1, 2, 3].map(() => {
    const data = archive(...Array.from({ length: 1 + below(8) }, randomMember));
    if (below(4) === 0) data[below(data.length)]! ^= 1 << below(8);
    return data;
  });
}

const files = fileSystemMaker();

test(`random archives make trees that are clean file systems, or are refused, FUZZ_SEED=${SEED}`, (context) => {
  needE2fsprogs(context);
  for (let round = 0; round < COUNT; round++) {
    const image = files.make({ size: 8 << 20 }, (writer) => {
      const createFile = (size: number) => writer.createFile(size);
      const builder = new TreeBuilder({ createFile, keepDirectoryLinks: round % 2 === 0, whiteouts: true });
      for (const data of randomLayers()) {
        try {
          apply(builder, data, 1 + below(2000));
        } catch (error) {
          if (!(error instanceof UserError)) throw error;
        }
      }
      expect(namesOf(builder.root)).toBeLessThan(100);
      return builder.root;
    });
    if (round % 10 === 0) expect(fsck(image)).toBe("clean");
    rmSync(image);
  }
});

/** The number of names below a node; every name is one that a directory can hold. */
function namesOf(node: TreeNode): number {
  if (node.kind !== "directory") return 0;
  for (const name of node.entries.keys()) expect(name).toMatch(/^(?!\.{1,2}$)[^/\0]{1,255}$/);
  return [...node.entries.values()].reduce((sum, child) => sum + 1 + namesOf(child), 0);
}
