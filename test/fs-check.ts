import { spawnSync } from "node:child_process";
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, type TestContext } from "vitest";
import { openDisk } from "../src/backend/block/open.ts";
import type { DirectoryNode } from "../src/image/ext4/tree.ts";
import { Ext4Writer, type FileSystemOptions } from "../src/image/ext4/writer.ts";

export const IDENTITY = {
  uuid: Uint8Array.from({ length: 16 }, (_, i) => i + 1),
  label: "test",
  time: 1_700_000_000,
  hashSeed: Uint32Array.of(1, 2, 3, 4),
};

const ZEROS = new Uint8Array(1 << 20);

/** Makes file systems in files of a directory that is removed at the end. */
export function fileSystemMaker() {
  const path = mkdtempSync(join(tmpdir(), "tskvm-ext4-"));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  let count = 0;
  return {
    path,
    /** Returns the path of a raw image; `fill` gives the tree. Pieces that hold zeros only are not written. */
    make(options: Partial<FileSystemOptions> & { size: number }, fill: (writer: Ext4Writer) => DirectoryNode): string {
      const image = join(path, `${count++}.raw`);
      const file = openSync(image, "w");
      const write = (offset: number, data: Uint8Array) => {
        if (Buffer.compare(data, ZEROS.subarray(0, data.length)) !== 0) writeSync(file, data, 0, data.length, offset);
      };
      const writer = new Ext4Writer({ write }, { ...IDENTITY, ...options });
      writer.finish(fill(writer));
      closeSync(file);
      truncateSync(image, options.size);
      return image;
    },
  };
}

/** Writes what a disk image stores to a raw file, with holes for the rest. */
export function exportDisk(image: string, raw: string): void {
  const disk = openDisk(image, { readOnly: true });
  const file = openSync(raw, "w");
  for (let at = 0; at < disk.size; ) {
    const { kind, length } = disk.extent(at, Math.min(2 ** 30, disk.size - at));
    if (kind === "data") {
      const data = new Uint8Array(length);
      disk.read(at, data);
      writeSync(file, data, 0, length, at);
    }
    at += length;
  }
  truncateSync(raw, disk.size);
  closeSync(file);
  disk.close();
}

export function needE2fsprogs(context: TestContext): void {
  context.skip(spawnSync("e2fsck", ["-V"]).error !== undefined, "needs e2fsck and debugfs (Debian package e2fsprogs)");
}

/** What e2fsck has against a file system; "clean" if nothing. */
export function fsck(image: string): string {
  const { status, stdout, stderr } = spawnSync("e2fsck", ["-fn", image], { encoding: "utf8" });
  return status === 0 ? "clean" : `${stdout}${stderr}`;
}

/** What debugfs says to some commands. */
export function debugfs(image: string, ...commands: string[]): string {
  const input = `${commands.join("\n")}\n`;
  return spawnSync("debugfs", [image], { encoding: "latin1", input, maxBuffer: 1 << 28 }).stdout;
}
