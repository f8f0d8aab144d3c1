// The thread of a machine as one file with its tables worked out, so that it starts at once.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./files.mjs";

/** Modules whose exports are constants that take long to work out: the bundle has their values instead. */
const constants = ["dist/isa/decoder/tables.js", "dist/isa/table/facts.js"].map((path) => join(root, path));

/**
 * Bundles a compiled module and all that it imports.
 * @param {string} input relative to the project, as output
 * @param {string} output
 */
export async function bundle(input, output) {
  const { rolldown } = await import("rolldown");
  const plugins = [{ name: "constants", load: (/** @type {string} */ id) => loadConstants(id) }];
  const bundled = await rolldown({ input: join(root, input), platform: "node", plugins });
  // Node starts a CommonJS thread sooner than one of ES modules
  await bundled.write({ file: join(root, output), format: "cjs", codeSplitting: false, comments: false });
  await bundled.close();
}

/** @param {string} id */
async function loadConstants(id) {
  return constants.includes(id) ? constantsSource(await import(pathToFileURL(id).href)) : undefined;
}

/**
 * A module that exports these values: typed arrays, and what JSON can hold.
 * @param {Record<string, unknown>} values
 */
export function constantsSource(values) {
  const lines = Object.entries(values).map(([name, value]) => `export const ${name} = ${valueSource(value)};\n`);
  return `const bytes = (text) => new Uint8Array(Buffer.from(text, "base64"));\n${lines.join("")}`;
}

/** @param {unknown} value */
function valueSource(value) {
  if (!ArrayBuffer.isView(value)) return JSON.stringify(value);
  const text = Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64");
  return `new ${value.constructor.name}(bytes("${text}").buffer)`;
}
