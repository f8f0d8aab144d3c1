/** Values of options, read and checked. */

import { UserError } from "../base/assert.ts";
import type { Arch } from "../image/catalog.ts";

/** One of `choices`, or undefined if the option was not given. Throws UserError. */
export function parseChoice<T extends string>(
  option: string,
  value: string | undefined,
  choices: readonly T[],
): T | undefined {
  if (value === undefined || (choices as readonly string[]).includes(value)) return value as T | undefined;
  throw new UserError(`--${option} ${value} is not known`, `Give one of ${choices.join(", ")}.`);
}

/** The value of --arch. Throws UserError. */
export function parseArch(value: string | undefined): Arch | undefined {
  return parseChoice<Arch>("arch", value, ["amd64", "i386"]);
}

/** A number above 0, or undefined if the option was not given. Throws UserError. */
export function parseNumber(option: string, text: string | undefined, example: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== "" && value > 0 && Number.isFinite(value)) return value;
  throw new UserError(`--${option} ${text} is not a number above 0`, `Write it like --${option} ${example}.`);
}
