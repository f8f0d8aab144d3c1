import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { filesBelow, fingerprint, root } from "./files.mjs";
import { isInstalled } from "./install.mjs";
import { withLock } from "./lock.mjs";
import { isUpToDate, runStep } from "./stamp.mjs";

let base = "";
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "tskvm-build-"));
});
afterEach(() => rmSync(base, { recursive: true }));

/** @param {string} path @param {string} text */
function write(path, text) {
  mkdirSync(dirname(join(base, path)), { recursive: true });
  writeFileSync(join(base, path), text);
}

describe("a build step", () => {
  /** @param {number} status */
  const copyStep = (status = 0) => ({
    name: "copy",
    inputs: () => ["in"],
    outputs: () => ["out"],
    run: async () => {
      write("out", readFileSync(join(base, "in"), "utf8"));
      return status;
    },
  });

  beforeEach(() => write("in", "a"));

  test("runs once, and again when an input's content changes", async () => {
    const step = copyStep();
    expect(isUpToDate(step, base)).toBe(false);
    await runStep(step, base);
    expect(isUpToDate(step, base)).toBe(true);
    utimesSync(join(base, "in"), 0, 0);
    expect(isUpToDate(step, base)).toBe(true);
    write("in", "b");
    expect(isUpToDate(step, base)).toBe(false);
  });

  test("runs again when an output or the lock file's content is gone", async () => {
    const step = copyStep();
    await runStep(step, base);
    rmSync(join(base, "out"));
    expect(isUpToDate(step, base)).toBe(false);
    await runStep(step, base);
    write("package-lock.json", "{}");
    expect(isUpToDate(step, base)).toBe(false);
  });

  test("that failed or was interrupted runs again", async () => {
    await runStep(copyStep(), base);
    await expect(runStep(copyStep(1), base)).rejects.toThrow('"copy" failed');
    expect(isUpToDate(copyStep(), base)).toBe(false);
    const interrupted = { ...copyStep(), run: () => Promise.reject(new Error("interrupted")) };
    await runStep(copyStep(), base);
    await expect(runStep(interrupted, base)).rejects.toThrow("interrupted");
    expect(isUpToDate(copyStep(), base)).toBe(false);
  });

  test("that makes no output fails", async () => {
    const step = { ...copyStep(), run: async () => 0 };
    await expect(runStep(step, base)).rejects.toThrow("made no out");
  });
});

describe("installed packages", () => {
  /** @param {string} path @param {object} packages */
  const lock = (path, packages) => write(path, JSON.stringify({ packages: { "": {}, ...packages } }));
  const wanted = { "node_modules/a": { version: "1.0.0" }, "node_modules/b": { version: "2.0.0", optional: true } };

  beforeEach(() => lock("package-lock.json", wanted));

  test.each([
    ["nothing", undefined, false],
    ["everything", wanted, true],
    ["all but an optional package", { "node_modules/a": { version: "1.0.0" } }, true],
    ["another version", { "node_modules/a": { version: "1.0.1" } }, false],
    ["another version of an optional package", { ...wanted, "node_modules/b": { version: "1.0.0" } }, false],
    ["too little", { "node_modules/b": { version: "2.0.0" } }, false],
  ])("with %s in node_modules", (_name, present, expected) => {
    if (present) lock("node_modules/.package-lock.json", present);
    expect(isInstalled(base)).toBe(expected);
  });

  test("with a torn record", () => {
    write("node_modules/.package-lock.json", '{ "packages": {');
    expect(isInstalled(base)).toBe(false);
  });
});

test("a fingerprint tells names, contents and absence apart", () => {
  write("a", "xy");
  write("b", "");
  const all = [["a"], ["b"], ["a", "b"], ["c"]].map((paths) => fingerprint(paths, base));
  expect(new Set(all).size).toBe(4);
  expect(filesBelow(".", () => true, base)).toEqual(["a", "b"]);
});

describe("the lock", () => {
  test("lets one in at a time and opens on failure", async () => {
    const path = join(base, "lock");
    /** @type {string[]} */
    const log = [];
    const action = (/** @type {string} */ name) => async () => {
      log.push(`${name} in`);
      await new Promise((resolve) => setTimeout(resolve, 20));
      log.push(`${name} out`);
      throw new Error(name);
    };
    await Promise.allSettled([withLock(action("a"), path), withLock(action("b"), path)]);
    expect(log).toEqual(["a in", "a out", "b in", "b out"]);
    expect(existsSync(path)).toBe(false);
  });

  test("is taken over from a dead process", async () => {
    const { pid } = spawnSync(process.execPath, ["--version"]);
    write("lock", String(pid));
    expect(await withLock(async () => "ran", join(base, "lock"))).toBe("ran");
  });
});

test("npm says nothing of its own on standard output", { timeout: 120_000 }, () => {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("npm_")));
  const { stdout, error } = spawnSync("npm", ["run", "build"], { cwd: root, env, encoding: "utf8" });
  expect(error).toBeUndefined();
  expect(stdout).toBe("");
});
