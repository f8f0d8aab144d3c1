import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { packTar } from "modern-tar";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { elf, packedBzImage } from "../../test/guest/kernel-files.ts";
import { UserError } from "../base/assert.ts";
import { type ImageOptions, listImages, pruneImages, pullImage, removeImage, resolveImage } from "./image.ts";
import type { Progress } from "./progress.ts";

const BUSYBOX = Buffer.from("\x7fELF\0[\0[[\0ash\0sh\0elf/exe\0", "latin1");
/** Does not compress, so that its package is as long. */
const KERNEL = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (Math.imul(i, 0x9e3779b1) * (i + 7)) >>> 13));
const ROOT = "/debian";

/** A Debian archive in memory, and a server with the faults that tests ask for. */
class FakeArchive {
  readonly files = new Map<string, Buffer>();
  readonly requests: string[] = [];
  /** Paths whose connection breaks after so many bytes, and how many more times. */
  readonly cuts = new Map<string, { after: number; times: number }>();
  ranges = true;
  #server: Server | undefined;

  async start(): Promise<string> {
    this.#server = createServer((request, response) => this.#serve(request, response));
    await new Promise<void>((resolve) => this.#server!.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}${ROOT}`;
  }

  stop(): void {
    this.#server?.closeAllConnections();
    this.#server?.close();
  }

  requestsFor(part: string): string[] {
    return this.requests.filter((request) => request.includes(part));
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const path = decodeURI(request.url ?? "");
    const range = /bytes=(\d+)-/.exec(request.headers.range ?? "");
    this.requests.push(`${path}${range ? ` from ${range[1]}` : ""}`);
    const data = this.files.get(path);
    if (!data) return void response.writeHead(404).end();
    const start = range && this.ranges ? Number(range[1]) : 0;
    if (range && this.ranges) response.setHeader("content-range", `bytes ${start}-${data.length - 1}/${data.length}`);
    response.writeHead(range && this.ranges ? 206 : 200, { "content-length": data.length - start });
    const cut = this.cuts.get(path);
    if (!cut || cut.times-- <= 0) return void response.end(data.subarray(start));
    response.write(data.subarray(start, start + cut.after), () => setTimeout(() => response.destroy(), 30));
  }
}

async function makeDeb(paths: Record<string, Buffer>): Promise<Buffer> {
  const entries = Object.entries(paths).map(([name, body]) => ({
    header: { name: `./${name}`, size: body.length },
    body,
  }));
  const members = { "debian-binary": Buffer.from("2.0\n"), "data.tar.gz": gzipSync(await packTar(entries)) };
  const parts = [Buffer.from("!<arch>\n")];
  for (const [name, data] of Object.entries(members)) {
    const header = `${name.padEnd(16)}${"0".padEnd(12)}${"0".padEnd(12)}${"100644".padEnd(8)}${String(data.length).padEnd(10)}\`\n`;
    parts.push(Buffer.from(header.replace("0           0           ", "0           0     0     ")), data);
    if (data.length % 2 === 1) parts.push(Buffer.from("\n"));
  }
  return Buffer.concat(parts);
}

const sha256 = (data: Buffer) => createHash("sha256").update(data).digest("hex");

interface FakePackage {
  name: string;
  version: string;
  depends?: string;
  deb?: Buffer;
}

function addSuite(archive: FakeArchive, suite: string, arch: string, packages: FakePackage[], fields = ""): void {
  const stanzas = packages.map(({ name, version, depends = "", deb = Buffer.from("unused") }) => {
    const path = `pool/main/${name}_${version.replace(":", "%3a")}_${arch}.deb`;
    archive.files.set(`${ROOT}/${path}`, deb);
    const fields = {
      Package: name,
      Version: version,
      Depends: depends,
      Filename: path,
      Size: deb.length,
      SHA256: sha256(deb),
    };
    return Object.entries(fields)
      .map(([field, value]) => `${field}: ${value}\n`)
      .join("");
  });
  const index = gzipSync(stanzas.join("\n"));
  const dists = `${ROOT}/dists/${suite}`;
  archive.files.set(`${dists}/main/binary-${arch}/Packages.gz`, index);
  const list = `SHA256:\n ${sha256(index)} ${index.length} main/binary-${arch}/Packages.gz\n`;
  archive.files.set(`${dists}/Release`, Buffer.from(`Suite: ${suite}\n${fields}${list}`));
}

async function kernelPackages(version: string, kernel = KERNEL): Promise<FakePackage[]> {
  const name = `linux-image-${version}-cloud-amd64`;
  const deb = await makeDeb({ "boot/System.map-x": Buffer.from("stub"), [`boot/vmlinuz-${version}`]: kernel });
  return [
    { name: "linux-image-cloud-amd64", version: `${version}-1`, depends: `${name} (= ${version}-1)` },
    { name, version: `${version}-1`, deb },
  ];
}

const KERNEL_DEB = `${ROOT}/pool/main/linux-image-6.1.9-cloud-amd64_6.1.9-1_amd64.deb`;

let archive: FakeArchive;
let mirror: string;
let cacheDirectory: string;
let notes: string[];
let options: ImageOptions;

beforeEach(async () => {
  archive = new FakeArchive();
  const busybox = { name: "busybox-static", version: "1:1.35.0-4", deb: await makeDeb({ "bin/busybox": BUSYBOX }) };
  addSuite(archive, "bookworm", "amd64", [...(await kernelPackages("6.1.9")), busybox]);
  mirror = await archive.start();
  cacheDirectory = await mkdtemp(join(tmpdir(), "tskvm-test-"));
  notes = [];
  const progress: Progress = { advance() {}, note: (text) => notes.push(text), end() {} };
  options = { mirror, cacheDirectory, progress };
});

afterEach(async () => {
  archive.stop();
  await rm(cacheDirectory, { recursive: true });
});

async function failure(promise: Promise<unknown>): Promise<UserError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(UserError);
  return error as UserError;
}

