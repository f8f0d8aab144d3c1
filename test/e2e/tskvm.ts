import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

/** The built command. */
export const BIN = fileURLToPath(new URL("../../bin/tskvm.js", import.meta.url));

export interface Result {
  /** Exit status; null if a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** Runs the command as a process of its own, with input from a pipe; output is read as Latin-1, byte by byte. */
export async function tskvm(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return finished(start(process.execPath, [BIN, ...args], options));
}

/** Starts a program with pipes. */
export function start(program: string, args: readonly string[], { input = "", env }: RunOptions = {}) {
  const child = spawn(program, args, { env: { ...process.env, ...env }, stdio: "pipe" });
  child.stdin.on("error", () => {});
  child.stdin.end(input, "latin1");
  return child;
}

/** Collects what a process with pipes writes, until it ends. */
export async function finished(child: ChildProcess): Promise<Result> {
  let stdout = "";
  let stderr = "";
  child.stdout!.setEncoding("latin1").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding("latin1").on("data", (text: string) => {
    stderr += text;
  });
  const status = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { status, stdout, stderr };
}

/** A directory for the files of a test file; it is removed at its end. */
export function scratchDirectory() {
  const path = mkdtempSync(join(tmpdir(), "tskvm-test-"));
  afterAll(() => rmSync(path, { recursive: true, force: true }));
  return {
    path,
    /** Writes a file and returns its path. */
    write(name: string, content: Uint8Array | string): string {
      writeFileSync(join(path, name), content);
      return join(path, name);
    },
  };
}
