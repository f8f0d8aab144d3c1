/** tskvm run: boots a machine and stays with it until it ends. */

import { UserError } from "../base/assert.ts";
import {
  cpuModels,
  ENGINES,
  type EngineName,
  JIT_MODES,
  type JitMode,
  type Machine,
  type MachineOptions,
  type ProgramOptions,
  parseImageName,
  progressOn,
  shellScript,
  startMachine,
} from "../sdk/index.ts";
import type { ArgumentsOf, RUN, ValuesOf } from "./commands.ts";
import { cpuHelp } from "./cpu-help.ts";
import { parseDiskOption } from "./disk-option.ts";
import type { Ending } from "./ending.ts";
import { parseVariables } from "./environment.ts";
import { parseNetworkOptions } from "./network-option.ts";
import { followMachine } from "./session.ts";
import { parseArch, parseChoice, parseNumber } from "./values.ts";
import { parseVolume } from "./volume-option.ts";

/** Runs `tskvm run ARGS`. Throws UserError. */
export async function run({ values, positionals }: ArgumentsOf<typeof RUN>): Promise<Ending> {
  if (values.cpu === "help") return printCpuHelp();
  const timeoutSeconds = parseNumber("timeout", values.timeout, "30");
  if (values.detach) return detached(values, positionals);
  const machine = await start(machineOptions(values, positionals, terminals()));
  const startSeconds = performance.now() / 1000;
  if (process.stdin.isTTY && machine.command === undefined) greet(machine);
  const ending = await followMachine(machine, { timeoutSeconds, input: process.stdin, output: process.stdout });
  if (values.stats) printStats(machine, startSeconds);
  return ending;
}

async function detached(values: ValuesOf<typeof RUN>, words: readonly string[]): Promise<Ending> {
  const { detach } = await import("./machine-life.ts");
  // it has neither a terminal nor input
  return detach(machineOptions(values, words, { input: true, output: false }), values.name, values.rm ?? false);
}

async function printCpuHelp(): Promise<Ending> {
  process.stdout.write(cpuHelp(await cpuModels()));
  return { status: 0 };
}

/** What of this process is a terminal. */
interface Terminals {
  readonly input: boolean;
  readonly output: boolean;
}

function terminals(): Terminals {
  return { input: process.stdin.isTTY === true, output: process.stdout.isTTY === true };
}

/** What the options ask of the SDK. Throws UserError. */
export function machineOptions(
  values: ValuesOf<typeof RUN>,
  positionals: readonly string[],
  terminal: Terminals,
): MachineOptions {
  const { kernel, firmware, initrd, append, mirror, memory, cpu, exec } = values;
  const image = imageOf(values, positionals);
  const program = programOf(image, values, positionals.slice(1), terminal);
  const hasInput = exec !== undefined || program?.terminal === false;
  return {
    kernel,
    firmware,
    initrd,
    append,
    image,
    program,
    rootDisk: values["root-disk"],
    mirror,
    memory,
    cpu,
    modules: (values.module ?? []).map(moduleOf),
    disks: (values.disk ?? []).map(parseDiskOption),
    shares: (values.volume ?? []).map(parseVolume),
    network: parseNetworkOptions(values.network, values.publish),
    arch: parseArch(values.arch),
    engine: parseChoice<EngineName>("engine", values.engine, ENGINES),
    jit: parseChoice<JitMode>("jit", values.jit, JIT_MODES),
    cpus: parseNumber("cpus", values.cpus, "1"),
    debugExit: values["debug-exit"],
    testDevice: values["test-device"],
    onReset: values["no-reboot"] && "end",
    command: commandOf(values, program !== undefined),
    commandInput: hasInput && !terminal.input,
  };
}