describe("pulling an image", () => {
  test("brings the kernel and a root; then no network is needed", async () => {
    const image = await resolveImage("debian-cloud", options);
    expect(await readFile(image.kernel)).toEqual(KERNEL);
    expect((await readFile(image.initrd)).includes(BUSYBOX)).toBe(true);
    expect(image).toMatchObject({
      arch: "amd64",
      kernelPackage: "linux-image-6.1.9-cloud-amd64",
      busyboxVersion: "1:1.35.0-4",
    });
    expect(image).not.toHaveProperty("systemMap");
    expect(image.unpackedKernel).toBeUndefined();
    expect(notes.join()).toContain("no signature");
    archive.stop();
    expect(await resolveImage(undefined, options)).toEqual(image);
  });

  test("unpacks a bzImage once, and keeps that beside it", async () => {
    const kernel = packedBzImage(gzipSync(elf(64, 0x100_0000, [{ paddr: 0x100_0000, bytes: Buffer.from("code") }])));
    addSuite(archive, "bookworm-security", "amd64", await kernelPackages("6.1.10", Buffer.from(kernel)));
    const image = await resolveImage("debian-cloud", options);
    const { mtimeMs } = await stat(image.unpackedKernel!);
    expect((await readFile(image.unpackedKernel!)).subarray(-4).toString()).toBe("code");
    expect(await resolveImage("debian-cloud", options)).toEqual(image);
    await pruneImages(options);
    expect((await stat(image.unpackedKernel!)).mtimeMs).toBe(mtimeMs);
    await rm(image.unpackedKernel!);
    expect(await resolveImage("debian-cloud", options)).toEqual(image);
    expect((await readFile(image.unpackedKernel!)).subarray(-4).toString()).toBe("code");
  });

  test("takes the newest version of all suites, but none that asks not to be upgraded to", async () => {
    addSuite(archive, "bookworm-security", "amd64", await kernelPackages("6.1.10"));
    addSuite(archive, "bookworm-updates", "amd64", await kernelPackages("6.12.1"), "NotAutomatic: yes\n");
    expect(await pullImage(undefined, options)).toMatchObject({ kernelVersion: "6.1.10-1" });
  });

  test("a later pull brings a later version; pruning removes the earlier one", async () => {
    const before = await pullImage(undefined, options);
    addSuite(archive, "bookworm-security", "amd64", await kernelPackages("6.1.10"));
    expect(await resolveImage(undefined, options)).toEqual(before);
    const after = await pullImage(undefined, options);
    expect(await pruneImages(options)).toBeGreaterThan(KERNEL.length);
    await expect(stat(before.kernel)).rejects.toThrow(/ENOENT/);
    expect(await resolveImage(undefined, options)).toEqual(after);
    expect(await readFile(after.kernel)).toEqual(KERNEL);
  });

  test("several at once do not disturb each other", async () => {
    const images = await Promise.all(Array.from({ length: 4 }, () => pullImage(undefined, options)));
    for (const image of images) expect(image).toEqual(images[0]);
    expect(await readFile(images[0]!.kernel)).toEqual(KERNEL);
    const left = await readdir(join(cacheDirectory, "images", "debian-cloud"));
    expect(left.filter((name) => name.endsWith(".tmp"))).toEqual([]);
  });

  test("a damaged cache is mended", async () => {
    const image = await pullImage(undefined, options);
    await writeFile(image.kernel, "cut");
    await resolveImage(undefined, options);
    expect(await readFile(image.kernel)).toEqual(KERNEL);
    for (const text of ["{", "null", "{}", '{"format":1}']) {
      await writeFile(join(cacheDirectory, "images", "debian-cloud", "manifest.json"), text);
      expect(await resolveImage(undefined, options)).toEqual(image);
    }
  });

  test("the list says what is cached; removing an image empties it", async () => {
    expect((await listImages(options)).filter((item) => item.cached)).toEqual([]);
    await pullImage(undefined, options);
    const cached = (await listImages(options)).filter((item) => item.cached);
    expect(cached.map((item) => item.name)).toEqual(["debian-cloud"]);
    expect(cached[0]?.cached?.bytes).toBeGreaterThan(KERNEL.length);
    expect(await removeImage("debian-cloud", options)).toBe(true);
    expect(await removeImage("debian-cloud", options)).toBe(false);
  });
});

