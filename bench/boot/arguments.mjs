// The command line of the benchmark.
import { parseArgs } from "node:util";
import { UserError } from "../../dist/base/assert.js";
import { CATALOG, findCatalogEntry } from "../../dist/image/catalog.js";
import { emulators } from "./emulators.mjs";

export const help = `Boots the same kernel and initrd on tskvm and its peers, and says how long each takes to the shell.

npm run bench:boot -- [OPTIONS]

  --rounds N         boots of each pair of guest and emulator, taking turns; default 5
  --image NAME,...   ${CATALOG.map(({ name }) => name).join(", ")};
                     default debian-cloud,debian-686-pae
  --only NAME,...    of ${Object.keys(emulators).join(", ")}; default all
  --memory MIB       of each guest, a power of two; default 512
  --timeout SECONDS  how long a boot may take; default 600
  --pin              everything on one core, as on a machine with one
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
  const images = values.image.flatMap(namesIn);
  for (const name of images) findCatalogEntry(name);
  return {
    rounds: positiveInteger(values, "rounds"),
    memoryMiB: memoryOf(values),
    timeoutSeconds: positiveInteger(values, "timeout"),
    images: [...new Set(images)],
    emulators: [...new Set(values.only.flatMap(namesIn).map(knownEmulator))],
    pin: values.pin,
    json: values.json,
    help: values.help,
  };
}

/** @param {string[]} args */
function parse(args) {
  try {
    return parseArgs({
      args,
      options: {
        rounds: { type: "string", default: "5" },
        image: { type: "string", multiple: true, default: ["debian-cloud,debian-686-pae"] },
        only: { type: "string", multiple: true, default: Object.keys(emulators) },
        memory: { type: "string", default: "512" },
        timeout: { type: "string", default: "600" },
        pin: { type: "boolean", default: false },
        json: { type: "string" },
        help: { type: "boolean", default: false },
      },
    }).values;
  } catch (error) {
    throw new UserError(error instanceof Error ? error.message : String(error), "See --help.", { cause: error });
  }
}

/** @param {string} list */
const namesIn = (list) => list.split(",");

/** @param {string} name */
function knownEmulator(name) {
  if (Object.hasOwn(emulators, name)) return name;
  throw new UserError(`unknown emulator "${name}"`, `The emulators are ${Object.keys(emulators).join(", ")}.`);
}

/**
 * @template {string} Name
 * @param {Record<Name, string>} values
 * @param {Name} name
 */
function positiveInteger(values, name) {
  if (/^[1-9]\d*$/.test(values[name])) return Number(values[name]);
  throw new UserError(`--${name} ${values[name]} is not a positive integer`, "See --help.");
}

/** v86 takes powers of two only. @param {{ memory: string }} values */
function memoryOf(values) {
  const memoryMiB = positiveInteger(values, "memory");
  if (Number.isInteger(Math.log2(memoryMiB))) return memoryMiB;
  throw new UserError(`--memory ${memoryMiB} is not a power of two`, "See --help.");
}
