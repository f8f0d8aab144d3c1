import { expect, test } from "vitest";
import { debugExit, echoUntil, multibootProgram, print, program, reset, spin } from "../guest/programs.ts";
import { BIN, finished, scratchDirectory, start, tskvm } from "./tskvm.ts";

const files = scratchDirectory();
const hello = files.write("hello", program(print("hello\r\n\x00\xff"), debugExit(3)));
const echo = files.write("echo", program(print("ready\n"), echoUntil("q"), debugExit(0)));
const again = files.write("again", program(print("again\n"), reset));
const endless = files.write("endless", program(print("on\n"), spin));

const run = (...args: string[]) => ["run", "-m", "64M", "--engine", "wasm", ...args];

test("the guest's output is standard output, byte for byte, and the debug-exit port's value makes the status", async () => {
  const result = await tskvm(run("--kernel", hello, "--debug-exit"));
  expect(result).toEqual({ status: (3 << 1) | 1, stdout: "hello\r\n\x00\xc3\xbf", stderr: "" });
});

test("a multiboot kernel gets its command line and modules", async () => {
  const kernel = files.write("multiboot", multibootProgram(2));
  const module = files.write("module", new TextEncoder().encode("xyz"));
  const result = await tskvm(run("--kernel", kernel, "--append", "a b", "--module", module, "--debug-exit"));
  expect(result).toMatchObject({ status: 5, stderr: "" });
  expect(result.stdout).toMatch(/a bxyz$/);
});

test("without --debug-exit there is nothing at that port", async () => {
  const { status } = await tskvm(run("--kernel", hello, "--timeout", "0.5"));
  expect(status).not.toBe(7);
});

test("input of a pipe reaches the guest untouched, Ctrl-A too, and its end ends nothing", async () => {
  const result = await tskvm(run("--kernel", echo, "--debug-exit", "--timeout", "15"), { input: "a\x01x\x00\xffbq" });
  expect(result).toEqual({ status: 1, stdout: "ready\na\x01x\x00\xffbq", stderr: "" });
});

test("a reset starts the machine anew; with --no-reboot it ends it", async () => {
  const rebooting = await tskvm(run("--kernel", again, "--timeout", "1.5"));
  expect(rebooting.stdout.split("\n").length).toBeGreaterThan(3);
  expect(await tskvm(run("--kernel", again, "--no-reboot"))).toEqual({ status: 0, stdout: "again\n", stderr: "" });
});

test("--timeout ends it with timeout(1)'s status and says so", async () => {
  const { status, stdout, stderr } = await tskvm(run("--kernel", endless, "--timeout", "0.5"));
  expect([status, stdout]).toEqual([124, "on\n"]);
  expect(stderr).toMatch(/0.5 seconds are over/);
});

test("--stats tells time, instructions, memory and what was compiled", async () => {
  const { stderr } = await tskvm(run("--kernel", hello, "--debug-exit", "--stats"));
  expect(stderr).toMatch(
    /^tskvm: started in [\d.]+ s; ran [\d.]+ s on the wasm engine, [\d.]+ million instructions, [\d.]+ million a second, peak memory \d+ MiB\ntskvm: of \d+ regions .*\n$/,
  );
});

test("it ends quietly when nobody reads its output any more", async () => {
  const child = start(process.execPath, [BIN, ...run("--kernel", again, "--timeout", "15")]);
  child.stdout.once("data", () => child.stdout.destroy());
  const { status, stderr } = await finished(child);
  expect([status, stderr]).toEqual([128 + 13, ""]);
});

test("a signal ends it as it ends other programs", async () => {
  const child = start(process.execPath, [BIN, ...run("--kernel", endless, "--timeout", "15")]);
  child.stdout.once("data", () => child.kill("SIGTERM"));
  const signal = new Promise((resolve) => child.on("exit", (_status, name) => resolve(name)));
  await finished(child);
  expect(await signal).toBe("SIGTERM");
});
