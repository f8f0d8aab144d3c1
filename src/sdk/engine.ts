/** Which engine runs a machine, and its compiled code. */

import { readFile } from "node:fs/promises";
import { UserError } from "../base/assert.ts";
import { capability } from "../engine/wasm/capabilities.ts";
import type { WasmModules } from "../engine/wasm/library.ts";
import { KVM_CAP_MAX_VCPUS } from "../spec/kvm/capability.ts";

export const ENGINES = ["auto", "wasm", "host"] as const;
/** "wasm" is the software CPU, "host" the machine's own /dev/kvm; "auto" takes the best there is. */
export type EngineName = (typeof ENGINES)[number];

/** Throws UserError if the engine cannot be had, or does not run that many vCPUs. */
export function checkEngine(name: string, cpus: number): void {
  if (!(ENGINES as readonly string[]).includes(name))
    throw new UserError(`there is no engine "${name}"`, `The engines are ${ENGINES.join(", ")}.`);
  if (name === "host")
    throw new UserError(
      "the engine host, which drives /dev/kvm, is not built yet",
      "Use --engine wasm, the software CPU.",
    );
  const most = capability(KVM_CAP_MAX_VCPUS);
  if (Number.isInteger(cpus) && cpus >= 1 && cpus <= most) return;
  throw new UserError(
    `the wasm engine does not run ${cpus} CPUs: its KVM_CAP_MAX_VCPUS is ${most}`,
    most === 1 ? "Leave --cpus out, or give 1." : `Give --cpus 1 to ${most}.`,
  );
}

const HELPERS = new URL("../isa/helpers.wasm", import.meta.url);
const INTERPRETER = new URL("../engine/wasm/interpreter.wasm", import.meta.url);
let compiled: Promise<WasmModules> | undefined;

/** The wasm engine's modules, compiled once a process and shared by its machines. */
export function loadWasmModules(): Promise<WasmModules> {
  compiled ??= compileModules();
  return compiled;
}

async function compileModules(): Promise<WasmModules> {
  const [helpers, interpreter] = await Promise.all([compileFile(HELPERS), compileFile(INTERPRETER)]);
  return { helpers, interpreter };
}

async function compileFile(url: URL): Promise<WebAssembly.Module> {
  const bytes = await readFile(url).catch((error: Error) => {
    throw new UserError(`the engine's code is missing: ${error.message}`, "Run `npm run build`.", { cause: error });
  });
  return WebAssembly.compile(bytes);
}
