/** The machines that run by themselves: a folder each, which only their user can look into. */

import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { UserError } from "../base/assert.ts";
import type { MachineOptions } from "../sdk/index.ts";

/** What a machine was told to be: options that are plain data. */
export interface MachineRecord {
  readonly name: string;
  /** ISO 8601. */
  readonly created: string;
  readonly options: MachineOptions;
  /** Whether nothing is to be left of it when it ends. */
  readonly remove: boolean;
}

/** What the machine's process has last written about it. */
export interface MachineStatus {
  readonly state: "running" | "exited";
  readonly pid: number;
  readonly started: string;
  readonly finished?: string | undefined;
  /** How it ended, in words. */
  readonly outcome?: string | undefined;
  /** The command's exit status, if there was a command and it ended. */
  readonly exitCode?: number | undefined;
}

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,62}$/;
const OWNER_ONLY = 0o700;
/** Bytes of a socket's path that every system takes. [unix(7)] */
const SOCKET_PATH_MAXIMUM = 103;

/** $XDG_STATE_HOME/tskvm, or ~/.local/state/tskvm. [XDG Base Directory Specification] */
function machinesDirectory(env: NodeJS.ProcessEnv = process.env): string {
  const base = env.XDG_STATE_HOME;
  return join(base?.startsWith("/") ? base : join(homedir(), ".local/state"), "tskvm", "machines");
}

/** Where a machine's files are. Throws UserError for what is no name. */
export function directoryOf(name: string): string {
  if (!NAME.test(name))
    throw new UserError(`"${name}" is no name of a machine`, "Use letters, digits, _, - and . behind the first.");
  return join(machinesDirectory(), name);
}

/** Where a machine's process listens. Throws UserError. */
export function socketOf(name: string): string {
  const path = join(directoryOf(name), "socket");
  if (Buffer.byteLength(path) <= SOCKET_PATH_MAXIMUM) return path;
  throw new UserError(`the path ${path} is too long for a socket`, "Use a shorter name, or set XDG_STATE_HOME.");
}

/** What was written to the machine's console, or by its command. */
export function logOf(name: string): string {
  return join(directoryOf(name), "log");
}

/** Makes a machine's folder. Throws UserError if there is a machine of that name. */
export function register(record: MachineRecord): void {
  mkdirSync(machinesDirectory(), { recursive: true, mode: OWNER_ONLY });
  try {
    mkdirSync(directoryOf(record.name), { mode: OWNER_ONLY });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new UserError(`there is a machine "${record.name}"`, `Remove it with \`tskvm rm ${record.name}\`.`);
  }
  writeJson(record.name, "machine.json", record);
}

/** A machine that was made. Throws UserError if there is none. */
export function recordOf(name: string): MachineRecord {
  const record = readJson<MachineRecord>(name, "machine.json");
  if (record) return record;
  throw new UserError(`there is no machine "${name}"`, "`tskvm ps -a` lists them.");
}

/** What the machine's process last wrote; undefined before it has begun. */
export function statusOf(name: string): MachineStatus | undefined {
  return readJson<MachineStatus>(name, "status.json");
}

export function writeStatus(name: string, status: MachineStatus): void {
  writeJson(name, "status.json", status);
}

/** Forgets a machine. */
export function unregister(name: string): void {
  rmSync(directoryOf(name), { recursive: true, force: true });
}

/** The names of all machines, in order. */
export function machineNames(): string[] {
  try {
    return readdirSync(machinesDirectory())
      .filter((name) => NAME.test(name))
      .sort();
  } catch {
    return [];
  }
}

/** A name that nobody has. */
export function freshName(): string {
  return `m-${randomBytes(4).toString("hex")}`;
}

function readJson<T>(name: string, file: string): T | undefined {
  try {
    return JSON.parse(readFileSync(join(directoryOf(name), file), "utf8")) as T;
  } catch (error) {
    if (error instanceof UserError) throw error;
    return undefined;
  }
}

/** Whoever reads sees the old text or the new one. */
function writeJson(name: string, file: string, value: unknown): void {
  const path = join(directoryOf(name), file);
  writeFileSync(`${path}.new`, `${JSON.stringify(value, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}
