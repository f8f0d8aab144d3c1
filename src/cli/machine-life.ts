/** tskvm stop, start, kill and rm; and run --detach. */

import { resolve } from "node:path";
import { UserError } from "../base/assert.ts";
import { ask, entryOf, remove, startAgain, startDetached } from "../manage/client.ts";
import { type MachineOptions, progressOn } from "../sdk/index.ts";
import type { ArgumentsOf } from "./commands.ts";
import type { Ending } from "./ending.ts";
import type { KILL, RM, START, STOP } from "./machine-commands.ts";
import { requireNames } from "./machine-list.ts";
import { parseNumber } from "./values.ts";

const STOP_SECONDS = 10;

/** Runs `tskvm stop ARGS`. Throws UserError. */
export function stop({ values, positionals }: ArgumentsOf<typeof STOP>): Promise<Ending> {
  const seconds = parseNumber("time", values.time, "10") ?? STOP_SECONDS;
  return each("stop", positionals, (name) => ask(name, { op: "stop", graceMs: seconds * 1000 }));
}

/** Runs `tskvm start ARGS`. Throws UserError. */
export function start({ positionals }: ArgumentsOf<typeof START>): Promise<Ending> {
  return each("start", positionals, (name) => startAgain(name, progressOn(process.stderr)));
}

/** Runs `tskvm kill ARGS`. Throws UserError. */
export function kill({ positionals }: ArgumentsOf<typeof KILL>): Promise<Ending> {
  return each("kill", positionals, (name) => ask(name, { op: "kill" }));
}

/** Runs `tskvm rm ARGS`. Throws UserError. */
export function rm({ values, positionals }: ArgumentsOf<typeof RM>): Promise<Ending> {
  return each("rm", positionals, async (name) => {
    if (values.force && (await entryOf(name)).state === "running") await ask(name, { op: "kill" });
    await remove(name);
  });
}

/** Starts a machine in the background and prints its name. Throws UserError. */
export async function detach(options: MachineOptions, name: string | undefined, forget: boolean): Promise<Ending> {
  const started = await startDetached(absolute(options), {
    name,
    remove: forget,
    progress: progressOn(process.stderr),
  });
  process.stdout.write(`${started}\n`);
  return { status: 0 };
}

async function each(
  command: string,
  names: readonly string[],
  act: (name: string) => Promise<unknown>,
): Promise<Ending> {
  for (const name of requireNames(command, names)) {
    await act(name);
    process.stdout.write(`${name}\n`);
  }
  return { status: 0 };
}

/** The same files from wherever the machine is started next. Throws UserError for what cannot be started again. */
function absolute(options: MachineOptions): MachineOptions {
  const path = <T>(file: T) => (typeof file === "string" ? resolve(file) : file);
  if (options.commandInput) throw new UserError("a machine that is detached reads no input", "Use `tskvm exec -i`.");
  const { kernel, firmware, initrd, rootDisk, modules = [], disks = [], shares = [] } = options;
  return {
    ...options,
    kernel: path(kernel),
    firmware: path(firmware),
    initrd: path(initrd),
    rootDisk: path(rootDisk),
    modules: modules.map((module) => ({ ...module, file: path(module.file) })),
    disks: disks.map((disk) => ({ ...disk, file: resolve(disk.file) })),
    shares: shares.map((share) => ({ ...share, hostPath: resolve(share.hostPath) })),
  };
}
