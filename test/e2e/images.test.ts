import { createHash } from "node:crypto";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { scratchDirectory, tskvm } from "./tskvm.ts";

const cache = scratchDirectory();
const env = { XDG_CACHE_HOME: cache.path };
const DEB = Buffer.alloc(100_000, "x");
const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest("hex");

/** An archive with one kernel, whose package is as the index says, or other bytes, or never comes whole. */
class Archive {
  fault: "other bytes" | "cut short" = "other bytes";
  readonly server: Server;
  private readonly files = new Map<string, string>();

  constructor() {
    const packages = [
      "Package: linux-image-cloud-amd64\nVersion: 1\nDepends: linux-image-1-cloud-amd64 (= 1)\nFilename: m\nSize: 1",
      `Package: linux-image-1-cloud-amd64\nVersion: 1\nFilename: k.deb\nSize: ${DEB.length}`,
      "Package: busybox-static\nVersion: 1\nFilename: b\nSize: 1",
    ];
    const index = packages.map((stanza) => `${stanza}\nSHA256: ${sha256(DEB)}\n`).join("\n");
    const listed = ` ${sha256(index)} ${index.length} main/binary-amd64/Packages`;
    this.files.set("/debian/dists/bookworm/main/binary-amd64/Packages", index);
    this.files.set("/debian/dists/bookworm/Release", `Suite: bookworm\nSHA256:\n${listed}\n`);
    this.server = createServer((request, response) => {
      const text = this.files.get(request.url ?? "");
      if (text !== undefined) return void response.end(text);
      if (request.url !== "/debian/k.deb") return void response.writeHead(404).end();
      response.writeHead(200, { "content-length": DEB.length });
      if (this.fault === "other bytes") return void response.end(DEB.fill("y"));
      response.write(DEB.subarray(0, 50_000), () => setTimeout(() => response.destroy(), 20));
    });
  }

  get mirror(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/debian`;
  }
}

const archive = new Archive();
beforeAll(() => new Promise<void>((resolve) => void archive.server.listen(0, "127.0.0.1", resolve)));
afterAll(() => void archive.server.close());

/** A command that must fail; returns its message. */
async function message(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await tskvm(args, { env });
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr).not.toMatch(/^\s+at .*:\d+/m);
  return stderr;
}

test("a mirror that does not answer", async () => {
  expect(await message("run", "--mirror", "http://127.0.0.1:1/debian")).toMatch(
    /cannot read from 127.0.0.1:1: it refuses connections\n {2}.*--mirror/,
  );
});

test("a mirror that is none", async () => {
  expect(await message("images", "pull", "--mirror", "elsewhere")).toMatch(/"elsewhere" is not a mirror\n {2}\S/);
});

test("a package that is not what the index promises", async () => {
  archive.fault = "other bytes";
  expect(await message("run", "--mirror", archive.mirror)).toMatch(
    /checksum mismatch: .*k\.deb[\s\S]*\n {2}.*--mirror/,
  );
});

test("a download that breaks off", async () => {
  archive.fault = "cut short";
  expect(await message("images", "pull", "--mirror", archive.mirror)).toMatch(
    /stopped at .* of 100 kB[\s\S]*\n {2}.*run the command again/,
  );
});

test("the list tells what is in the cache; rm of what is not there says so", async () => {
  const { status, stdout } = await tskvm(["images"], { env });
  expect(status).toBe(0);
  expect(stdout).toMatch(/^debian-cloud +amd64 +not downloaded /m);
  expect((await tskvm(["images", "rm", "debian"], { env })).stdout).toBe("debian: was not in the cache\n");
});
