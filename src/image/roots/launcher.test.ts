import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, type TestContext, test } from "vitest";
import { buildLauncher, type Launch } from "./launcher.ts";

const scratch = mkdtempSync(join(tmpdir(), "tskvm-launcher-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const HERE: Launch = {
  root: "/",
  directory: "/",
  uid: 0,
  gid: 0,
  groups: [],
  words: ["true"],
  env: ["PATH=/usr/bin:/bin"],
};

function launch(context: TestContext, what: Partial<Launch>) {
  const isPossible = process.platform === "linux" && ["x64", "ia32"].includes(process.arch) && process.getuid?.() === 0;
  context.skip(!isPossible, "needs root on Linux on x86, for chroot");
  const path = join(scratch, "launch");
  writeFileSync(path, buildLauncher({ ...HERE, ...what }), { mode: 0o755 });
  const { status, stdout, stderr, error } = spawnSync(path, { encoding: "utf8" });
  context.skip(
    (error as NodeJS.ErrnoException | undefined)?.code === "ENOEXEC",
    "needs a kernel that runs i386 programs",
  );
  return { status, stdout, stderr };
}

test("a program gets its words, environment, directory, user and groups as they are", (context) => {
  const script = 'printf "%s|" "$@" "$A" "$PWD" $(id -u) $(id -g) "$(id -G)"; exit 7';
  const result = launch(context, {
    directory: `${scratch}/made/here`,
    uid: 1234,
    gid: 99_999,
    groups: [5, 70_000],
    words: ["sh", "-c", script, "sh", "two words", "", "'\"$\n"],
    env: ["PATH=/nowhere:/usr/bin:/bin", "A=ä b"],
  });
  expect(result).toEqual({
    status: 7,
    stdout: `two words||'"$\n|ä b|${scratch}/made/here|1234|99999|99999 5 70000|`,
    stderr: "",
  });
});

test("what cannot be done ends with docker's status and a line that says what", (context) => {
  expect(launch(context, { words: ["no-such-program"] })).toMatchObject({ status: 127 });
  expect(launch(context, { words: ["/etc/passwd"] })).toMatchObject({
    status: 126,
    stderr: "tskvm: /etc/passwd: permission denied\n",
  });
  expect(launch(context, { root: "/nowhere" })).toMatchObject({ status: 125 });
  expect(launch(context, { directory: "/etc/passwd/x" })).toMatchObject({ status: 126 });
});
