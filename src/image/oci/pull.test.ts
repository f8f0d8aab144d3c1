/** Pulling from the real docker-registry, with images that umoci makes and skopeo pushes. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, type TestContext, test } from "vitest";
import { debugfs, exportDisk, fsck, needE2fsprogs } from "../../../test/fs-check.ts";
import { parseImageName } from "../roots/image-name.ts";
import { type RootImage, type RootOptions, resolveRoot } from "../roots/resolve.ts";
import { blobDirectory } from "../roots/store.ts";

const scratch = mkdtempSync(join(tmpdir(), "tskvm-oci-"));
const running: ChildProcess[] = [];
const servers: Server[] = [];
afterAll(() => {
  for (const child of running) child.kill();
  for (const server of servers) server.closeAllConnections();
  for (const server of servers) server.close();
  rmSync(scratch, { recursive: true, force: true });
});

const at = (...names: string[]) => join(scratch, ...names);
const LONG_MS = 120_000;
const BIG_BYTES = 3_000_000;

function tool(name: string, ...args: string[]): void {
  const { status, stderr } = spawnSync(name, args, { encoding: "utf8" });
  if (status !== 0) throw new Error(`${name} ${args.join(" ")}: ${stderr}`);
}

let made = false;

/** A layout with two tags: "one", of three layers, and "two", whose layer hides files of "one". */
function makeLayout(context: TestContext): string {
  needE2fsprogs(context);
  for (const [name, arg] of [
    ["umoci", "--version"],
    ["skopeo", "--version"],
  ] as const)
    context.skip(spawnSync(name, [arg]).error !== undefined, `needs ${name} (Debian package ${name})`);
  const layout = at("layout");
  if (made) return layout;
  made = true;
  mkdirSync(at("tree/etc"), { recursive: true });
  writeFileSync(at("tree/etc/passwd"), "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/srv/app:/bin/sh\n");
  writeFileSync(at("tree/etc/group"), "app:x:1000:\nextra:x:2000:app\n");
  writeFileSync(at("tree/etc/gone"), "gone");
  writeFileSync(at("tree/big"), randomBytes(BIG_BYTES));
  tool("umoci", "init", "--layout", layout);
  tool("umoci", "new", "--image", `${layout}:one`);
  tool("umoci", "insert", "--rootless", "--image", `${layout}:one`, at("tree/etc"), "/etc");
  tool("umoci", "insert", "--rootless", "--image", `${layout}:one`, at("tree/big"), "/data/big");
  const config = [
    "--config.user",
    "app",
    "--config.workingdir",
    "/data",
    "--config.env",
    "A=b",
    "--config.entrypoint",
    "/bin/x",
  ];
  tool("umoci", "config", "--image", `${layout}:one`, "--architecture", "amd64", ...config, "--config.cmd", "y");
  tool("umoci", "insert", "--rootless", "--image", `${layout}:one`, "--tag", "two", "--whiteout", "/etc/gone");
  return layout;
}

function resolve(name: string, cache: string, options: RootOptions = {}): Promise<RootImage> {
  const parsed = parseImageName(name);
  if (parsed.kind === "kernel") throw new Error("no root");
  return resolveRoot(parsed, { cacheDirectory: at(cache), ...options });
}

let exports = 0;

/** What debugfs and e2fsck say of a root's disk. */
function look({ disk }: RootImage): string {
  const raw = at(`export-${exports++}.raw`);
  exportDisk(disk, raw);
  const said = `${fsck(raw)}\n${debugfs(raw, "ls -p /etc", "stat /data/big", "cat /etc/group")}`;
  rmSync(raw);
  return said;
}

