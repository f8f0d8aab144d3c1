import { UserError } from "../base/assert.ts";
import { nearest } from "../base/nearest.ts";
import type { DiskOptions } from "../sdk/index.ts";
import { parseChoice } from "./values.ts";

const WORDS = ["ro", "readonly", "format", "serial"] as const;

/** Reads the value of --disk: a file, then words behind commas; a comma in the file's name is written twice. Throws UserError. */
export function parseDiskOption(text: string): DiskOptions {
  const [file = "", ...words] = text.split(/(?<!,),(?!,)/).map((part) => part.replaceAll(",,", ","));
  if (file === "") throw new UserError("--disk names no file", "Write it like --disk disk.qcow2,ro.");
  return Object.assign({ file }, ...words.map(readWord)) as DiskOptions;
}

function readWord(word: string): Partial<DiskOptions> {
  const [name, value] = word.split(/=(.*)/s, 2) as [string, string | undefined];
  if ((name === "ro" || name === "readonly") && (value === undefined || value === "on")) return { readOnly: true };
  if (name === "format") return { format: parseChoice("disk ...,format", value ?? "", ["raw", "qcow2"] as const) };
  if (name === "serial" && value) return { serial: value };
  const guess = nearest(name, WORDS);
  const list = "The words are ro, format=raw|qcow2 and serial=TEXT.";
  throw new UserError(
    `--disk does not know "${word}"`,
    guess && guess !== name ? `Did you mean ${guess}? ${list}` : list,
  );
}
