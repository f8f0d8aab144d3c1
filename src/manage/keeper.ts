/** The process of a machine that runs by itself: it starts the machine, keeps its log, and serves its socket. */

import { appendFileSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { UserError } from "../base/assert.ts";
import { deferred } from "../sdk/deferred.ts";
import { describeOutcome, type GuestProcess, type Machine, type Progress, startMachine } from "../sdk/index.ts";
import { FRAME, readFrames, sendFrame, sendMessage } from "./frames.ts";
import type { CommandEvent, Reply, Request, StartMessage } from "./protocol.ts";
import { logOf, recordOf, socketOf, unregister, writeStatus } from "./registry.ts";

const [name = ""] = process.argv.slice(2);

/** Resolves with how the machine ended, when that is written and nobody can take it for running. */
const ended = deferred<string>();

function tell(message: StartMessage): void {
  if (process.connected) process.send?.(message);
}

const progress: Progress = {
  advance: (what, done, total) => tell({ kind: "advance", what, done, total }),
  note: (text) => tell({ kind: "note", text }),
  end() {},
};

async function keep(): Promise<void> {
  const record = recordOf(name);
  const machine = await startMachine({ ...record.options, agent: true, progress });
  const status = { pid: process.pid, started: new Date().toISOString() };
  keepLog(machine);
  const server = await serve(machine);
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => void machine.stop());
  process.on("SIGHUP", () => {});
  writeStatus(name, { ...status, state: "running" });
  tell({ kind: "started" });
  const outcome = await machine.exited;
  const exitCode = await machine.command?.status;
  const finished = new Date().toISOString();
  writeStatus(name, { ...status, state: "exited", finished, outcome: describeOutcome(outcome), exitCode });
  server.close();
  rmSync(socketOf(name), { force: true });
  if (record.remove) unregister(name);
  ended.resolve(describeOutcome(outcome));
}

/** The log is of the command, or of the console if there is none. */
function keepLog(machine: Machine): void {
  const log = (bytes: Buffer) => appendFileSync(logOf(name), bytes, { mode: 0o600 });
  if (machine.command) machine.console.resume();
  (machine.command?.stdio ?? machine.console).on("data", log);
  machine.command?.stdio.end();
}

function serve(machine: Machine): Promise<Server> {
  rmSync(socketOf(name), { force: true });
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    answer(machine, socket).then(
      (reply) => finish(socket, reply),
      (error: unknown) => finish(socket, asReply(error)),
    );
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(socketOf(name), () => resolve(server));
  });
}

async function finish(socket: Socket, reply: Reply): Promise<void> {
  await sendMessage(socket, reply);
  socket.end();
}

function asReply(error: unknown): Reply {
  const { message, remedy = "This is a defect of tskvm." } = described(error);
  return { kind: "error", message, remedy };
}

/** An error as it is told to another process; a defect has no remedy. */
function described(error: unknown): { message: string; remedy: string | undefined } {
  const { message } = error instanceof Error ? error : new Error(String(error));
  return { message, remedy: error instanceof UserError ? error.remedy : undefined };
}

async function answer(machine: Machine, socket: Socket): Promise<Reply> {
  const frames = readFrames(socket);
  const first = await frames.next();
  if (first.done) return { kind: "error", message: "nothing was asked", remedy: "" };
  const request = JSON.parse(first.value.bytes.toString()) as Request;
  switch (request.op) {
    case "exec":
      return runCommand(await machine.spawn(request.command, request.options), socket, frames);
    case "stop":
      await machine.shutDown(request.graceMs);
      return { kind: "ended", outcome: await ended.promise };
    case "kill":
      await machine.stop();
      return { kind: "ended", outcome: await ended.promise };
    case "stats":
      return { kind: "stats", stats: machine.stats(), memory: process.memoryUsage.rss() };
    default:
      return { kind: "error", message: "this is not known", remedy: "Use the same version of tskvm." };
  }
}

async function runCommand(command: GuestProcess, socket: Socket, frames: AsyncIterable<Frame>): Promise<Reply> {
  command.stdin.on("error", () => {});
  const passed = Promise.all([pass(command.stdout, FRAME.STDOUT, socket), pass(command.stderr, FRAME.STDERR, socket)]);
  let over = false;
  // who goes away ends the command, as who closes a terminal does
  void hear(command, frames).finally(() => over || command.kill("HUP"));
  const status = await command.status;
  over = true;
  await passed;
  return { kind: "exit", status };
}

type Frame = { kind: number; bytes: Buffer };

async function pass(from: AsyncIterable<Uint8Array>, kind: number, socket: Socket): Promise<void> {
  for await (const bytes of from) await sendFrame(socket, kind, bytes);
}

async function hear(command: GuestProcess, frames: AsyncIterable<Frame>): Promise<void> {
  for await (const { kind, bytes } of frames) {
    if (kind === FRAME.STDIN) await new Promise((resolve) => command.stdin.write(bytes, resolve));
    if (kind === FRAME.STDIN_END) command.stdin.end();
    if (kind === FRAME.MESSAGE) obey(command, JSON.parse(bytes.toString()) as CommandEvent);
  }
}

function obey(command: GuestProcess, message: CommandEvent): void {
  if (message.event === "resize") command.resize(message.rows, message.columns);
  if (message.event === "signal") command.kill(message.signal);
}

keep().catch((error: unknown) => {
  tell({ kind: "failed", ...described(error) });
  process.exitCode = 1;
});
