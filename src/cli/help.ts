import type { OptionSpec, OptionTable } from "./command-line.ts";
import { COMMANDS, type CommandSpec, GLOBAL_OPTIONS } from "./commands.ts";

/** Columns of a help text. */
export const WIDTH = 80;
const INDENT = 2;

/** The help of one command. */
export function commandHelp(command: CommandSpec): string {
  const { name, usage, description, actions = [], options, examples } = command;
  return page([
    [`tskvm ${name} ${usage}`],
    ...description.map((paragraph) => wrap(paragraph, WIDTH)),
    actions.length === 0 ? [] : ["Actions:", ...columns(actions)],
    ["Options:", ...columns(optionRows(options))],
    ["Examples:", ...examples.flatMap(([what, line]) => [`  # ${what}`, `  ${line}`])],
  ]);
}

/** The help of the program. */
export function programHelp(): string {
  return page([
    ["tskvm: virtual machines without privileges, on a software CPU of its own"],
    ["Usage: tskvm COMMAND [OPTION...]"],
    ["Commands:", ...columns(COMMANDS.map(({ name, summary }) => [name, summary]))],
    ["Options:", ...columns(optionRows(GLOBAL_OPTIONS))],
    [
      "Examples:",
      "  tskvm run                      # a shell in a 64-bit Linux; Ctrl-A x leaves",
      "  tskvm run --exec 'uname -a'    # one command; output and exit status are the guest's",
      "  tskvm run --kernel bzImage --append console=ttyS0",
    ],
    ["`tskvm COMMAND --help` tells all of a command."],
  ]);
}

/** Sections with an empty line between them; empty ones are left out. */
export function page(sections: readonly (readonly string[])[]): string {
  const filled = sections.filter((lines) => lines.length > 0);
  return `${filled.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

function optionRows(options: OptionTable): [string, string][] {
  return Object.entries(options).map(([name, spec]) => [optionUsage(name, spec), spec.help]);
}

function optionUsage(name: string, { short, value }: OptionSpec): string {
  const dashed = short === undefined ? `--${name}` : `-${short}, --${name}`;
  return value === undefined ? dashed : `${dashed} ${value}`;
}

/** Two columns: the left as wide as it must be, the right wrapped. */
export function columns(rows: readonly (readonly [left: string, right: string])[]): string[] {
  const left = Math.max(...rows.map(([text]) => text.length)) + 2 * INDENT;
  return rows.flatMap(([text, help]) =>
    wrap(help, WIDTH - left).map(
      (line, index) => `${(index === 0 ? " ".repeat(INDENT) + text : "").padEnd(left)}${line}`,
    ),
  );
}

/** Lines of at most `width` columns. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [""];
  for (const word of text.split(" ")) {
    const line = lines.at(-1)!;
    if (line === "") lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
