// The command line of the benchmark of programs.
import { parseArgs } from "node:util";
import { UserError } from "../../dist/base/assert.js";
import { emulators } from "../boot/emulators.mjs";
import { programNames } from "./guest.mjs";

/** Where a program runs: an emulator, or the machine itself. */
export const places = [...Object.keys(emulators), "native"];

export const help = `Runs the programs of bench/guest in guests of tskvm and its peers and natively, and says how long each takes.

npm run bench -- [OPTIONS]

  --rounds N         runs of each pair of architecture and emulator, taking turns; default 3
  --arch NAME,...    of i386, amd64; default both
  --only NAME,...    of ${places.join(", ")}; default all
  --program NAME,... default all: ${programNames().join(", ")}
  --quick            one round of amd64, and of tskvm and QEMU only
  --timeout SECONDS  how long all programs of one run may take; default 900
  --pin              everything on one core, as on a machine with one
  --jit MODE         what tskvm is given as --jit; default auto
  --json FILE        writes every measurement there
  --help

A Markdown table goes to standard output, everything else to standard error. Let the machine be idle otherwise.
`;

/** @typedef {ReturnType<typeof readArguments>} Options */

/**
 * Throws UserErrors.
 * @param {string[]} args
 */
export function readArguments(args) {
  const values = parse(args);
  const { quick, pin, jit, json } = values;
  return {
    quick,
    pin,
    jit,
    json,
    help: values.help,
    rounds: positiveInteger("rounds", values.rounds ?? (quick ? "1" : "3")),
    timeoutSeconds: positiveInteger("timeout", values.timeout),
    architectures: names("arch", values.arch ?? (quick ? "amd64" : "i386,amd64"), ["i386", "amd64"]),
    places: names("only", values.only ?? (quick ? "tskvm,qemu" : places.join(",")), places),
    programs: names("program", values.program ?? programNames().join(","), programNames()),
  };
}

/** @param {string[]} args */
function parse(args) {
  try {
    return parseArgs({
      args,
      options: {
        rounds: { type: "string" },
        arch: { type: "string" },
        only: { type: "string" },
        program: { type: "string" },
        timeout: { type: "string", default: "900" },
        quick: { type: "boolean", default: false },
        pin: { type: "boolean", default: false },
        jit: { type: "string", default: "auto" },
        json: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new UserError(String(error), "`npm run bench -- --help` lists the options.", { cause: error });
  }
}

/** @param {string} option @param {string} value */
function positiveInteger(option, value) {
  if (/^[1-9]\d{0,5}$/.test(value)) return Number(value);
  throw new UserError(`--${option} is not a positive number: ${value}`, "Give a whole number from 1 on.");
}

/** @param {string} option @param {string} value @param {readonly string[]} known */
function names(option, value, known) {
  const given = [...new Set(value.split(",").filter(Boolean))];
  for (const name of given)
    if (!known.includes(name)) throw new UserError(`--${option} knows no ${name}`, `It knows ${known.join(", ")}.`);
  return given;
}
