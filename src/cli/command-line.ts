/** Reading a command's arguments against the table of its options. */

import { parseArgs } from "node:util";
import { UserError } from "../base/assert.ts";
import { nearest } from "../base/nearest.ts";

export interface OptionSpec {
  readonly short?: string;
  /** What stands for its value in the help; a flag has none. */
  readonly value?: string;
  /** Whether it may be given several times, each with a value of its own. Of any other the last one counts. */
  readonly multiple?: true;
  readonly help: string;
}

export type OptionTable = { readonly [name: string]: OptionSpec };

type OptionValue<S extends OptionSpec> = S extends { multiple: true }
  ? string[]
  : S extends { value: string }
    ? string
    : true;

export type OptionValues<T extends OptionTable> = { [K in keyof T]?: OptionValue<T[K]> };

export interface CommandLine<T extends OptionTable> {
  readonly values: OptionValues<T>;
  readonly positionals: readonly string[];
}

/** What QEMU's options that are not spelled like ours are here. */
const QEMU_HABITS: { readonly [word: string]: string } = {
  smp: "Use --cpus.",
  accel: "Use --engine.",
  "enable-kvm": "Use --engine.",
  nographic: "Leave it out: the serial port is the terminal.",
  serial: "Leave it out: the serial port is the terminal.",
  device: "For isa-debug-exit use --debug-exit, for pc-testdev --test-device; there are no other devices to add.",
};

/**
 * Reads `args`, which belong to `command`, for instance "tskvm run". With `wordsFollow` the first argument that is no option ends
 * the options: what follows is for somebody else. Throws UserError.
 */
export function parseCommandLine<T extends OptionTable>(
  command: string,
  table: T,
  args: readonly string[],
  wordsFollow = false,
): CommandLine<T> {
  const parse = (part: readonly string[]) =>
    parseArgs({ args: [...part], options: parserOptions(table), strict: false, tokens: true }).tokens;
  const end = wordsFollow ? parse(args).find(({ kind }) => kind === "positional")?.index : undefined;
  const tokens = parse(args.slice(0, end));
  const values: { [name: string]: true | string | string[] } = {};
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const spec = Object.hasOwn(table, token.name) ? table[token.name] : undefined;
    if (spec === undefined) throw unknownOption(command, table, args[token.index]!);
    const value = checkedValue(token, spec);
    const earlier = values[token.name];
    values[token.name] = spec.multiple ? [...(Array.isArray(earlier) ? earlier : []), String(value)] : value;
  }
  if (end !== undefined) positionals.push(...args.slice(end));
  return { values: values as OptionValues<T>, positionals };
}

function parserOptions(table: OptionTable) {
  const options = Object.entries(table).map(([name, { value, short }]) => {
    const type: "string" | "boolean" = value === undefined ? "boolean" : "string";
    return [name, { type, ...(short !== undefined && { short }) }] as const;
  });
  return Object.fromEntries(options);
}

function checkedValue(
  { rawName, value, inlineValue }: { rawName: string; value: string | undefined; inlineValue: boolean | undefined },
  spec: OptionSpec,
): string | true {
  if (spec.value === undefined) {
    if (value === undefined) return true;
    throw new UserError(`${rawName} takes no value`, `Write ${rawName} alone.`);
  }
  if (value === undefined) throw new UserError(`${rawName} needs a value`, `Write ${rawName} ${spec.value}.`);
  if (!inlineValue && value.length > 1 && value.startsWith("-"))
    throw new UserError(
      `${rawName} needs a value, and "${value}" looks like an option`,
      `If it is the value, write ${rawName}=${value}.`,
    );
  return value;
}

function unknownOption(command: string, table: OptionTable, argument: string): UserError {
  const word = argument.replace(/^-+/, "").replace(/=.*$/s, "");
  const name = argument.replace(/=.*$/s, "");
  return new UserError(`unknown option ${name}`, adviceFor(command, table, word, name));
}

function adviceFor(command: string, table: OptionTable, word: string, name: string): string {
  const singleDash = !name.startsWith("--");
  if (singleDash && Object.hasOwn(table, word)) return `Such options take two dashes here: --${word}.`;
  const habit = Object.hasOwn(QEMU_HABITS, word) ? QEMU_HABITS[word] : undefined;
  const guess = nearest(word, Object.keys(table));
  if (habit !== undefined) return habit;
  const list = `\`${command} --help\` lists the options.`;
  return guess === undefined ? list : `Did you mean --${guess}? ${list}`;
}
