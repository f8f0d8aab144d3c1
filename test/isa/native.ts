import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ROOT } from "./root.ts";

/** A C program of the tests, compiled into a folder of its own. */
export class NativeProgram {
  readonly path: string;
  readonly #directory: string;

  private constructor(directory: string) {
    this.#directory = directory;
    this.path = join(directory, "program");
  }

  /** Compiles a source, a path in the project; a string says why this machine cannot. */
  static build(source: string, flags: readonly string[]): NativeProgram | string {
    const program = new NativeProgram(mkdtempSync(join(tmpdir(), "tskvm-native-")));
    const path = fileURLToPath(new URL(source, ROOT));
    const built = spawnSync("gcc", ["-O2", "-Wall", "-o", program.path, path, ...flags], { encoding: "utf8" });
    if (built.status === 0) return program;
    program.remove();
    return built.error ? `there is no C compiler (${built.error.message})` : `it does not compile:\n${built.stderr}`;
  }

  /** Runs it on `input`; what it wrote to standard output. */
  run(input: Uint8Array, args: readonly string[] = []): Buffer {
    const { status, stdout, stderr, error, signal } = spawnSync(this.path, args, { input, maxBuffer: 1 << 30 });
    if (status !== 0) throw error ?? new Error(`${this.path} ended with ${signal ?? status}: ${stderr}`);
    return stdout;
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true });
  }
}
