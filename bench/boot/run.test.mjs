import { expect, test } from "vitest";
import { initLine, shellLine } from "./guest.mjs";
import { measureBoot } from "./run.mjs";

/** @param {string} script */
const emulator = (script) => [process.execPath, "-e", script];
const comesUp = `console.log(${JSON.stringify(`${initLine}\n${shellLine}`)});`;
const options = { timeoutSeconds: 10, stats: false };

test("a guest that comes up is measured, and ended", async () => {
  const measured = await measureBoot(emulator(`${comesUp} setInterval(() => {}, 1000)`), options);
  expect(measured.failure).toBeUndefined();
  expect(measured.initSeconds).toBeGreaterThan(0);
  expect(measured.shellSeconds).toBeGreaterThanOrEqual(measured.initSeconds ?? Number.NaN);
  expect(measured.peakBytes).toBeGreaterThan(2 ** 20);
  expect(measured.processorSeconds).toBeGreaterThanOrEqual(0);
});

test("a guest that powers off when it is sent a line has its instructions counted", async () => {
  const script = `${comesUp} process.stdin.once("data", () => {
    console.error("tskvm: started in 0.30 s; ran 5.50 s on the wasm engine, 300.1 million instructions, 54.6 million a second, peak memory 90 MiB");
    process.exit();
  })`;
  const measured = await measureBoot(emulator(script), { ...options, stats: true });
  expect(measured).toMatchObject({ instructions: 300_100_000, instructionSeconds: 5.5 });
});

test("a guest that powers off without an account of its instructions keeps its time, but failed", async () => {
  const script = `${comesUp} process.stdin.once("data", () => process.exit(1))`;
  const measured = await measureBoot(emulator(script), { ...options, stats: true });
  expect(measured.shellSeconds).toBeGreaterThan(0);
  expect(measured.failure).toMatch(/^after the shell: ended with status 1/);
});

test("an emulator that ends early fails with its status and its last words", async () => {
  const { failure, shellSeconds } = await measureBoot(
    emulator(`console.error("no such kernel"); process.exit(3)`),
    options,
  );
  expect(failure).toBe("ended with status 3; no such kernel");
  expect(shellSeconds).toBeUndefined();
});

test("an emulator that cannot be started fails", async () => {
  expect((await measureBoot(["/nonexistent/emulator"], options)).failure).toContain("ENOENT");
});

test("a guest that never comes up fails at the time limit with the end of its console", async () => {
  const script = `console.log("Kernel panic"); setInterval(() => {}, 1000)`;
  const { failure } = await measureBoot(emulator(script), { timeoutSeconds: 1, stats: false });
  expect(failure).toBe("no shell within 1 s; Kernel panic");
});
