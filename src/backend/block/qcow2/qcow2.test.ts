import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { Random } from "../../../../test/isa/random.ts";
import { UserError } from "../../../base/assert.ts";
import { INCOMPATIBLE } from "../../../spec/block/qcow2.ts";
import type { BlockBackend } from "../block.ts";
import { copyDisk } from "../copy.ts";
import { HostFile } from "../host-file.ts";
import { openDisk, openQcow2Image } from "../open.ts";
import { checkQcow2 } from "./check.ts";
import { createQcow2, type Qcow2Options } from "./create.ts";
import { resizeQcow2 } from "./resize.ts";
import { applySnapshot, createSnapshot, deleteSnapshot, listSnapshots } from "./snapshots.ts";

const folder = mkdtempSync(join(tmpdir(), "tskvm-qcow2-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const hasQemu = spawnSync("qemu-img", ["--version"]).status === 0;
const NEEDS_QEMU = "needs qemu-img (Debian package qemu-utils)";

let files = 0;
function create(options: Qcow2Options): string {
  const path = join(folder, `${files++}.qcow2`);
  const file = new HostFile(path, { create: true });
  createQcow2(file, options);
  file.close();
  return path;
}

function qemuImg(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("qemu-img", args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`qemu-img ${args.join(" ")}: status ${status}\n${stdout}${stderr}`);
  return stdout;
}

/** What qemu-img reads in an image. */
function bytesByQemu(path: string): Uint8Array {
  const raw = `${path}.raw`;
  qemuImg("convert", "-f", "qcow2", "-O", "raw", path, raw);
  const bytes = readFileSync(raw);
  rmSync(raw);
  return bytes;
}

function readAll(disk: BlockBackend): Uint8Array {
  const bytes = new Uint8Array(disk.size);
  disk.read(0, bytes);
  return bytes;
}

function contentOf(path: string): Uint8Array {
  const disk = openDisk(path, { readOnly: true });
  const bytes = readAll(disk);
  disk.close();
  return bytes;
}

function randomFrom(seed: number) {
  const random = new Random(seed);
  return (below: number) => random.below(below);
}

/** Random requests to a disk and to a plain array of bytes, which must stay the same. */
function exercise(disk: BlockBackend, model: Uint8Array, random: (below: number) => number, count: number): void {
  for (let n = 0; n < count; n++) {
    const length = 1 + random(random(4) === 0 ? Math.min(200_000, model.length) : Math.min(5000, model.length));
    const offset = random(model.length - length + 1);
    const action = random(10);
    if (action < 6) {
      const data = new Uint8Array(length).fill(1 + random(255));
      disk.write(offset, data);
      model.set(data, offset);
    } else if (action < 8) {
      disk.writeZeroes(offset, length, action === 6);
      model.fill(0, offset, offset + length);
    } else {
      const got = new Uint8Array(length);
      disk.read(offset, got);
      expect(Buffer.compare(got, model.subarray(offset, offset + length))).toBe(0);
    }
  }
}

const SEED = Number(process.env.SEED ?? (Date.now() % 1e9) | 0);
const LAYOUTS: readonly Qcow2Options[] = [
  { size: 3_000_320 },
  { size: 700_416, clusterSize: 512 },
  { size: 3_000_320, clusterSize: 4096, version: 2 },
  { size: 9_000_448, clusterSize: 2 ** 21, compression: "zstd" },
];

describe.each(LAYOUTS)("a qcow2 image with %o", (options) => {
  test(`holds what random requests write, seed ${SEED}`, () => {
    console.log(`seed ${SEED} (SEED=n takes another)`);
    const path = create(options);
    const model = new Uint8Array(options.size);
    const random = randomFrom(SEED);
    for (let round = 0; round < 3; round++) {
      const disk = openQcow2Image(path);
      exercise(disk, model, random, 200);
      disk.close();
      expect(Buffer.compare(contentOf(path), model)).toBe(0);
      const again = openQcow2Image(path, { readOnly: true });
      expect(checkQcow2(again)).toMatchObject({ corruptions: [], leaks: 0, undercounted: 0, wrongFlags: 0 });
      again.close();
    }
    if (hasQemu) {
      qemuImg("check", path);
      expect(Buffer.compare(bytesByQemu(path), model)).toBe(0);
    }
  });

  test(`keeps snapshots and overlays apart, seed ${SEED}`, (context) => {
    context.skip(!hasQemu, NEEDS_QEMU);
    const path = create(options);
    const model = new Uint8Array(options.size);
    const random = randomFrom(SEED + 1);
    const disk = openQcow2Image(path);
    exercise(disk, model, random, 60);
    createSnapshot(disk, "first", 1_700_000_000_000);
    const first = model.slice();
    exercise(disk, model, random, 60);
    createSnapshot(disk, "second", 1_700_000_001_000);
    exercise(disk, model, random, 60);
    disk.close();
    qemuImg("check", path);
    expect(qemuImg("snapshot", "-l", path)).toMatch(/1\s+first[\s\S]*2\s+second/);
    const again = openQcow2Image(path);
    applySnapshot(again, "first");
    expect(Buffer.compare(readAll(again), first)).toBe(0);
    deleteSnapshot(again, "first");
    exercise(again, first, random, 60);
    again.close();
    qemuImg("check", path);
    expect(Buffer.compare(bytesByQemu(path), first)).toBe(0);
    const last = openQcow2Image(path);
    deleteSnapshot(last, "second");
    expect(listSnapshots(last)).toEqual([]);
    last.close();
    qemuImg("check", path);
    overlay(path, first, random);
  });

  test("grows and shrinks as qemu-img sees it", (context) => {
    context.skip(!hasQemu, NEEDS_QEMU);
    const path = create(options);
    const disk = openQcow2Image(path);
    disk.write(0, new Uint8Array(options.size).fill(7));
    resizeQcow2(disk, options.size * 9);
    disk.write(options.size * 9 - 512, new Uint8Array(512).fill(9));
    resizeQcow2(disk, options.size - 1024);
    resizeQcow2(disk, options.size + 1024);
    disk.close();
    qemuImg("check", path);
    const expected = new Uint8Array(options.size + 1024).fill(7, 0, options.size - 1024);
    expect(Buffer.compare(bytesByQemu(path), expected)).toBe(0);
  });
});

/** An overlay of an image changes without it. */
function overlay(base: string, content: Uint8Array, random: (below: number) => number): void {
  const path = create({ size: content.length + 4096, backingFile: base, backingFormat: "qcow2" });
  const model = new Uint8Array(content.length + 4096);
  model.set(content);
  const disk = openDisk(path);
  exercise(disk, model, random, 100);
  disk.close();
  qemuImg("check", path);
  expect(Buffer.compare(bytesByQemu(path), model)).toBe(0);
  expect(Buffer.compare(bytesByQemu(base), content)).toBe(0);
}

describe("images that qemu-img made", () => {
  const content = new Uint8Array(1_500_160);
  const random = randomFrom(5);
  for (let at = 0; at < content.length; at++) content[at] = at % 70_000 < 30_000 ? random(4) : 0;
  const raw = join(folder, "content.raw");
  writeFileSync(raw, content);

  test.for([
    ["compressed", ["-c"]],
    ["compressed with zstd", ["-c", "-o", "compression_type=zstd"]],
    ["with clusters of 512 bytes", ["-o", "cluster_size=512"]],
    ["with refcounts of 1 bit", ["-o", "refcount_bits=1"]],
    ["with refcounts of 64 bits", ["-o", "refcount_bits=64,cluster_size=1024"]],
    ["of version 2, compressed", ["-c", "-o", "compat=0.10"]],
    ["with lazy refcounts", ["-o", "lazy_refcounts=on"]],
    ["preallocated", ["-o", "preallocation=metadata"]],
  ] as const)("%s are read, and changed so that qemu-img agrees", ([name, args], context) => {
    context.skip(!hasQemu, NEEDS_QEMU);
    const path = join(folder, `${name}.qcow2`);
    qemuImg("convert", "-f", "raw", "-O", "qcow2", ...args, raw, path);
    const model = content.slice();
    expect(Buffer.compare(contentOf(path), model)).toBe(0);
    const disk = openDisk(path);
    exercise(disk, model, randomFrom(SEED + 2), 150);
    disk.close();
    qemuImg("check", path);
    expect(Buffer.compare(bytesByQemu(path), model)).toBe(0);
  });

  test("compressing gives what qemu-img unpacks", (context) => {
    context.skip(!hasQemu, NEEDS_QEMU);
    const path = create({ size: content.length });
    const from = openDisk(raw, { format: "raw", readOnly: true });
    const to = openQcow2Image(path);
    copyDisk(from, to, { compress: true });
    to.close();
    qemuImg("check", path);
    expect(Buffer.compare(bytesByQemu(path), content)).toBe(0);
    expect(readFileSync(path).length).toBeLessThan(content.length / 2);
  });
});

describe("an image that was not closed", () => {
  /** A copy of an image that is open, as a crash would leave it. */
  function crashed(change: (disk: ReturnType<typeof openQcow2Image>) => void): string {
    const path = create({ size: 2 ** 20 });
    const disk = openQcow2Image(path);
    disk.write(0, new Uint8Array(200_000).fill(3));
    change(disk);
    const copy = `${path}.crashed`;
    copyFileSync(path, copy);
    disk.close();
    return copy;
  }

  test("is marked, and mended when it is opened to be written", () => {
    const path = crashed((disk) => {
      disk.refcounts.allocate(5);
      disk.refcounts.set(4, 1, 0);
    });
    const marked = openQcow2Image(path, { readOnly: true });
    expect(marked.header.incompatible & INCOMPATIBLE.dirty).toBe(INCOMPATIBLE.dirty);
    expect(checkQcow2(marked)).toMatchObject({ leaks: 5 });
    marked.close();
    const mended = openQcow2Image(path);
    expect(checkQcow2(mended)).toMatchObject({ leaks: 0, undercounted: 0, wrongFlags: 0, corruptions: [] });
    mended.close();
    if (hasQemu) qemuImg("check", path);
  });

  test("whose tables are broken is refused with what is wrong", () => {
    const path = crashed((disk) => {
      const { l1 } = disk.map;
      disk.storage.write(l1.offset, Uint8Array.of(0x80, 0, 0xff, 0, 0, 0, 0, 0));
    });
    expect(() => openDisk(path)).toThrow(/cannot be repaired: an L2 table .* beyond the end/);
  });
});

describe("damaged files", () => {
  test(`are refused or read, and never break the program, seed ${SEED}`, () => {
    const random = randomFrom(SEED + 3);
    const source = create({ size: 400_000, clusterSize: 512 });
    const disk = openQcow2Image(source);
    disk.write(1000, new Uint8Array(50_000).fill(1));
    createSnapshot(disk, "one", 0);
    disk.close();
    const bytes = readFileSync(source);
    for (let n = 0; n < 300; n++) {
      const broken = bytes.slice();
      for (let flip = 0; flip <= random(6); flip++) broken[random(random(2) ? 2200 : broken.length)] = random(256);
      const path = join(folder, "broken.qcow2");
      writeFileSync(path, broken);
      try {
        const opened = openDisk(path);
        const into = new Uint8Array(Math.min(opened.size, 100_000));
        opened.read(0, into);
        if (opened.size > 60_000) opened.write(55_000, new Uint8Array(3000));
        opened.close();
      } catch (error) {
        expect(error, `byte changes of round ${n}`).toBeInstanceOf(UserError);
      }
      rmSync(`${path}.lock`, { force: true });
    }
    expect(existsSync(source)).toBe(true);
  });
});
