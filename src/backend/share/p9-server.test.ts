import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NO_FID, P9Client, ROOT } from "../../../test/device/p9-client.ts";
import { Random } from "../../../test/isa/random.ts";
import { P9, P9_DOTL, SETATTR } from "../../spec/virtio/p9.ts";
import { P9Server } from "./p9-server.ts";
import { openFolder } from "./shared-folder.ts";

const { ENOENT, EROFS, EINVAL, ENOTDIR, EEXIST, EBADF, EPERM, ELOOP, EMFILE, EOPNOTSUPP, ENOTEMPTY } = constants.errno;
const SECRET = "what nobody in the guest may see";
const { WRONLY, RDWR, EXCL, AT_REMOVEDIR } = P9_DOTL;

let top = "";
const servers: P9Server[] = [];
const inside = (...names: string[]) => join(top, "shared", ...names);
const outside = (...names: string[]) => join(top, "outside", ...names);

beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), "tskvm-9p-")));
  mkdirSync(inside("sub/deep"), { recursive: true });
  mkdirSync(outside());
  writeFileSync(outside("secret"), SECRET);
  writeFileSync(inside("file"), "content");
  writeFileSync(inside("sub/other"), "other");
  symlinkSync("../outside", inside("way"));
  symlinkSync(outside("secret"), inside("link"));
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
  rmSync(top, { recursive: true });
});

function serve(readOnly = false) {
  const server = new P9Server(openFolder(inside()), readOnly);
  servers.push(server);
  const client = new P9Client(server);
  client.attach();
  return { client, server };
}

/** The number of the error that a request ends with. */
function errorOf(request: () => unknown): number {
  try {
    request();
  } catch (error) {
    if (typeof error === "number") return error;
    throw error;
  }
  return 0;
}

describe("a shared folder", () => {
  test("shows names, in as many pieces as it takes, and what is in files", () => {
    const { client } = serve();
    expect(client.walk(ROOT, 1)).toBe(0);
    client.open(1, 0);
    expect(client.names(1).sort()).toEqual([".", "..", "file", "link", "sub", "way"]);
    expect(client.walk(ROOT, 2, "sub", "other")).toBe(2);
    client.open(2, 0);
    expect([client.read(2), client.read(2, 2, 2), client.read(2, 100)]).toEqual(["other", "he", ""]);
    expect(errorOf(() => client.write(2, "no"))).toBe(EBADF);
  });

  test("takes new files, directories, links and names", () => {
    const { client } = serve();
    client.walk(ROOT, 1);
    client.create(1, "new", RDWR, 0o4751);
    expect([client.write(1, "one"), client.write(1, "two", 3), client.read(1)]).toEqual([3, 3, "onetwo"]);
    expect(statSync(inside("new")).mode & 0o7777).toBe(0o751);
    client.fields(P9.TMKDIR, ROOT, "dir", 0o700, 0);
    client.walk(ROOT, 2, "dir");
    client.fields(P9.TRENAMEAT, ROOT, "new", 2, "moved");
    client.fields(P9.TLINK, ROOT, 1, "again");
    client.fields(P9.TSYMLINK, 2, "sym", "anything/../at all", 0);
    expect(readFileSync(inside("dir/moved"), "utf8")).toBe("onetwo");
    expect(statSync(inside("again")).ino).toBe(statSync(inside("dir/moved")).ino);
    expect(readlinkSync(inside("dir/sym"))).toBe("anything/../at all");
    expect(errorOf(() => client.fields(P9.TUNLINKAT, ROOT, "dir", AT_REMOVEDIR))).toBe(ENOTEMPTY);
    for (const name of ["moved", "sym"]) client.fields(P9.TUNLINKAT, 2, name, 0);
    client.fields(P9.TUNLINKAT, ROOT, "dir", AT_REMOVEDIR);
    expect(existsSync(inside("dir"))).toBe(false);
  });

  test("a file that is there is opened by a create unless that is excluded", () => {
    const { client } = serve();
    for (const fid of [1, 2]) client.walk(ROOT, fid);
    client.create(1, "file", RDWR);
    expect(client.read(1)).toBe("content");
    expect(errorOf(() => client.create(2, "file", RDWR | EXCL))).toBe(EEXIST);
    expect(errorOf(() => client.create(2, "link", RDWR))).toBe(EPERM);
    expect(readFileSync(outside("secret"), "utf8")).toBe(SECRET);
  });

  test("tells and takes sizes, permissions and times", () => {
    const { client } = serve();
    client.walk(ROOT, 1, "file");
    client.ask(P9.TSETATTR, (request) => {
      const { MODE, SIZE, MTIME, MTIME_SET } = SETATTR;
      for (const value of [1, MODE | SIZE | MTIME | MTIME_SET, 0o6604, 0, 0]) request.u32(value);
      for (const value of [3, 0, 0, 1000, 500_000_000]) request.u64(value);
    });
    const { mode, size, mtimeMs } = statSync(inside("file"));
    expect([mode & 0o7777, size, mtimeMs]).toEqual([0o604, 3, 1_000_500]);
    const reply = client.fields(P9.TGETATTR, 1, 0xffff_ffff, 0);
    reply.bytes(8 + 13);
    expect([reply.u32() & 0o7777, reply.u32(), reply.u32(), reply.u64()]).toEqual([0o604, 0, 0, 1]);
    reply.bytes(8);
    expect(reply.u64()).toBe(3);
    reply.bytes(8 * 4);
    expect([reply.u64(), reply.u64()]).toEqual([1000, 500_000_000]);
  });

  test("only to read, is not changed", () => {
    const { client } = serve(true);
    client.walk(ROOT, 1, "file");
    client.walk(ROOT, 2);
    const attempts = [
      () => client.open(1, WRONLY),
      () => client.open(1, P9_DOTL.TRUNC),
      () => client.create(2, "new", RDWR),
      () => client.fields(P9.TMKDIR, ROOT, "new", 0o755, 0),
      () => client.fields(P9.TSYMLINK, ROOT, "new", "x", 0),
      () => client.fields(P9.TLINK, ROOT, 1, "new"),
      () => client.fields(P9.TRENAMEAT, ROOT, "file", ROOT, "new"),
      () => client.fields(P9.TUNLINKAT, ROOT, "file", 0),
      () => client.fields(P9.TSETATTR, 1, SETATTR.MODE, 0, 0, 0, 0, 0),
    ];
    expect(attempts.map(errorOf)).toEqual(attempts.map(() => EROFS));
    client.open(1, 0);
    expect(client.read(1)).toBe("content");
    expect(readdirSync(inside()).sort()).toEqual(["file", "link", "sub", "way"]);
  });
});