/** The image that is named, by an option or as docker does. Throws UserError for what looks like something else. */
function imageOf({ image }: ValuesOf<typeof RUN>, [name, ...words]: readonly string[]): string | undefined {
  if (name === undefined) return image;
  if (image !== undefined)
    throw new UserError(`there are two images, ${image} and ${name}`, "Name one, before the command.");
  if (/\s/.test(name)) throw new UserError(`"${name}" is no image`, `To run a command, write --exec '${name}'.`);
  if (/^[./]|\.(elf|bin|img)$|^(bzImage|vmlinuz|vmlinux)/.test(name))
    throw new UserError(`"${name}" is no image`, `To boot a file, write --kernel ${name}.`);
  if (words.length > 0 && parseImageName(name).kind === "kernel")
    throw new UserError(
      `${name} runs nothing but a shell`,
      `To run a command in it, write --exec '${words.join(" ")}'.`,
    );
  return name;
}

/** What runs in an image's root: on the console if we are on a terminal. Throws UserError if the image has no root of its own. */
function programOf(
  image: string | undefined,
  values: ValuesOf<typeof RUN>,
  words: readonly string[],
  terminal: Terminals,
): ProgramOptions | undefined {
  const { env, user, workdir, entrypoint, "root-disk": disk, exec } = values;
  if (image === undefined || parseImageName(image).kind === "kernel") {
    const option = Object.entries({ env, user, workdir, entrypoint, "root-disk": disk }).find(
      ([, value]) => value,
    )?.[0];
    if (option === undefined) return undefined;
    if (exec !== undefined && option !== "entrypoint" && option !== "root-disk") return undefined;
    throw new UserError(`--${option} is for a program in an image`, "Name one behind the options, such as debian:12.");
  }
  return {
    words,
    env: env?.map(variable),
    user,
    directory: workdir,
    entrypoint: entrypoint === undefined ? undefined : [entrypoint],
    terminal: exec === undefined && terminal.input && terminal.output,
  };
}

/** A name alone stands for the variable that we have. */
function variable(text: string): string {
  return text.includes("=") ? text : `${text}=${process.env[text] ?? ""}`;
}

/** The command in its surroundings, unless it is in an image's root, which has its own. */
function commandOf({ exec, env, workdir, user }: ValuesOf<typeof RUN>, isProgram: boolean): string | undefined {
  if (exec === undefined || isProgram) return exec;
  if (env === undefined && workdir === undefined && user === undefined) return exec;
  return shellScript(exec, { env: parseVariables(env), cwd: workdir, user });
}

/** As QEMU's -initrd for multiboot: the file, a space, the words. */
function moduleOf(text: string): { file: string; commandLine: string } {
  const [file = ""] = text.split(" ", 1);
  return { file, commandLine: text };
}

async function start(options: MachineOptions): Promise<Machine> {
  const progress = progressOn(process.stderr);
  try {
    return await startMachine({ ...options, progress });
  } finally {
    progress.end();
  }
}

function greet({ image }: Machine): void {
  const what = image ? `${image.name}, ${image.kernelPackage}` : "the kernel";
  process.stderr.write(`tskvm: starting ${what}. Ctrl-A x leaves, Ctrl-A h helps.\n`);
}

/** `startSeconds`: from the start of this process to that of the machine. */
function printStats(machine: Machine, startSeconds: number): void {
  const { engine, instructions, seconds, regions } = machine.stats();
  const peak = Math.round(process.resourceUsage().maxRSS / 1024);
  const speed =
    instructions === undefined
      ? ""
      : `, ${(instructions / 1e6).toFixed(1)} million instructions, ${(instructions / seconds / 1e6).toFixed(1)} million a second`;
  process.stderr.write(
    `tskvm: started in ${startSeconds.toFixed(3)} s; ran ${seconds.toFixed(2)} s on the ${engine} engine${speed}, peak memory ${peak} MiB\n`,
  );
  if (regions === undefined) return;
  const { requested, installed, late, refused, dropped, modules, bytes, milliseconds } = regions;
  process.stderr.write(
    `tskvm: of ${requested} regions asked for ${installed} were compiled, ${late} came too late, ${refused} were refused, ${dropped} were dropped again; ${modules} modules, ${Math.round(bytes / 1024)} KiB, ${(milliseconds / 1000).toFixed(2)} s of the compiler\n`,
  );
}