describe("interrupted downloads", () => {
  test("go on where the connection broke", async () => {
    archive.cuts.set(KERNEL_DEB, { after: 3000, times: 3 });
    const image = await pullImage(undefined, options);
    expect(await readFile(image.kernel)).toEqual(KERNEL);
    expect(archive.requestsFor(".deb from")).toEqual([3000, 6000, 9000].map((at) => `${KERNEL_DEB} from ${at}`));
  });

  test("are kept, and resumed by the next run", async () => {
    archive.cuts.set(KERNEL_DEB, { after: 3000, times: 1 });
    const { end } = hangUpAfter(archive, 1);
    const error = await failure(pullImage(undefined, options));
    expect(error.message).toContain("stopped at 3 kB of");
    expect(error.remedy).toMatch(/run the command again/);
    end();
    await pullImage(undefined, options);
    expect(archive.requestsFor(".deb from").at(-1)).toBe(`${KERNEL_DEB} from 3000`);
  });

  test("start again where the server knows no ranges", async () => {
    archive.ranges = false;
    archive.cuts.set(KERNEL_DEB, { after: 3000, times: 1 });
    expect(await readFile((await pullImage(undefined, options)).kernel)).toEqual(KERNEL);
  });

  test("start again when what was kept does not fit", async () => {
    const directory = join(cacheDirectory, "downloads");
    archive.cuts.set(KERNEL_DEB, { after: 3000, times: 1 });
    const { end } = hangUpAfter(archive, 1);
    await failure(pullImage(undefined, options));
    end();
    const kept = (await readdir(directory)).find((name) => name.startsWith(sha256(archive.files.get(KERNEL_DEB)!)));
    await writeFile(join(directory, kept!), Buffer.alloc(500, 0x55));
    expect(await readFile((await pullImage(undefined, options)).kernel)).toEqual(KERNEL);
    expect(archive.requestsFor(".deb from 500")).toHaveLength(1);
  });

  test("what a dead process left is taken over; what a live one holds is not", async () => {
    const { claimPart } = await import("./debian/part-file.ts");
    const { hostname } = await import("node:os");
    const path = join(cacheDirectory, "a".repeat(64));
    const held = await claimPart(path);
    await writeFile(held, "held");
    const own = await claimPart(path);
    await expect(stat(own)).rejects.toThrow(/ENOENT/);
    await writeFile(`${path}.${hostname()}.${2 ** 22 + 1}.0.part`, "orphan");
    expect(await readFile(await claimPart(path), "utf8")).toBe("orphan");
    expect(await readFile(held, "utf8")).toBe("held");
  });
});

