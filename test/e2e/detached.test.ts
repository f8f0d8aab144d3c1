import { mkdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { needImage } from "./need-image.ts";
import { BIN, finished, scratchDirectory, start, tskvm } from "./tskvm.ts";

const LIFE_MS = 600_000;
const scratch = scratchDirectory();
mkdirSync(join(scratch.path, "state"));
const env = { XDG_STATE_HOME: join(scratch.path, "state") };

afterAll(() => tskvm(["rm", "-f", "box", "other"], { env }));

/** A command that must end well and say nothing else; returns its output. */
async function run(args: readonly string[], input?: string): Promise<string> {
  const { status, stdout, stderr } = await tskvm(args, { env, input });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout;
}

/** A command that must fail; returns its message. */
async function refused(...args: string[]): Promise<string> {
  const { status, stderr } = await tskvm(args, { env });
  expect(status).toBe(1);
  expect(stderr).not.toMatch(/^\s+at .*:\d+/m);
  return stderr;
}

const state = async () => JSON.parse(await run(["inspect", "box"]))[0];

test("a machine runs by itself, is worked in, ends and starts again", { timeout: LIFE_MS }, async (context) => {
  await needImage(context, "amd64", { modules: true });
  const command = "echo begun $A; pwd; until [ -e /tmp/end ]; do sleep 0.2; done; echo over; exit 5";
  await tskvm(["run", "-d", "--name", "box", "-e", "A=it's", "-w", "/bin", "--exec", command], { env });
  expect(JSON.parse(await run(["ps", "--json"]))).toMatchObject([{ name: "box", state: "running" }]);
  expect(statSync(join(env.XDG_STATE_HOME, "tskvm/machines/box")).mode & 0o777).toBe(0o700);
  expect(await refused("run", "-d", "--name", "box")).toMatch(/there is a machine "box"/);
  expect(await run(["exec", "-i", "box", "tr", "a-z", "A-Z"], "through\n")).toBe("THROUGH\n");
  const failed = [
    "exec",
    "-e",
    "B=1 2",
    "-w",
    "/tmp",
    "-u",
    "nobody",
    "box",
    "sh",
    "-c",
    "pwd; id -un; echo $B >&2; exit 3",
  ];
  expect(await tskvm(failed, { env })).toEqual({ status: 3, stdout: "/tmp\nnobody\n", stderr: "1 2\n" });
  const file = scratch.write("file", "content\n");
  await run(["cp", file, "box:/tmp"]);
  await run(["cp", "box:/tmp/file", join(scratch.path, "copy")]);
  expect(readFileSync(join(scratch.path, "copy"), "utf8")).toBe("content\n");
  expect(JSON.parse(await run(["stats", "--json"]))).toMatchObject([{ name: "box", engine: "wasm" }]);
  expect(await refused("rm", "box")).toMatch(/box is running/);
  const following = finished(start(process.execPath, [BIN, "logs", "-f", "box"], { env }));
  await run(["exec", "box", "touch", "/tmp/end"]);
  expect(await following).toMatchObject({ status: 0, stdout: "begun it's\n/bin\nover\n" });
  expect(await state()).toMatchObject({ state: "exited", exitCode: 5 });
  expect(await refused("exec", "box", "true")).toMatch(/not running/);

  await tskvm(["start", "box"], { env });
  process.kill((await state()).pid, "SIGKILL");
  await expect.poll(async () => (await state()).state, { timeout: 20_000 }).toBe("dead");
  await tskvm(["start", "box"], { env });
  await run(["exec", "box", "true"]);
  await run(["stop", "box"]);
  expect(await state()).toMatchObject({ state: "exited" });
  await run(["rm", "box"]);
  expect(await run(["ps", "-aq"])).toBe("");
});

test("what does not start leaves nothing behind, and what is not there is said", async () => {
  expect(await refused("run", "-d", "--name", "other", "--kernel", "/nowhere")).toMatch(/cannot read the kernel/);
  expect(await run(["ps", "-aq"])).not.toContain("other");
  expect(await refused("logs", "other")).toMatch(/there is no machine "other"/);
  expect(await refused("stop", "../other")).toMatch(/is no name of a machine/);
  expect(await refused("exec", "other")).toMatch(/needs a machine and a command/);
});