describe("there is no way out of a shared folder", () => {
  test("by dots", () => {
    const { client } = serve();
    expect(client.walk(ROOT, 1, "sub", "deep", "..", "..", "..", "..", "sub", "other")).toBe(8);
    expect(client.walk(ROOT, 2, "..", "..")).toBe(2);
    client.open(2, 0);
    expect(client.names(2)).toContain("file");
    for (const name of ["../outside", "..", ".", "", "sub/other", "/", "a\0b"])
      expect(errorOf(() => client.fields(P9.TMKDIR, ROOT, name, 0o755, 0))).toBe(EINVAL);
    expect(errorOf(() => client.walk(ROOT, 3, "../outside"))).toBe(EINVAL);
    expect(errorOf(() => client.fields(P9.TRENAMEAT, ROOT, "file", ROOT, "../file"))).toBe(EINVAL);
    expect(errorOf(() => client.fields(P9.TUNLINKAT, ROOT, "../outside/secret", 0))).toBe(EINVAL);
  });

  test("by symbolic links: they are files of their own kind", () => {
    const { client } = serve();
    expect(client.walk(ROOT, 1, "way", "secret")).toBe(1);
    client.walk(ROOT, 2, "way");
    client.walk(ROOT, 3, "link");
    expect(client.fields(P9.TREADLINK, 2).string().toString()).toBe("../outside");
    expect([2, 3].map((fid) => errorOf(() => client.open(fid, 0)))).toEqual([EPERM, EPERM]);
    expect(errorOf(() => client.walk(2, 4, "secret"))).toBe(ENOTDIR);
    expect(errorOf(() => client.fields(P9.TMKDIR, 2, "new", 0o755, 0))).toBe(ENOTDIR);
    expect(errorOf(() => client.fields(P9.TUNLINKAT, 2, "secret", 0))).toBe(ENOTDIR);
    const setSize = () => client.fields(P9.TSETATTR, 3, SETATTR.SIZE, 0, 0, 0, 0, 0, ...Array(8).fill(0));
    expect(errorOf(setSize)).toBe(EINVAL);
    const { mode } = statSync(outside("secret"));
    expect([0, EOPNOTSUPP, ELOOP]).toContain(
      errorOf(() => client.fields(P9.TSETATTR, 3, SETATTR.MODE, 0o777, 0, 0, ...Array(10).fill(0))),
    );
    expect(statSync(outside("secret")).mode).toBe(mode);
    client.fields(P9.TLINK, ROOT, 3, "hard");
    expect(lstatSync(inside("hard")).isSymbolicLink()).toBe(true);
  });

  test("by a directory that becomes a link behind the guest's back", () => {
    const { client } = serve();
    client.walk(ROOT, 1, "sub");
    renameSync(inside("sub"), inside("aside"));
    symlinkSync("../outside", inside("sub"));
    expect(client.walk(1, 2, "other")).toBe(1);
    expect(errorOf(() => client.walk(1, 3, "secret"))).toBe(ENOENT);
    expect(client.walk(ROOT, 4, "sub", "secret")).toBe(1);
    client.walk(ROOT, 5);
    client.open(2, 0);
    expect(client.read(2)).toBe("other");
  });

  test("by what was moved out: its parent is not there any more", () => {
    const { client } = serve();
    client.walk(ROOT, 1, "sub", "deep");
    client.walk(ROOT, 2, "file");
    renameSync(inside("sub"), outside("sub"));
    renameSync(inside("file"), outside("file"));
    expect(errorOf(() => client.walk(1, 3, ".."))).toBe(ENOENT);
    expect(errorOf(() => client.fields(P9.TLINK, ROOT, 2, "back"))).toBe(ENOENT);
  });
});