/** From the request after the `count`-th for the kernel on, connections for it break at once. */
function hangUpAfter(server: FakeArchive, count: number): { end: () => void } {
  const get = server.files.get.bind(server.files);
  server.files.get = (path) => {
    if (path === KERNEL_DEB && server.requestsFor(KERNEL_DEB).length > count) {
      server.cuts.set(path, { after: 0, times: 1 });
    }
    return get(path);
  };
  return {
    end() {
      server.files.get = get;
      server.cuts.clear();
    },
  };
}

describe("what is wrong is named", () => {
  test("a package that is not what the index says", async () => {
    const good = archive.files.get(KERNEL_DEB)!;
    const bad = Buffer.from(good);
    bad[5000]! ^= 1;
    archive.files.set(KERNEL_DEB, bad);
    const error = await failure(pullImage(undefined, options));
    expect(error.message).toContain(`checksum mismatch: ${mirror}/pool/main/linux-image`);
    expect(error.message).toContain(sha256(good));
    expect(error.message).toContain(sha256(bad));
    const kept = await readdir(join(cacheDirectory, "downloads"));
    expect(kept.filter((name) => name.startsWith(sha256(good)))).toEqual([]);
    expect(await listImages(options).then((list) => list.some((item) => item.cached))).toBe(false);
  });

  test("a cut-off package", async () => {
    archive.files.set(KERNEL_DEB, archive.files.get(KERNEL_DEB)!.subarray(0, 4000));
    expect((await failure(pullImage(undefined, options))).message).toMatch(/checksum mismatch.*\(4000 bytes\)/);
  });

  test("an index that is not what the release file says", async () => {
    archive.files.set(`${ROOT}/dists/bookworm/main/binary-amd64/Packages.gz`, gzipSync("Package: x\n"));
    expect((await failure(pullImage(undefined, options))).message).toMatch(/checksum mismatch.*Packages\.gz/);
  });

  test("one bad archive of several is passed over, aloud", async () => {
    addSuite(archive, "bookworm-updates", "amd64", []);
    archive.files.set(`${ROOT}/dists/bookworm-updates/main/binary-amd64/Packages.gz`, Buffer.from("x"));
    await pullImage(undefined, options);
    expect(notes.join()).toMatch(/going on without an archive: checksum mismatch.*bookworm-updates/);
  });

  test("a missing package file", async () => {
    archive.files.delete(KERNEL_DEB);
    expect((await failure(pullImage(undefined, options))).message).toMatch(/linux-image-6\.1\.9.* does not exist/);
  });

  test("no such archive, no such architecture, no such name", async () => {
    expect((await failure(pullImage(undefined, { ...options, mirror: `${mirror}/x` }))).message).toMatch(
      /no Debian archive/,
    );
    expect((await failure(pullImage("debian-686", options))).message).toMatch(/no archive has packages for i386/);
    expect((await failure(resolveImage("nix", options))).remedy).toContain(
      "debian-cloud, debian, debian-686-pae, debian-686",
    );
    expect((await failure(resolveImage("debian", { ...options, arch: "i386" }))).message).toContain("amd64, not i386");
  });

  test("a mirror that is not reachable", async () => {
    archive.stop();
    const error = await failure(pullImage(undefined, options));
    expect(error.message).toMatch(/cannot read from 127\.0\.0\.1:\d+: it refuses connections/);
    expect(error.remedy).toContain("--mirror");
  });

  test("a cache that cannot be written", async () => {
    const blocked = join(cacheDirectory, "file");
    await writeFile(blocked, "");
    const error = await failure(pullImage(undefined, { ...options, cacheDirectory: blocked }));
    expect(error.message).toContain("cannot write to the image cache");
    expect(error.remedy).toContain("XDG_CACHE_HOME");
  });

  test("a release file past its time", async () => {
    const path = `${ROOT}/dists/bookworm/Release`;
    const text = archive.files.get(path)!.toString();
    archive.files.set(path, Buffer.from(`Valid-Until: Sat, 28 Nov 2020 00:53:02 UTC\n${text}`));
    expect((await failure(pullImage(undefined, options))).message).toContain("was valid until Sat, 28 Nov 2020");
    await pullImage(undefined, { ...options, mirror: `[check-valid-until=no] ${mirror}` });
  });
});
