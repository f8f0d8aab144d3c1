import { UserError, unreachable } from "../base/assert.ts";
import { formatCpuDump } from "../machine/cpu-dump.ts";
import type { Outcome } from "../machine/outcome.ts";
import type { MachineOptions } from "./options.ts";
import { startMachine } from "./start.ts";

export interface ExecResult {
  /** Exit status; 128 + n if signal n ended the command. */
  readonly status: number;
  /** What it wrote to its standard output and errors. */
  readonly output: Buffer;
}

/** Runs a shell command in a machine of its own. Throws UserError, also if the guest dies before the command ends. */
export async function exec(command: string, options: Omit<MachineOptions, "command"> = {}): Promise<ExecResult> {
  const machine = await startMachine({ ...options, command });
  const { stdio, status } = machine.command!;
  if (!options.commandInput) stdio.end();
  const console = new ConsoleTail(machine.console);
  const output = await readAll(stdio);
  const known = await status;
  const outcome = await machine.exited;
  if (known === undefined) throw commandLost(outcome, console.text());
  return { status: known, output };
}

async function readAll(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Reads a guest's console and keeps the end of it, to show when something has gone wrong. */
export class ConsoleTail {
  static readonly #longest = 2048;
  #kept = "";

  constructor(console: NodeJS.ReadableStream) {
    console.on("data", (chunk: Buffer) => {
      this.#kept = (this.#kept + chunk.toString("latin1")).slice(-ConsoleTail.#longest);
    });
  }

  /** The last lines. */
  text(): string {
    return this.#kept.replaceAll("\r", "").trimEnd();
  }
}

/** The error for a machine that ended before the command in it did; `console` is the end of what the guest printed. */
export function commandLost(outcome: Outcome, console: string): UserError {
  const dump = "dump" in outcome ? formatCpuDump(outcome.dump) : [];
  const printed = console === "" ? ["The guest printed nothing."] : ["The last that the guest printed:", console];
  return new UserError(`the command did not end: ${describeOutcome(outcome)}`, [...dump, ...printed].join("\n"));
}

/** Why a machine ended, as a clause. */
export function describeOutcome(outcome: Outcome): string {
  switch (outcome.kind) {
    case "poweroff":
      return "the guest switched the machine off";
    case "reset":
      return "the guest reset the machine, as it does after a panic";
    case "debug-exit":
      return `the guest wrote to the debug-exit port, status ${outcome.status}`;
    case "triple-fault":
      return "the guest's processor shut down after a triple fault";
    case "error":
      return outcome.message;
    case "stopped":
      return "the machine was stopped";
    case "paused":
      return "the machine is paused";
    default:
      return unreachable(outcome);
  }
}