test("an OCI layout and a docker archive become roots with what the image says", {
  timeout: LONG_MS,
}, async (context) => {
  const layout = makeLayout(context);
  const one = await resolve(`oci:${layout}:one`, "cache-local");
  expect(one.record).toMatchObject({
    stage: "ready",
    arch: "amd64",
    config: {
      user: "app",
      workingDirectory: "/data",
      env: expect.arrayContaining(["A=b"]),
      entrypoint: ["/bin/x"],
      cmd: ["y"],
    },
    group: "app:x:1000:\nextra:x:2000:app\n",
  });
  expect(look(one)).toMatch(new RegExp(`^clean[\\s\\S]*gone[\\s\\S]*Size: ${BIG_BYTES}[\\s\\S]*extra:x:2000`));
  const two = await resolve(`oci:${layout}:two`, "cache-local");
  expect(look(two)).not.toContain("gone");
  const before = statSync(two.disk).mtimeMs;
  expect(statSync((await resolve(`oci:${layout}:two`, "cache-local")).disk).mtimeMs).toBe(before);
  tool("skopeo", "copy", "-q", `oci:${layout}:two`, `docker-archive:${at("saved.tar")}:name:tag`);
  for (const name of [
    `docker-archive:${at("saved.tar")}`,
    `docker-archive:${at("saved.tar")}:docker.io/library/name:tag`,
  ])
    expect(look(await resolve(name, "cache-local"))).toMatch(/^clean[\s\S]*passwd/);
  await expect(resolve(`oci:${layout}:three`, "cache-local")).rejects.toThrow("no image with the tag three");
  await expect(resolve(`oci:${at("tree")}`, "cache-local")).rejects.toThrow("no OCI image layout");
  await expect(resolve(`oci:${layout}:one`, "cache-local", { arch: "i386" })).rejects.toThrow("is for linux/amd64");
});

/** Starts docker-registry; returns its port. */
async function startRegistry(context: TestContext): Promise<number> {
  context.skip(
    spawnSync("docker-registry", ["--version"]).error !== undefined,
    "needs docker-registry (Debian package docker-registry)",
  );
  const free = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => free.once("listening", resolve));
  const { port } = free.address() as AddressInfo;
  await new Promise((resolve) => free.close(resolve));
  const config = `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${at("registry")}\nhttp:\n  addr: 127.0.0.1:${port}\n`;
  writeFileSync(at("registry.yml"), config);
  running.push(spawn("docker-registry", ["serve", at("registry.yml")], { stdio: "ignore" }));
  for (let tries = 0; tries < 300; tries++) {
    const up = await fetch(`http://127.0.0.1:${port}/v2/`).then(
      () => true,
      () => false,
    );
    if (up) return port;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("docker-registry does not start");
}

/** A server before the registry: it wants a token that only USER:PASSWORD gets, and breaks the first long answer off. */
class Guard {
  readonly #upstream: number;
  ranges: string[] = [];
  cuts = 1;
  tokens = 0;
  port = 0;

  constructor(upstream: number) {
    this.#upstream = upstream;
  }

  async start(): Promise<this> {
    const server = createServer((incoming, response) => {
      const { url = "", headers } = incoming;
      if (url.startsWith("/token?")) {
        this.tokens++;
        const isRight = headers.authorization === `Basic ${Buffer.from("USER:PASSWORD").toString("base64")}`;
        const isComplete = url.includes("service=guard") && url.includes("scope=repository%3Atest%2Fimage%3Apull");
        return void response.writeHead(isRight && isComplete ? 200 : 401).end('{"token":"ticket"}');
      }
      if (headers.authorization !== "Bearer ticket") {
        const realm = `Bearer realm="http://127.0.0.1:${this.port}/token",service="guard",scope="repository:test/image:pull"`;
        return void response.writeHead(401, { "www-authenticate": realm }).end();
      }
      if (headers.range) this.ranges.push(headers.range);
      const upstream = request({ port: this.#upstream, host: "127.0.0.1", path: url, headers }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        let sent = 0;
        answer.on("data", (data: Buffer) => {
          sent += data.length;
          if (sent > 100_000 && this.cuts > 0) {
            this.cuts--;
            return void response.destroy();
          }
          response.write(data);
        });
        answer.on("end", () => response.end());
      });
      upstream.end();
    });
    await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
    servers.push(server);
    this.port = (server.address() as AddressInfo).port;
    return this;
  }
}

