// What the benchmarks are as commands: their errors, files and the core they are put on.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { UserError } from "../../dist/base/assert.js";
import { lastAllowedCore } from "./host.mjs";

/** Tells the user something beside the report. @param {string} text */
export const say = (text) => process.stderr.write(`${text}\n`);

/**
 * Reads the arguments, and shows the help or runs the benchmark; resolves to the exit status. What the user caused is told
 * without a stack.
 * @template {{ help?: boolean | undefined }} Options
 * @param {string[]} args
 * @param {{ read: (args: string[]) => Options, help: string, run: (options: Options) => Promise<number> }} benchmark
 */
export async function runCommand(args, { read, help, run }) {
  try {
    const options = read(args);
    if (!options.help) return await run(options);
    process.stdout.write(help);
    return 0;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    say(`bench: ${error.message}`);
    if (error.remedy) say(error.remedy);
    return 1;
  }
}

/**
 * Saved anew after every round, so that little is lost when a long series is interrupted. Throws a UserError.
 * @param {string | undefined} path
 * @param {object} result
 */
export function saveResult(path, result) {
  if (path === undefined) return;
  try {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
  } catch (error) {
    throw new UserError(`cannot write ${path}`, String(error), { cause: error });
  }
}

/** A directory that goes when we go, however that is. */
export function temporaryDirectory() {
  const directory = mkdtempSync(join(tmpdir(), "tskvm-bench-"));
  process.once("exit", () => rmSync(directory, { recursive: true, force: true }));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => process.exit(1));
  return directory;
}

/** What puts a command on one core. Throws a UserError without taskset. */
export function pinPrefix() {
  if (spawnSync("taskset", ["--version"]).status !== 0)
    throw new UserError("--pin needs taskset, which is missing", "Install it: apt-get install util-linux");
  return ["taskset", "-c", String(lastAllowedCore())];
}
