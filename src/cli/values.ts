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

const UNITS: { readonly [unit: string]: number } = {
  "": 1,
  k: 2 ** 10,
  m: 2 ** 20,
  g: 2 ** 30,
  t: 2 ** 40,
  p: 2 ** 50,
};

/** Bytes from text like "512", "64K" or "1.5G". Throws UserError. */
export function parseByteSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgtp]?)(?:i?b)?$/i.exec(text.trim());
  if (match) return Math.round(Number(match[1]) * UNITS[match[2]!.toLowerCase()]!);
  throw new UserError(`"${text}" is no size`, "Write it like 512M or 10G; a number alone counts bytes.");
}
