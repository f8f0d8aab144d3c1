import { expect, test } from "vitest";
import { machineOptions } from "./run.ts";

const PIPE = { input: false, output: false };
const TERMINAL = { input: true, output: true };

test("a module is its file, and is told its whole text, as QEMU does", () => {
  const { modules } = machineOptions({ module: ["a b  c", "d"] }, [], PIPE);
  expect(modules).toEqual([
    { file: "a", commandLine: "a b  c" },
    { file: "d", commandLine: "d" },
  ]);
});

test("a command reads our input unless that is a terminal", () => {
  expect(machineOptions({ exec: "true" }, [], PIPE).commandInput).toBe(true);
  expect(machineOptions({ exec: "true" }, [], TERMINAL).commandInput).toBe(false);
  expect(machineOptions({}, [], PIPE).commandInput).toBe(false);
});

test.each([
  [{ arch: "vax" }, /--arch vax/],
  [{ engine: "tcg" }, /--engine tcg/],
  [{ cpus: "many" }, /--cpus many/],
  [{ cpus: "0" }, /--cpus 0/],
])("%j is refused", (values, message) => expect(() => machineOptions(values, [], PIPE)).toThrow(message));