test("a guest holds so many fids and no more, and a new version gives them back", () => {
  const { client } = serve();
  const walkMany = () => {
    for (let fid = 1; ; fid++) {
      const error = errorOf(() => client.walk(ROOT, fid));
      if (error !== 0) return [fid, error];
    }
  };
  const before = readdirSync("/proc/self/fd").length;
  expect(walkMany()).toEqual([4096, EMFILE]);
  client.attach();
  expect(readdirSync("/proc/self/fd").length).toBe(before);
  expect(errorOf(() => client.walk(7, 8))).toBe(EBADF);
  expect(errorOf(() => client.fields(P9.TATTACH, ROOT, NO_FID, "", "", 0))).toBe(EBADF);
  expect(client.send(255, () => {})).toMatchObject({ type: P9.RLERROR });
});

/** Fields of requests: bytes of numbers, s for a string. [9p2000, diod protocol.md] */
const SHAPES: { readonly [type: number]: string } = {
  [P9.TLOPEN]: "44",
  [P9.TLCREATE]: "4s444",
  [P9.TSYMLINK]: "4ss4",
  [P9.TREADLINK]: "4",
  [P9.TGETATTR]: "48",
  [P9.TSETATTR]: "4444488888",
  [P9.TREADDIR]: "484",
  [P9.TLINK]: "44s",
  [P9.TMKDIR]: "4s44",
  [P9.TRENAMEAT]: "4s4s",
  [P9.TUNLINKAT]: "4s4",
  [P9.TWALK]: "442ss",
  [P9.TREAD]: "484",
  [P9.TWRITE]: "484",
};

const SEED = Number(process.env.SEED ?? 9_2000);
const COUNT = Number(process.env.COUNT ?? 20_000);

test(`random messages neither throw, nor read or write outside, seed ${SEED}`, { timeout: 600_000 }, () => {
  console.log(`seed ${SEED}, ${COUNT} messages (SEED=n COUNT=n take others)`);
  const random = new Random(SEED);
  const next = (below: number) => random.below(below);
  const { server } = serve();
  const types = Object.values(P9).filter((type) => type !== P9.TFSYNC);
  const names = ["..", ".", "", "way", "link", "sub", "file", "other", "deep", "secret", "../outside", "/", "n\0"];
  const reply = new Uint8Array(server.longest);
  const before = [statSync(outside()).mtimeMs, statSync(outside("secret")).mode, lstatSync(top).mtimeMs];
  for (let n = 0; n < COUNT; n++) {
    const body: number[] = [];
    const number = (size: number) => {
      const value = [next(5), next(5), next(5), next(256), 0xff, 0][next(6)]!;
      body.push(value, ...Array(size - 1).fill(next(40) === 0 ? 0xff : 0));
    };
    const type = next(30) === 0 ? next(256) : types[next(types.length)]!;
    const shape = next(4) === 0 ? undefined : SHAPES[type];
    for (const field of shape ?? Array.from({ length: next(9) }, () => "124448ssss"[next(10)]!)) {
      if (field !== "s") number(Number(field));
      else {
        const name = [...Buffer.from(names[next(names.length)]!)];
        body.push(next(50) === 0 ? 255 : name.length, 0, ...name);
      }
    }
    const request = Uint8Array.from([body.length + 7, 0, 0, 0, type, 1, 0, ...body]);
    const length = server.respond(request, reply.subarray(0, next(20) === 0 ? 11 + next(20) : reply.length));
    expect(Buffer.from(reply.buffer, 0, length).includes(SECRET)).toBe(false);
    if (n % 50 === 0) new P9Client(server).attach();
    if (n % 500 === 0) restore();
  }
  expect([statSync(outside()).mtimeMs, statSync(outside("secret")).mode, lstatSync(top).mtimeMs]).toEqual(before);
  expect(readFileSync(outside("secret"), "utf8")).toBe(SECRET);
});

/** Puts back what random requests have removed. */
function restore(): void {
  for (const name of ["way", "link"]) rmSync(inside(name), { recursive: true, force: true });
  symlinkSync("../outside", inside("way"));
  symlinkSync(outside("secret"), inside("link"));
  if (!existsSync(inside("sub/deep"))) {
    rmSync(inside("sub"), { recursive: true, force: true });
    mkdirSync(inside("sub/deep"), { recursive: true });
  }
}