test("images of a registry: both manifest formats, tags and digests, tokens, resumed and shared blobs", {
  timeout: LONG_MS,
}, async (context) => {
  const layout = makeLayout(context);
  const port = await startRegistry(context);
  const push = (tag: string, name: string, ...options: string[]) =>
    tool(
      "skopeo",
      "copy",
      "-q",
      "--dest-tls-verify=false",
      ...options,
      `oci:${layout}:${tag}`,
      `docker://127.0.0.1:${port}/${name}`,
    );
  push("one", "test/image:one");
  push("two", "test/image:two", "--format", "v2s2");
  push("two", "test/image:zstd", "--dest-compress-format", "zstd", "--dest-compress");

  const guard = await new Guard(port).start();
  const name = (version: string) => `localhost:${guard.port}/test/image${version}`;
  await expect(resolve(name(":one"), "cache")).rejects.toThrow("does not let us read test/image (status 401)");
  mkdirSync(at("docker"));
  const auth = Buffer.from("USER:PASSWORD").toString("base64");
  writeFileSync(at("docker/config.json"), JSON.stringify({ auths: { [`localhost:${guard.port}`]: { auth } } }));
  process.env.DOCKER_CONFIG = at("docker");

  const one = await resolve(name(":one"), "cache");
  expect(look(one)).toMatch(/^clean[\s\S]*gone/);
  expect(guard.cuts).toBe(0);
  expect(guard.ranges[0]).toMatch(/^bytes=\d+-$/);
  const blobs = readdirSync(blobDirectory(at("cache"))).length;
  const two = await resolve(name(":two"), "cache");
  expect(readdirSync(blobDirectory(at("cache")))).toHaveLength(blobs + 1);
  expect(look(two)).not.toContain("gone");
  const tokens = guard.tokens;
  expect((await resolve(name(":two"), "cache")).disk).toBe(two.disk);
  expect(guard.tokens).toBe(tokens);
  const zstd = await resolve(name(":zstd"), "cache");
  expect([...zstd.record.group]).toEqual([...two.record.group]);
  const pinned = await resolve(name(`@${one.record.digest}`), "cache");
  expect(pinned.record.digest).toBe(one.record.digest);

  push("two", "test/image:one");
  expect((await resolve(name(":one"), "cache")).record.digest).toBe(one.record.digest);
  expect((await resolve(name(":one"), "cache", { refresh: true })).record.digest).not.toBe(one.record.digest);
  await expect(resolve(name(":none"), "cache")).rejects.toThrow("with none");
  await expect(resolve("localhost:1/test/image", "cache")).rejects.toThrow("it refuses connections");
});

test("a layer that is not what its digest says makes no root", { timeout: LONG_MS }, async (context) => {
  const layout = makeLayout(context);
  tool("skopeo", "copy", "-q", `oci:${layout}:two`, `oci:${at("bad")}:two`);
  const blobs = at("bad/blobs/sha256");
  const largest = readdirSync(blobs).sort((a, b) => statSync(join(blobs, b)).size - statSync(join(blobs, a)).size)[0]!;
  const size = statSync(join(blobs, largest)).size;
  truncateSync(join(blobs, largest), size - 3);
  truncateSync(join(blobs, largest), size);
  await expect(resolve(`oci:${at("bad")}:two`, "cache-bad")).rejects.toThrow(/unpacked/);
  const directory = at("cache-bad/roots");
  const files = existsSync(directory) ? readdirSync(join(directory, readdirSync(directory)[0]!)) : [];
  expect(files.filter((file) => file.endsWith(".qcow2") || file.endsWith(".part"))).toEqual([]);
});
