/** The flag of V8 under which it heeds the branch hints that our modules carry. */

import { setFlagsFromString } from "node:v8";

const FLAG = "experimental-wasm-branch-hinting";
/** V8 until here has the flag; an unknown one would be complained about. */
const LAST_WITH_FLAG = 13;

const isKnown = Number.parseInt(process.versions.v8 ?? "", 10) <= LAST_WITH_FLAG;

/**
 * Calls a function that begins to compile a module, whose hints V8 then heeds. The flag is set for that long only: with
 * another set of flags than it was built with Node loads none of its compiled code, and threads start late.
 */
export function withBranchHints<T>(compile: () => T): T {
  if (!isKnown) return compile();
  setFlagsFromString(`--${FLAG}`);
  try {
    return compile();
  } finally {
    setFlagsFromString(`--no-${FLAG}`);
  }
}
