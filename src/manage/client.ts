/** Machines that run by themselves, as those see them who start them and ask of them. */

import { spawn } from "node:child_process";
import { connect, type Socket } from "node:net";
import { fileURLToPath } from "node:url";
import { UserError } from "../base/assert.ts";
import type { MachineOptions, Progress, SpawnOptions } from "../sdk/index.ts";
import { FRAME, readFrames, sendFrame, sendMessage } from "./frames.ts";
import type { CommandEvent, Reply, Request, StartMessage } from "./protocol.ts";
import {
  freshName,
  type MachineRecord,
  type MachineStatus,
  machineNames,
  recordOf,
  register,
  socketOf,
  statusOf,
  unregister,
} from "./registry.ts";

const KEEPER = fileURLToPath(new URL("./keeper.js", import.meta.url));

/** A machine as it is now. "dead": its process has gone without a word. */
export interface MachineEntry extends Partial<Omit<MachineStatus, "state">> {
  readonly name: string;
  readonly created: string;
  readonly state: "created" | "running" | "exited" | "dead";
  readonly options: MachineOptions;
}

export interface DetachOptions {
  readonly name?: string | undefined;
  /** Whether nothing is to be left of it when it ends. */
  readonly remove?: boolean | undefined;
  readonly progress: Progress;
}

/** Starts a machine in a process of its own; returns its name. Throws UserError. */
export async function startDetached(options: MachineOptions, detach: DetachOptions): Promise<string> {
  const { name = freshName(), remove = false, progress } = detach;
  socketOf(name);
  register({ name, created: new Date().toISOString(), options, remove });
  try {
    await startKeeper(name, progress);
    return name;
  } catch (error) {
    unregister(name);
    throw error;
  }
}

/** Starts a machine that has ended anew, as it was made. Throws UserError. */
export async function startAgain(name: string, progress: Progress): Promise<void> {
  if ((await entryOf(name)).state === "running") throw new UserError(`${name} is running`, "There is nothing to do.");
  await startKeeper(name, progress);
}

/** What a machine is now. Throws UserError if there is none. */
export async function entryOf(name: string): Promise<MachineEntry> {
  const { created, options }: MachineRecord = recordOf(name);
  const status = statusOf(name);
  const state = await stateOf(name, status);
  return { ...status, name, created, options, state };
}

/** All machines. */
export function entries(): Promise<MachineEntry[]> {
  return Promise.all(machineNames().map(entryOf));
}

/** Forgets a machine that does not run. Throws UserError. */
export async function remove(name: string): Promise<void> {
  if ((await entryOf(name)).state === "running")
    throw new UserError(`${name} is running`, `Stop it first, with \`tskvm stop ${name}\`, or use --force.`);
  unregister(name);
}

/** Asks a machine's process something that has one answer. Throws UserError. */
export async function ask(name: string, request: Request): Promise<Reply> {
  const socket = await open(name);
  await sendMessage(socket, request);
  for await (const { kind, bytes } of readFrames(socket)) if (kind === FRAME.MESSAGE) return checked(name, bytes);
  throw gone(name);
}

/** A command in a running machine, with the streams of who asks. */
export interface RemoteCommand {
  readonly command: string;
  readonly options: SpawnOptions;
  /** Its input; it has none if not given. */
  readonly input?: NodeJS.ReadableStream | undefined;
  readonly output: NodeJS.WritableStream;
  readonly errors: NodeJS.WritableStream;
  /** Is given what tells the command of signals and a new size of the terminal. */
  readonly onStart?: (tell: (event: CommandEvent) => void) => void;
}

/** Runs a command in a machine; returns its exit status. Throws UserError. */
export async function execIn(name: string, command: RemoteCommand): Promise<number> {
  const socket = await open(name);
  await sendMessage(socket, { op: "exec", command: command.command, options: command.options } satisfies Request);
  command.onStart?.((event) => void sendMessage(socket, event));
  const { input } = command;
  input?.on("data", (bytes: Buffer) => void sendInput(socket, input, bytes));
  input?.on("end", () => void sendFrame(socket, FRAME.STDIN_END));
  for await (const { kind, bytes } of readFrames(socket)) {
    if (kind === FRAME.STDOUT) await write(command.output, bytes);
    if (kind === FRAME.STDERR) await write(command.errors, bytes);
    if (kind !== FRAME.MESSAGE) continue;
    const reply = checked(name, bytes);
    if (reply.kind === "exit" && reply.status !== undefined) return reply.status;
    break;
  }
  throw new UserError(`${name} ended before the command did`, `See \`tskvm logs ${name}\`.`);
}

async function sendInput(socket: Socket, input: NodeJS.ReadableStream, bytes: Buffer): Promise<void> {
  input.pause();
  await sendFrame(socket, FRAME.STDIN, bytes);
  input.resume();
}

function write(to: NodeJS.WritableStream, bytes: Uint8Array): Promise<void> | undefined {
  return to.write(bytes) ? undefined : new Promise((resolve) => void to.once("drain", resolve));
}

function checked(name: string, bytes: Buffer): Reply {
  const reply = JSON.parse(bytes.toString()) as Reply;
  if (reply.kind === "error") throw new UserError(`${name}: ${reply.message}`, reply.remedy);
  return reply;
}

/** Whoever listens is alive; a number of a process proves nothing. */
async function stateOf(name: string, status: MachineStatus | undefined): Promise<MachineEntry["state"]> {
  const socket = await connected(name).catch(() => undefined);
  socket?.destroy();
  if (socket) return "running";
  if (status === undefined) return "created";
  return status.state === "exited" ? "exited" : "dead";
}

async function open(name: string): Promise<Socket> {
  recordOf(name);
  return connected(name).catch(() => {
    throw gone(name);
  });
}

function gone(name: string): UserError {
  return new UserError(`the machine "${name}" is not running`, `Start it with \`tskvm start ${name}\`.`);
}

function connected(name: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketOf(name), allowHalfOpen: true });
    socket.once("connect", () => resolve(socket));
    socket.once("error", reject);
    socket.on("error", () => {});
  });
}

/** Starts the machine's process and waits until the machine runs. */
function startKeeper(name: string, progress: Progress): Promise<void> {
  const child = spawn(process.execPath, [KEEPER, name], {
    detached: true,
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  return new Promise<void>((resolve, reject) => {
    child.on("error", reject);
    child.on("exit", () => reject(new Error(`the process of ${name} ended before its machine ran`)));
    child.on("message", (message: StartMessage) => {
      if (message.kind === "advance") progress.advance(message.what, message.done, message.total);
      if (message.kind === "note") progress.note(message.text);
      if (message.kind === "failed") reject(asError(message));
      if (message.kind !== "started") return;
      child.disconnect();
      child.unref();
      resolve();
    });
  }).then(
    () => progress.end(),
    (error) => {
      progress.end();
      throw error;
    },
  );
}

function asError({ message, remedy }: { message: string; remedy: string | undefined }): Error {
  return remedy === undefined ? new Error(message) : new UserError(message, remedy);
}
