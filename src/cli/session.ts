/** Staying with a machine until it ends, and what its end means for us. */

import { pipeline } from "node:stream/promises";
import {
  attachTerminal,
  ConsoleTail,
  commandLost,
  describeOutcome,
  formatCpuDump,
  type GuestCommand,
  type Machine,
  type Outcome,
} from "../sdk/index.ts";
import { type Ending, printFailure, STATUS_ERROR, STATUS_PIPE, STATUS_TIMEOUT } from "./ending.ts";

type MachineInSession = Pick<Machine, "console" | "command" | "exited" | "stop">;

export interface SessionOptions {
  readonly timeoutSeconds: number | undefined;
  /** Where a command's input comes from, and where its output goes. */
  readonly input: NodeJS.ReadStream;
  readonly output: NodeJS.WriteStream;
}

const LONGEST_TIMER_MS = 0x7fff_ffff;

/** Connects a machine to this process, waits for its end, tells of a bad one, and says how to end. Throws UserError. */
export async function followMachine(machine: MachineInSession, options: SessionOptions): Promise<Ending> {
  const { timeoutSeconds } = options;
  if (timeoutSeconds === undefined) return follow(machine, options);
  let over = false;
  const stop = () => {
    over = true;
    void machine.stop().catch(() => {});
  };
  const timer = setTimeout(stop, Math.min(timeoutSeconds * 1000, LONGEST_TIMER_MS));
  try {
    return await follow(machine, options, () => over);
  } finally {
    clearTimeout(timer);
  }
}

async function follow(
  machine: MachineInSession,
  options: SessionOptions,
  isTimeOver: () => boolean = () => false,
): Promise<Ending> {
  const { command } = machine;
  const tail = command && new ConsoleTail(machine.console);
  const reason = command ? await passCommand(command, options) : await attachTerminal(machine);
  if (reason === "escape") return leave(options.output);
  if (reason === "output-closed") return { status: STATUS_PIPE, abandoned: true };
  const outcome = await machine.exited;
  if (isTimeOver()) return timeIsOver(options.timeoutSeconds!);
  if (command === undefined) return endingOf(outcome);
  const status = await command.status;
  if (status === undefined) throw commandLost(outcome, tail!.text());
  return { status };
}

/** Passes input and output of the command; returns when it has ended, or why there is no use in going on. */
async function passCommand(
  { stdio }: GuestCommand,
  { input, output }: SessionOptions,
): Promise<"output-closed" | undefined> {
  stdio.on("error", () => {});
  input.on("error", () => {});
  if (input.isTTY) stdio.end();
  else input.pipe(stdio);
  try {
    await pipeline(stdio, output, { end: false });
    return undefined;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EPIPE") return "output-closed";
    throw error;
  } finally {
    input.unpipe(stdio);
    input.pause();
  }
}

/** The shell's next prompt begins on a line of its own. */
function leave(output: NodeJS.WriteStream): Ending {
  if (output.isTTY) process.stderr.write("\n");
  return { status: 0, abandoned: true };
}

function timeIsOver(seconds: number): Ending {
  printFailure(`the machine was stopped: its ${seconds} seconds are over`, "--timeout sets them.");
  return { status: STATUS_TIMEOUT };
}

function endingOf(outcome: Outcome): Ending {
  switch (outcome.kind) {
    case "debug-exit":
      return { status: outcome.status & 0xff };
    case "triple-fault":
    case "error":
      printFailure(describeOutcome(outcome), formatCpuDump(outcome.dump).join("\n"));
      return { status: STATUS_ERROR };
    default:
      return { status: 0 };
  }
}
