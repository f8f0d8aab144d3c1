import { createRequire } from "node:module";
import { UserError } from "../base/assert.ts";
import { nearest } from "../base/nearest.ts";
import { type CommandLine, type OptionSpec, type OptionTable, parseCommandLine } from "./command-line.ts";
import { COMMANDS, type CommandSpec, DISK, DOCTOR, GLOBAL_OPTIONS, IMAGES, RUN } from "./commands.ts";
import { type Ending, printError, printFailure, STATUS_ERROR } from "./ending.ts";
import { commandHelp, programHelp } from "./help.ts";
import { CP, EXEC, INSPECT, KILL, LOGS, PORT, PS, RM, START, STATS, STOP } from "./machine-commands.ts";

/** Reads a command's arguments and runs it; what it needs is loaded only then, so help and mistakes are answered at once. */
function command<T extends OptionTable & { readonly help: OptionSpec }>(
  spec: CommandSpec<T>,
  load: () => Promise<(line: CommandLine<T>) => Promise<Ending>>,
) {
  return async (args: readonly string[]): Promise<Ending> => {
    const line = parseCommandLine(`tskvm ${spec.name}`, spec.options, args, spec.wordsFollow);
    return line.values.help ? print(commandHelp(spec)) : (await load())(line);
  };
}

const RUNNERS: { readonly [name: string]: (args: readonly string[]) => Promise<Ending> } = {
  run: command(RUN, async () => (await import("./run.ts")).run),
  ps: command(PS, async () => (await import("./machine-list.ts")).ps),
  exec: command(EXEC, async () => (await import("./machine-exec.ts")).exec),
  logs: command(LOGS, async () => (await import("./machine-files.ts")).logs),
  cp: command(CP, async () => (await import("./machine-files.ts")).cp),
  stop: command(STOP, async () => (await import("./machine-life.ts")).stop),
  start: command(START, async () => (await import("./machine-life.ts")).start),
  kill: command(KILL, async () => (await import("./machine-life.ts")).kill),
  rm: command(RM, async () => (await import("./machine-life.ts")).rm),
  inspect: command(INSPECT, async () => (await import("./machine-list.ts")).inspect),
  stats: command(STATS, async () => (await import("./machine-list.ts")).stats),
  port: command(PORT, async () => (await import("./machine-list.ts")).port),
  images: command(IMAGES, async () => (await import("./images.ts")).images),
  disk: command(DISK, async () => (await import("./disk.ts")).disk),
  doctor: command(DOCTOR, async () => (await import("./doctor.ts")).doctor),
};

async function main(args: readonly string[]): Promise<Ending> {
  const [first, ...rest] = args;
  if (first === undefined) return print(programHelp());
  if (first === "help") return main(rest[0] === undefined ? [] : [rest[0], "--help"]);
  if (first.startsWith("-")) return globalOption(args);
  return runnerOf(first)(rest);
}

function globalOption(args: readonly string[]): Ending {
  const [first = ""] = args;
  const owner = COMMANDS.find(({ options }) => Object.hasOwn(options, first.replace(/^-+/, "").replace(/=.*$/s, "")));
  if (owner && !Object.hasOwn(GLOBAL_OPTIONS, first.replace(/^-+/, "")))
    throw new UserError(`${first} stands before the command`, `Write tskvm ${owner.name} ${first} ...`);
  const { values } = parseCommandLine("tskvm", GLOBAL_OPTIONS, args);
  return print(values.version ? `tskvm ${version()}\n` : programHelp());
}

function runnerOf(name: string) {
  if (Object.hasOwn(RUNNERS, name)) return RUNNERS[name]!;
  const names = Object.keys(RUNNERS);
  const guess = nearest(name, names);
  const list = `The commands are ${names.join(", ")}; \`tskvm --help\` tells more.`;
  throw new UserError(`unknown command "${name}"`, guess === undefined ? list : `Did you mean ${guess}? ${list}`);
}

function version(): string {
  return (createRequire(import.meta.url)("tskvm/package.json") as { version: string }).version;
}

function print(text: string): Ending {
  process.stdout.write(text);
  return { status: 0 };
}

/** Resolves when what was written to a stream is out, or cannot go out. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write("", () => resolve());
  });
}

/** That nobody reads the output any more is no defect; whoever writes finds out. */
function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") return;
  printFailure(`cannot write to standard output: ${error.message}`, "Send it somewhere else.");
  process.exit(STATUS_ERROR);
}

process.stdout.on("error", onOutputError);
process.stderr.on("error", () => {});
const ending = await main(process.argv.slice(2)).catch(printError);
if (!ending.abandoned) await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
process.exit(ending.status);
