/** tskvm ps, inspect, stats and port. */

import { UserError } from "../base/assert.ts";
import { ask, entries, entryOf, type MachineEntry } from "../manage/client.ts";
import type { ArgumentsOf } from "./commands.ts";
import type { Ending } from "./ending.ts";
import type { INSPECT, PORT, PS, STATS } from "./machine-commands.ts";
import { table } from "./table.ts";

/** Runs `tskvm ps ARGS`. */
export async function ps({ values }: ArgumentsOf<typeof PS>): Promise<Ending> {
  const shown = (await entries()).filter(({ state }) => values.all || state === "running");
  if (values.json) return printJson(shown);
  if (values.quiet) return print(shown.map(({ name }) => `${name}\n`).join(""));
  return print(table(["NAME", "STATE", "SINCE", "PORTS", "COMMAND"], shown.map(row)));
}

/** Runs `tskvm inspect ARGS`. Throws UserError. */
export async function inspect({ positionals }: ArgumentsOf<typeof INSPECT>): Promise<Ending> {
  return printJson(await Promise.all(requireNames("inspect", positionals).map(entryOf)));
}

/** Runs `tskvm stats ARGS`. Throws UserError. */
export async function stats({ values, positionals }: ArgumentsOf<typeof STATS>): Promise<Ending> {
  const running = async () => (await entries()).filter(({ state }) => state === "running").map(({ name }) => name);
  const names = positionals.length > 0 ? positionals : await running();
  const all = await Promise.all(names.map(statsOf));
  if (values.json) return printJson(all);
  const rows = all.map(({ name, seconds, engine, instructions, memory }) => [
    name,
    engine,
    `${seconds.toFixed(0)} s`,
    instructions === undefined ? "-" : `${(instructions / 1e6).toFixed(0)} million`,
    `${(memory / 2 ** 20).toFixed(0)} MiB`,
  ]);
  return print(table(["NAME", "ENGINE", "TIME", "INSTRUCTIONS", "MEMORY"], rows));
}

async function statsOf(name: string) {
  const reply = await ask(name, { op: "stats" });
  if (reply.kind !== "stats") throw new UserError(`${name} does not tell`, "Use the same version of tskvm.");
  return { name, ...reply.stats, memory: reply.memory };
}

/** Runs `tskvm port ARGS`. Throws UserError. */
export async function port({ values, positionals }: ArgumentsOf<typeof PORT>): Promise<Ending> {
  const [name = ""] = requireNames("port", positionals);
  const forwards = forwardsOf(await entryOf(name));
  if (values.json) return printJson(forwards);
  return print(
    forwards
      .map(
        ({ protocol, hostAddress, hostPort, guestPort }) => `${guestPort}/${protocol} -> ${hostAddress}:${hostPort}\n`,
      )
      .join(""),
  );
}

/** The names that were given. Throws UserError if there are none. */
export function requireNames(command: string, names: readonly string[]): readonly string[] {
  if (names.length > 0) return names;
  throw new UserError(`${command} needs the name of a machine`, "`tskvm ps -a` lists them.");
}

function row(entry: MachineEntry): string[] {
  const { name, state, started, finished, exitCode, created, options } = entry;
  const ports = forwardsOf(entry).map(({ hostPort, guestPort }) => `${hostPort}:${guestPort}`);
  const shown = state === "exited" && exitCode !== undefined ? `exited (${exitCode})` : state;
  return [name, shown, finished ?? started ?? created, ports.join(" "), commandOf(options)];
}

function commandOf({ command, image, program }: MachineEntry["options"]): string {
  return command?.split("\n").at(-1) ?? [image ?? "", ...(program?.words ?? [])].join(" ");
}

function forwardsOf({ options: { network } }: MachineEntry) {
  return network ? (network.forwards ?? []) : [];
}

function printJson(value: unknown): Ending {
  return print(`${JSON.stringify(value, undefined, 2)}\n`);
}

function print(text: string): Ending {
  process.stdout.write(text);
  return { status: 0 };
}
