/** Machines whose image is a root: their disk, and what they run in it. */

import { existsSync, readdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { isRunning } from "../backend/process.ts";
import { UserError } from "../base/assert.ts";
import { defaultCacheDirectory, makeDirectory, withCacheErrors } from "../image/cache.ts";
import { findCatalogEntry } from "../image/catalog.ts";
import { createDisk } from "../image/disk/make.ts";
import { rootCommand, rootInitrd } from "../image/roots/guest-root.ts";
import { parseImageName } from "../image/roots/image-name.ts";
import type { Launch } from "../image/roots/launcher.ts";
import { type RootImage, resolveRoot } from "../image/roots/resolve.ts";
import { identityOf } from "../image/roots/users.ts";
import type { NetworkOptions } from "./network.ts";
import type { MachineOptions, ProgramOptions } from "./options.ts";

/** Options that boot a root: what the user's options mean for it, and what it adds. */
export interface RootedOptions extends Omit<MachineOptions, "network"> {
  readonly network?: NetworkOptions | undefined;
  /** To be put right behind the root of the kernel's image. */
  readonly rootInitrd?: Uint8Array | undefined;
}

export interface PreparedRoot {
  readonly options: RootedOptions;
  /** Removes the disk, if it was only for this machine. */
  release(): void;
}

const DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/** A root's program has the console; what the kernel says of its start is no part of that. */
const QUIET = "quiet";
const NOTHING: PreparedRoot["release"] = () => {};

/** Makes of options that name a root those of a machine that runs it; others are as they were. Throws UserError. */
export async function prepareRoot(options: MachineOptions): Promise<PreparedRoot> {
  const name = options.image === undefined ? undefined : parseImageName(options.image);
  if (name === undefined || name.kind === "kernel") {
    const network = options.network || undefined;
    if (options.program === undefined) return { options: { ...options, network }, release: NOTHING };
    throw new UserError("a program is run in the root of an image", "Name one, such as debian:12; or use --exec.");
  }
  if (options.kernel ?? options.initrd ?? options.firmware)
    throw new UserError(`${options.image} runs under our kernel`, "Leave --kernel, --initrd and --firmware out.");
  const { arch, mirror, progress } = options;
  const image = await resolveRoot(name, { arch, mirror, progress });
  return withDisk(options, image);
}

async function withDisk(options: MachineOptions, found: RootImage): Promise<PreparedRoot> {
  const image = found.record.stage === "ready" ? found : await configured(found, options);
  const disk = options.rootDisk ?? (await temporaryDisk());
  if (!existsSync(disk)) createDisk(disk, undefined, { backing: resolve(image.disk) });
  const isKept = options.rootDisk !== undefined;
  const release = isKept ? NOTHING : () => rmSync(disk, { force: true });
  try {
    return { options: rootedOptions(options, image, disk, isKept), release };
  } catch (error) {
    release();
    throw error;
  }
}

async function configured(found: RootImage, options: MachineOptions): Promise<RootImage> {
  const { configureRoot } = await import("./configure-root.ts");
  return { ...found, record: await configureRoot(found, options) };
}

/** The options of a machine that runs a program on a disk with a root. Throws UserError. */
export function rootedOptions(options: MachineOptions, image: RootImage, disk: string, isKept: boolean): RootedOptions {
  const { program = {}, command, disks = [], arch } = options;
  const words = command === undefined ? program.words : ["/bin/sh", "-c", command];
  const launch = launchOf({ ...program, words }, image);
  const isInteractive = command === undefined && (options.program === undefined || program.terminal);
  return {
    ...options,
    image: findCatalogEntry(undefined, arch).name,
    program: undefined,
    disks: [{ file: disk, format: "qcow2", serial: "tskvm-root" }, ...disks],
    network: options.network === false ? undefined : (options.network ?? {}),
    append: [QUIET, options.append].filter(Boolean).join(" "),
    rootInitrd: rootInitrd(launch, isKept),
    command: isInteractive ? undefined : rootCommand(isKept),
  };
}

/** What the image's configuration says, as far as the options say nothing else. */
function launchOf(program: ProgramOptions, { record }: RootImage): Omit<Launch, "root"> {
  const { config, name } = record;
  const { words = [], entrypoint = config.entrypoint, directory = config.workingDirectory } = program;
  const cmd = words.length > 0 || program.entrypoint !== undefined ? words : config.cmd;
  const all = [...entrypoint, ...cmd];
  if (all.length === 0) throw new UserError(`${name} does not say what it runs`, "Name a program behind the image.");
  const { home, ...identity } = identityOf(program.user ?? config.user, record);
  const terminal = program.terminal ? ["TERM=xterm"] : [];
  const given = [DEFAULT_PATH, "HOSTNAME=tskvm", `HOME=${home}`, ...terminal, ...config.env, ...(program.env ?? [])];
  return { ...identity, directory, words: all, env: lastOfEach(given) };
}

/** Of several values of one variable the last one. */
function lastOfEach(env: readonly string[]): string[] {
  return [...new Map(env.map((each) => [each.split("=", 1)[0]!, each])).values()];
}

let count = 0;

/** A path for a disk of this process; what processes that are gone have left is removed. */
async function temporaryDisk(): Promise<string> {
  const cache = defaultCacheDirectory();
  const directory = join(cache, "runs");
  await withCacheErrors(cache, () => makeDirectory(directory));
  for (const name of readdirSync(directory))
    if (!isRunning(Number.parseInt(name, 10))) rmSync(join(directory, name), { force: true });
  return join(directory, `${process.pid}-${count++}.qcow2`);
}
