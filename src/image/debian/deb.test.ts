import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import { afterAll, expect, test } from "vitest";
import { readDeb, type UnpackedFile } from "./deb.ts";

const directory = mkdtempSync(join(tmpdir(), "tskvm-deb-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

/** An ar archive with a data.tar.gz of these files. [deb(5)] */
async function writeDeb(files: Readonly<Record<string, Uint8Array>>): Promise<string> {
  const entries = Object.entries(files).map(([name, body]) => ({ header: { name, size: body.length }, body }));
  const data = gzipSync(await packTar(entries));
  const header = `${"data.tar.gz".padEnd(48)}${String(data.length).padEnd(10)}\`\n`;
  const path = join(directory, "a.deb");
  writeFileSync(path, Buffer.concat([Buffer.from(`!<arch>\n${header}`), data, Buffer.alloc(data.length & 1)]));
  return path;
}

test("files are collected from among small ones that nobody wants", async () => {
  const body = (n: number) => new Uint8Array(100_000 * (n % 3) + 10 + n).fill(n);
  const files = Object.fromEntries(Array.from({ length: 40 }, (_, n) => [`./${n % 4 ? "doc" : "lib"}/${n}`, body(n)]));
  const collected: UnpackedFile[] = [];
  await readDeb(await writeDeb(files), {}, { pattern: /^lib\//, files: collected });
  expect(collected.map(({ path }) => path)).toEqual(Array.from({ length: 10 }, (_, n) => `lib/${4 * n}`));
  expect(collected.filter(({ data }, n) => Buffer.compare(data, body(4 * n)) !== 0)).toEqual([]);
});
