import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { tskvm } from "./tskvm.ts";

const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));

test("--version tells the package's version", async () => {
  expect(await tskvm(["--version"])).toEqual({ status: 0, stdout: `tskvm ${version}\n`, stderr: "" });
});

describe("help goes to standard output, with examples", () => {
  test.each([
    [[], /tskvm run --exec 'uname -a'/],
    [["--help"], /Commands:[\s\S]*run[\s\S]*images/],
    [["run", "--help"], /--debug-exit[\s\S]*Examples:[\s\S]*tskvm run --kernel/],
    [["run", "--kernel", "x", "-h"], /--debug-exit/],
    [["run", "--cpu", "help"], /Models:[\s\S]*x86-64-v2.*\(default\)[\s\S]*host[\s\S]*Features:[\s\S]*sse4_2/],
    [["help", "images"], /Actions:[\s\S]*prune[\s\S]*Examples:/],
  ])("%j", async (args, expected) => {
    const { status, stdout, stderr } = await tskvm(args);
    expect(stdout).toMatch(expected);
    expect([status, stderr]).toEqual([0, ""]);
    for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(88);
  });
});
