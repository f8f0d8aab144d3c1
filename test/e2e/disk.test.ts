import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { scratchDirectory, tskvm } from "./tskvm.ts";

const scratch = scratchDirectory();
const at = (name: string) => join(scratch.path, name);
const MIB = 1024 * 1024;

/** A command that must end well; returns its output. */
async function disk(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await tskvm(["disk", ...args]);
  expect([status, stderr]).toEqual([0, ""]);
  return stdout;
}

/** A command that must fail; returns its message. */
async function refused(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await tskvm(["disk", ...args]);
  expect([status, stdout]).toEqual([1, ""]);
  expect(stderr).not.toMatch(/^\s+at .*:\d+/m);
  return stderr;
}

test("a raw image becomes qcow2, an overlay of it changes, and is committed into it", async () => {
  const content = Buffer.alloc(3 * MIB);
  content.fill("tskvm", MIB, 2 * MIB);
  writeFileSync(at("a.raw"), content);
  await tskvm(["disk", "convert", "-c", at("a.raw"), at("a.qcow2")]);
  await disk("create", "-b", "a.qcow2", at("b.qcow2"));
  const [info] = JSON.parse(await disk("info", "--json", at("b.qcow2")));
  expect(info).toMatchObject({ format: "qcow2", size: 3 * MIB, backingFile: "a.qcow2", backingFormat: "qcow2" });
  await disk("resize", at("b.qcow2"), "+1M");
  await tskvm(["disk", "commit", at("b.qcow2")]);
  await tskvm(["disk", "convert", "-f", "raw", at("a.qcow2"), at("c.raw")]);
  expect(Buffer.compare(readFileSync(at("c.raw")), Buffer.concat([content, Buffer.alloc(MIB)]))).toBe(0);
  expect(await disk("check", at("a.qcow2"))).toContain("no errors");
});

test("snapshots are made, listed, applied and deleted", async () => {
  await disk("create", at("s.qcow2"), "64M");
  await disk("snapshot", at("s.qcow2"), "create", "clean");
  expect(await disk("snapshot", at("s.qcow2"))).toMatch(/^1\tclean\t\d{4}-/);
  await disk("snapshot", at("s.qcow2"), "apply", "clean");
  await disk("snapshot", at("s.qcow2"), "delete", "clean");
  expect(await disk("snapshot", at("s.qcow2"))).toBe("");
  expect(await refused("snapshot", at("s.qcow2"), "apply", "clean")).toMatch(/no snapshot "clean"/);
});

test("what cannot be is refused, and leaves nothing behind", async () => {
  await disk("create", at("x.qcow2"), "1M");
  expect(await refused("create", at("x.qcow2"), "1M")).toMatch(/is there already/);
  expect(await refused("create", at("y.qcow2"))).toMatch(/needs a size/);
  expect(await refused("create", "-b", "none.qcow2", at("y.qcow2"))).toMatch(/none.qcow2 does not exist/);
  expect(await refused("create", "--cluster-size", "3000", at("y.qcow2"), "1M")).toMatch(/power of two/);
  expect(await refused("create", at("y.qcow2"), "1X")).toMatch(/no size/);
  expect(await refused("resize", at("x.qcow2"), "512K")).toMatch(/--shrink/);
  expect(await refused("convert", at("x.qcow2"), at("x.qcow2"))).toMatch(/is there already/);
  expect(await refused("convrt", at("x.qcow2"))).toMatch(/Did you mean convert/);
  expect(existsSync(at("y.qcow2"))).toBe(false);
});

test("an image that another process writes to is not opened", async () => {
  await disk("create", at("l.qcow2"), "1M");
  const script = `
    const { lockFile } = await import(${JSON.stringify(join(process.cwd(), "dist/backend/block/file-lock.js"))});
    lockFile(process.argv[1]);
    console.log(process.pid);
    if (process.argv[2] === "die") process.kill(process.pid, "SIGKILL");
    const { status } = (await import("node:child_process")).spawnSync(process.execPath, process.argv.slice(2), { stdio: "inherit" });
    process.exit(status);
  `;
  const holder = (...args: string[]) =>
    spawnSync(process.execPath, ["--input-type=module", "-e", script, at("l.qcow2"), ...args], { encoding: "utf8" });
  const resize = [join(process.cwd(), "bin/tskvm.js"), "disk", "resize", at("l.qcow2"), "2M"];
  const held = holder(...resize);
  expect([held.status, held.stderr]).toEqual([1, expect.stringMatching(/is in use: process \d+ writes to it/)]);
  expect(holder("die").signal).toBe("SIGKILL");
  expect(existsSync(at("l.qcow2.lock"))).toBe(true);
  await disk("resize", at("l.qcow2"), "2M");
  expect(existsSync(at("l.qcow2.lock"))).toBe(false);
});
