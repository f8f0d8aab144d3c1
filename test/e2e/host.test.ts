import { describe, expect, test } from "vitest";
import { hostObstacle } from "../conformance/host-obstacle.ts";
import { debugExit, echoUntil, multibootProgram, print, program, reset, spin, tripleFault } from "../guest/programs.ts";
import { scratchDirectory, tskvm } from "./tskvm.ts";

const files = scratchDirectory();
const run = (...args: string[]) => ["run", "-m", "64M", "--engine", "host", ...args];

describe("machines on the host engine", () => {
  test("output, input and status", async (context) => {
    context.skip(hostObstacle !== undefined, hostObstacle);
    const echo = files.write("echo", program(print("ready\n"), echoUntil("q"), debugExit(0)));
    const result = await tskvm(run("--kernel", echo, "--debug-exit", "--timeout", "15"), { input: "a\x01x\x00\xffbq" });
    expect(result).toEqual({ status: 1, stdout: "ready\na\x01x\x00\xffbq", stderr: "" });
  });

  test("a multiboot kernel gets its command line and modules", async (context) => {
    context.skip(hostObstacle !== undefined, hostObstacle);
    const kernel = files.write("multiboot", multibootProgram(2));
    const module = files.write("module", new TextEncoder().encode("xyz"));
    const result = await tskvm(run("--kernel", kernel, "--append", "a b", "--module", module, "--debug-exit"));
    expect(result).toMatchObject({ status: 5, stderr: "" });
    expect(result.stdout).toMatch(/a bxyz$/);
  });

  test("a reset starts it anew, and a time limit ends what never comes out", async (context) => {
    context.skip(hostObstacle !== undefined, hostObstacle);
    const again = files.write("again", program(print("again\n"), reset));
    const rebooting = await tskvm(run("--kernel", again, "--timeout", "1.5"));
    expect(rebooting.stdout.split("\n").length).toBeGreaterThan(3);
    const endless = files.write("endless", program(print("on\n"), spin));
    expect(await tskvm(run("--kernel", endless, "--timeout", "0.5"))).toMatchObject({ status: 124, stdout: "on\n" });
  });

  test("a triple fault is told with the processor's state", async (context) => {
    context.skip(hostObstacle !== undefined, hostObstacle);
    const { status, stderr } = await tskvm(run("--kernel", files.write("triple", program(tripleFault))));
    expect([status, stderr]).toEqual([1, expect.stringContaining("rip 0000000000100")]);
  });

  test("a named CPU model is what the host has of it, and what it lacks is told", async (context) => {
    context.skip(hostObstacle !== undefined, hostObstacle);
    const kernel = files.write("model", program(print("on\n"), debugExit(0)));
    const { status, stderr } = await tskvm(run("--kernel", kernel, "--debug-exit", "--cpu", "x86-64-v3"));
    expect([status, stderr]).toEqual([
      1,
      expect.stringMatching(/^(warning: the engine "host" lacks features of the CPU model: .*\n)?$/),
    ]);
  });

  test("--stats names the engine and counts no instructions", async (context) => {
    context.skip(hostObstacle !== undefined, hostObstacle);
    const kernel = files.write("hello", program(print("hello\n"), debugExit(0)));
    const { stderr } = await tskvm(run("--kernel", kernel, "--debug-exit", "--stats"));
    expect(stderr).toMatch(/^tskvm: started in [\d.]+ s; ran [\d.]+ s on the host engine, peak memory \d+ MiB\n$/);
  });
});

describe("tskvm doctor", () => {
  test("says of each engine whether it can run, and which one auto takes", async () => {
    const { status, stdout } = await tskvm(["doctor"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^host: (yes|no)/);
    expect(stdout).toMatch(/\nwasm: yes.*\n--engine auto takes (host|wasm)\.\n$/);
  });

  test("--json says the same to programs", async () => {
    const { stdout } = await tskvm(["doctor", "--json"]);
    const { auto, engines } = JSON.parse(stdout);
    const usable = engines.filter((report: { usable: boolean }) => report.usable);
    expect(engines.map((report: { engine: string }) => report.engine)).toEqual(["host", "wasm"]);
    expect(usable[0].engine).toBe(auto);
  });
});
